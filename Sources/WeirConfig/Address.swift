// "host:port" taken apart: 127.0.0.1:6379, [::1]:6379, redis.internal:6379. Looks nothing up.

import WeirBase
import Glibc

/// A host or IP address with a port.
public struct Address: Sendable, Equatable, Hashable {
    /// Without brackets.
    public let host: String
    public let port: UInt16
    /// 4 or 16 bytes when the host is an IP address, else empty.
    public let ip: [UInt8]

    public struct Failure: Error, Sendable, Equatable {
        public let message: String
        public let hint: String?
    }

    /// The form that names are given in: IPv6 in brackets.
    public var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// 0.0.0.0 or [::].
    var isWildcard: Bool { !ip.isEmpty && ip.allSatisfy { $0 == 0 } }

    /// Whether listening on both would be listening twice. [::] takes IPv4 connections too.
    func overlaps(_ other: Address) -> Bool {
        guard port != 0, port == other.port else { return false }
        if ip == other.ip { return true }
        if isWildcard && ip.count == 16 || other.isWildcard && other.ip.count == 16 { return true }
        return ip.count == other.ip.count && (isWildcard || other.isWildcard)
    }

    /// An address to listen on: IP and port, 0 for a port that the system chooses.
    public static func listening(_ text: String) -> Result<Address, Failure> {
        parse(text).flatMap { address in
            guard address.ip.isEmpty else { return .success(address) }
            let hint =
                address.host == "localhost"
                ? "write 127.0.0.1:\(address.port)" : "write an IP address, or 0.0.0.0:\(address.port) for all"
            return .failure(Failure(message: "'\(address.host)' is not an IP address", hint: hint))
        }
    }

    /// An address to connect to: IP or host name, and a port that is not 0.
    public static func upstream(_ text: String) -> Result<Address, Failure> {
        parse(text).flatMap { address in
            guard address.port != 0 else {
                return .failure(Failure(message: "nobody listens on port 0", hint: "ports are 1 to 65535"))
            }
            return .success(address)
        }
    }

    private static func parse(_ text: String) -> Result<Address, Failure> {
        if text.isEmpty { return .failure(Failure(message: "the address is empty", hint: "write host:port")) }
        guard !text.holds("://") else {
            return .failure(Failure(message: "an address has no scheme", hint: "write host:port"))
        }
        guard let colon = text.lastIndex(of: ":"), !(text.hasPrefix("[") && text.hasSuffix("]")) else {
            return .failure(Failure(message: "the address has no port", hint: "write \(text):port"))
        }
        var host = String(text[..<colon])
        let digits = String(text[text.index(after: colon)...])
        guard let port = port(digits) else {
            let message = digits.isEmpty ? "the address has no port" : "'\(digits)' is not a port"
            return .failure(Failure(message: message, hint: "ports are 1 to 65535"))
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard let ip = ipv6(host) else {
                return .failure(Failure(message: "'\(host)' is not an IPv6 address", hint: nil))
            }
            return .success(Address(host: host, port: port, ip: ip))
        }
        if host.contains(":") {
            return .failure(Failure(message: "an IPv6 address needs brackets", hint: "write [address]:port"))
        }
        guard !host.isEmpty else {
            return .failure(
                Failure(message: "the address has no host", hint: "write 0.0.0.0\(text) or 127.0.0.1\(text)"))
        }
        if let ip = ipv4(host) { return .success(Address(host: host, port: port, ip: ip)) }
        guard isHostName(host) else {
            return .failure(Failure(message: "'\(host)' is neither an IP address nor a host name", hint: nil))
        }
        return .success(Address(host: host, port: port, ip: []))
    }

    private static func port(_ text: String) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return UInt16(text)
    }

    private static func ipv4(_ text: String) -> [UInt8]? { ip(text, AF_INET, 4) }
    private static func ipv6(_ text: String) -> [UInt8]? { ip(text, AF_INET6, 16) }

    private static func ip(_ text: String, _ family: Int32, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let isValid = text.withCString { source in
            bytes.withUnsafeMutableBytes { inet_pton(family, source, $0.baseAddress) }
        }
        return isValid == 1 ? bytes : nil
    }

    /// RFC 1123 labels, underscores tolerated; a last label of digits only would be a mistyped IP address.
    private static func isHostName(_ text: String) -> Bool {
        guard text.utf8.count <= 253 else { return false }
        var labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.last == "" { labels.removeLast() }
        guard let last = labels.last, !last.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return false }
        return labels.allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63 && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || $0 == 0x2D || $0 == 0x5F
                }
        }
    }
}
