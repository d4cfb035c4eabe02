// Names to addresses, by the C library's resolver (hosts file, DNS, whatever the machine is set up with).
// It blocks, for seconds when DNS is down: it must never run on a worker's thread.

import CWeirLinux

/// Why a name has no address.
public struct ResolutionError: Error, Equatable, CustomStringConvertible {
    public let text: String
    /// For people: what the resolver said.
    public let reason: String
    /// May another attempt succeed without a change of the text (the name server was silent, say)?
    public let isTemporary: Bool

    public var description: String { "cannot resolve \(text): \(reason)" }
}

public enum NameResolver {
    /// The addresses of `host:port` (`cache.internal:6379`, `127.0.0.1:6379`, `[::1]:6379`), in the order in which the
    /// resolver prefers them, none twice, at least one. Blocks: not for a worker's thread.
    public static func resolve(_ text: String) throws(ResolutionError) -> [SocketAddress] {
        if let address = SocketAddress(text) { return [address] }
        guard let (host, port) = SocketAddress.split(text) else {
            throw ResolutionError(
                text: text, reason: "this is not host:port with a port up to 65535", isTemporary: false)
        }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(String(host), nil, &hints, &list)
        guard code == 0 else {
            let reason =
                code == EAI_SYSTEM ? String(cString: strerror(weir_errno())) : String(cString: gai_strerror(code))
            throw ResolutionError(text: text, reason: reason, isTemporary: code == EAI_AGAIN || code == EAI_SYSTEM)
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            var address = SocketAddress(entry.pointee.ai_addr, byteCount: Int(entry.pointee.ai_addrlen))
            address.port = port
            if address.family != .unspecified, !addresses.contains(address) { addresses.append(address) }
            next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else {
            throw ResolutionError(text: text, reason: "the name has no IPv4 or IPv6 address", isTemporary: false)
        }
        return addresses
    }
}
