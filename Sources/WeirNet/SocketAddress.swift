// Where a socket is: IPv4 or IPv6 with a port, in 32 bytes without a reference, so that it can be copied anywhere.
// It must not know how names are resolved (`NameResolver`). A path of a Unix socket would become a third family.

import CWeirLinux

/// An Internet address and a port. `description` and `init?(_:)` are inverse: `127.0.0.1:6379`, `[::1]:6379`.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    public enum Family: UInt8, Sendable { case unspecified, ipv4, ipv6 }

    public private(set) var family: Family
    /// Host byte order.
    public var port: UInt16
    /// IPv6 only: which interface a link-local address means; 0 otherwise.
    public private(set) var scope: UInt32
    /// The address's bytes in network order; IPv4 fills the first 4 bytes of `upper`.
    private var upper: UInt64
    private var lower: UInt64

    /// No address at all.
    public init() {
        family = .unspecified
        port = 0
        scope = 0
        upper = 0
        lower = 0
    }

    /// `SocketAddress(ipv4: (127, 0, 0, 1), port: 6379)`
    public init(ipv4 bytes: (UInt8, UInt8, UInt8, UInt8), port: UInt16) {
        self.init()
        family = .ipv4
        self.port = port
        withUnsafeMutableBytes(of: &upper) { $0.storeBytes(of: bytes, as: (UInt8, UInt8, UInt8, UInt8).self) }
    }

    public static func loopback(port: UInt16) -> SocketAddress { SocketAddress(ipv4: (127, 0, 0, 1), port: port) }

    // MARK: Text

    /// `127.0.0.1:6379`, `[::1]:6379`, `[fe80::1%2]:6379`. Numbers only; nothing is looked up. `nil` for all else.
    public init?(_ text: String) {
        guard let (host, port) = SocketAddress.split(text) else { return nil }
        self.init()
        self.port = port
        if text.utf8.first == UInt8(ascii: "[") {
            let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 {
                guard let scope = SocketAddress.number(parts[1].utf8, maximum: UInt64(UInt32.max)) else { return nil }
                self.scope = UInt32(truncatingIfNeeded: scope)
            }
            guard let first = parts.first, read(String(first), AF_INET6) else { return nil }
            family = .ipv6
            unmap()
        } else {
            guard read(String(host), AF_INET) else { return nil }
            family = .ipv4
        }
    }

    public var description: String {
        guard family != .unspecified else { return "unspecified" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            var bytes = (upper, lower)
            let number = family == .ipv4 ? AF_INET : AF_INET6
            guard let start = inet_ntop(number, &bytes, text.baseAddress, socklen_t(text.count)) else { return "?" }
            let host = String(cString: start)
            if family == .ipv4 { return "\(host):\(port)" }
            return scope == 0 ? "[\(host)]:\(port)" : "[\(host)%\(scope)]:\(port)"
        }
    }

    /// Cuts `host:port` and `[host]:port` into host (without brackets) and port. `nil` when the port is missing or no
    /// number up to 65535, the host empty, or an unbracketed host holds a colon.
    static func split(_ text: String) -> (host: Substring, port: UInt16)? {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")), !text.utf8.contains(0) else { return nil }
        let digits = text.utf8[text.utf8.index(after: colon)...]
        guard let port = number(digits, maximum: 65535) else { return nil }
        var host = text[..<colon]
        if host.utf8.first == UInt8(ascii: "[") {
            guard host.utf8.last == UInt8(ascii: "]") else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.utf8.contains(UInt8(ascii: ":")) {
            return nil
        }
        guard !host.isEmpty else { return nil }
        return (host, UInt16(truncatingIfNeeded: port))
    }

    /// A decimal number of 1 to 10 digits that does not exceed `maximum`.
    private static func number(_ digits: Substring.UTF8View, maximum: UInt64) -> UInt64? {
        guard (1...10).contains(digits.count) else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            // Safe: ten digits stay far below 2^64.
            value = value &* 10 &+ UInt64(digit &- UInt8(ascii: "0"))
        }
        return value <= maximum ? value : nil
    }

    /// An IPv4 address in IPv6 clothes (`::ffff:1.2.3.4`, what a listener on `[::]` sees) becomes the IPv4 address.
    private mutating func unmap() {
        guard upper == 0, UInt64(bigEndian: lower) >> 32 == 0xffff else { return }
        family = .ipv4
        scope = 0
        upper = UInt64(littleEndian: UInt64(littleEndian: lower) >> 32)
        lower = 0
    }

    private mutating func read(_ host: String, _ family: Int32) -> Bool {
        var bytes: (UInt64, UInt64) = (0, 0)
        guard inet_pton(family, host, &bytes) == 1 else { return false }
        (upper, lower) = bytes
        return true
    }
}

// MARK: - The kernel's form

extension SocketAddress {
    /// From what the kernel or the resolver has filled in. Unknown families become unspecified.
    init(_ native: UnsafeRawPointer, byteCount: Int) {
        self.init()
        guard byteCount >= MemoryLayout<sa_family_t>.size else { return }
        switch Int32(native.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET:
            guard byteCount >= MemoryLayout<sockaddr_in>.size else { return }
            let address = native.loadUnaligned(as: sockaddr_in.self)
            family = .ipv4
            port = UInt16(bigEndian: address.sin_port)
            withUnsafeMutableBytes(of: &upper) { $0.storeBytes(of: address.sin_addr.s_addr, as: UInt32.self) }
        case AF_INET6:
            guard byteCount >= MemoryLayout<sockaddr_in6>.size else { return }
            let address = native.loadUnaligned(as: sockaddr_in6.self)
            port = UInt16(bigEndian: address.sin6_port)
            (upper, lower) = withUnsafeBytes(of: address.sin6_addr) {
                ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            family = .ipv6
            scope = address.sin6_scope_id
            unmap()
        default: break
        }
    }

    /// Lends the kernel's form. `nil` for the unspecified address.
    func withNative<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R? {
        switch family {
        case .unspecified: return nil
        case .ipv4:
            var native = sockaddr_in()
            native.sin_family = sa_family_t(AF_INET)
            native.sin_port = port.bigEndian
            native.sin_addr.s_addr = withUnsafeBytes(of: upper) { $0.loadUnaligned(as: UInt32.self) }
            return SocketAddress.lend(&native, body)
        case .ipv6:
            var native = sockaddr_in6()
            native.sin6_family = sa_family_t(AF_INET6)
            native.sin6_port = port.bigEndian
            native.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &native.sin6_addr) {
                $0.storeBytes(of: upper, as: UInt64.self)
                $0.storeBytes(of: lower, toByteOffset: 8, as: UInt64.self)
            }
            return SocketAddress.lend(&native, body)
        }
    }

    private static func lend<T, R>(_ native: inout T, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: &native) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<T>.size)) }
        }
    }

    /// AF_INET, AF_INET6 or AF_UNSPEC.
    var nativeFamily: Int32 {
        switch family {
        case .unspecified: AF_UNSPEC
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        }
    }
}
