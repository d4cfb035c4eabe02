// Addresses as text, and names.

import Testing
import WeirNet

struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:6379", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:6379", "[::]:9042", "[2001:db8::17]:1",
        "[fe80::1%2]:80", "[2001:db8:1:2:3:4:5:6]:443",
    ])
    func `what is parsed is printed as it was`(text: String) throws {
        let address = try #require(SocketAddress(text))
        #expect(address.description == text)
        #expect(SocketAddress(address.description) == address)
    }

    @Test(arguments: [
        "", ":", "6379", "127.0.0.1", "127.0.0.1:", ":6379", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:6379 ", " 127.0.0.1:6379", "127.0.0.1:0x1", "127.0.0.1:99999999999999999999", "256.0.0.1:1",
        "1.2.3:1", "1.2.3.4.5:1", "localhost:6379", "::1:6379", "[::1]", "[::1]6379", "[::1:6379", "::1]:6379",
        "[127.0.0.1]:1", "[]:1", "[::g]:1", "[fe80::1%]:1", "[fe80::1%x]:1", "[fe80::1%99999999999]:1",
        "127.0.0.1\u{0}:1", "127.0.0.1:1\u{0}", "[::1]x:1", "١٢٧.0.0.1:1",
    ])
    func `what is no address and port is refused`(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test func `family and port are what the text says`() {
        #expect(SocketAddress("127.0.0.1:6379") == SocketAddress.loopback(port: 6379))
        #expect(SocketAddress("[::1]:6379")?.family == .ipv6)
        #expect(SocketAddress("[::1]:6379")?.port == 6379)
        #expect(SocketAddress().family == .unspecified)
        #expect(SocketAddress().description == "unspecified")
        #expect(SocketAddress("[::1]:1") != SocketAddress("[::1]:2"))
        #expect(SocketAddress("[::1]:1") != SocketAddress("[::2]:1"))
        #expect(SocketAddress("[fe80::1%1]:1") != SocketAddress("[fe80::1%2]:1"))
    }

    @Test func `an IPv4 address written as IPv6 is the IPv4 address`() {
        #expect(SocketAddress("[::ffff:10.1.2.3]:80") == SocketAddress("10.1.2.3:80"))
    }
}

struct NameResolverTests {
    @Test func `numbers need no look-up`() throws {
        #expect(try NameResolver.resolve("127.0.0.1:6379") == [.loopback(port: 6379)])
        #expect(try NameResolver.resolve("[::1]:6379") == [#require(SocketAddress("[::1]:6379"))])
    }

    @Test func `localhost resolves to loopback addresses with the port, none twice`() throws {
        let addresses = try NameResolver.resolve("localhost:6379")
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { $0.port == 6379 })
        #expect(Set(addresses).count == addresses.count)
        #expect(
            Set(addresses).isSubset(of: [.loopback(port: 6379), try #require(SocketAddress("[::1]:6379"))]))
    }

    @Test(arguments: ["localhost", "localhost:", "localhost:70000", ":6379", "a:b:1"])
    func `what is not host and port is refused in words`(text: String) {
        let error = #expect(throws: ResolutionError.self) { try NameResolver.resolve(text) }
        #expect(error?.isTemporary == false)
        #expect(error?.description.contains("host:port") == true)
    }

    @Test func `an unknown name gives the resolver's words`() {
        // ".invalid" never exists (RFC 6761).
        let error = #expect(throws: ResolutionError.self) { try NameResolver.resolve("no-such-host.invalid:1") }
        #expect(error?.text == "no-such-host.invalid:1")
        #expect(error?.reason.isEmpty == false)
    }
}
