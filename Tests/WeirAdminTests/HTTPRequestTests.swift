// Reading requests: whole, in every split, and what is refused.

import Testing

@testable import WeirAdmin

@Suite struct `HTTP requests` {
    private func read(_ text: String) -> HTTPReading {
        var reader = HTTPRequestReader()
        reader.add(Array(text.utf8))
        return reader.next()
    }

    private func request(_ text: String) -> HTTPRequest? {
        guard case .request(let request) = read(text) else { return nil }
        return request
    }

    @Test func `a request split at any byte reads the same`() {
        let text = Array("GET /ready?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".utf8)
        let expected = HTTPRequest(method: "GET", path: "/ready", host: "localhost", keepsAlive: true)
        for split in 0..<text.count {
            var reader = HTTPRequestReader()
            reader.add(text[..<split])
            #expect(reader.next() == .needsMore)
            reader.add(text[split...])
            #expect(reader.next() == .request(expected))
            #expect(reader.isEmpty)
        }
        var reader = HTTPRequestReader()
        for (index, byte) in text.enumerated() {
            reader.add([byte])
            #expect(reader.next() == (index == text.count - 1 ? .request(expected) : .needsMore))
        }
    }

    @Test func `pipelined requests come one after the other`() {
        var reader = HTTPRequestReader()
        reader.add(Array("GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGE".utf8))
        guard case .request(let a) = reader.next(), case .request(let b) = reader.next() else {
            Issue.record("two requests expected")
            return
        }
        #expect([a.path, b.path] == ["/a", "/b"])
        #expect(reader.next() == .needsMore)
    }

    @Test(arguments: [
        ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false), ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true), ("HTTP/1.1", "Connection: x, close\r\n", false),
        ("HTTP/1.1", "Content-Length: 0\r\n", true), ("HTTP/1.1", "Content-Length: 5\r\n", false),
        ("HTTP/1.1", "Transfer-Encoding: chunked\r\n", false),
    ])
    func `the connection lives on only when the client wants it and no body follows`(
        version: String, header: String, keepsAlive: Bool
    ) {
        #expect(request("GET / \(version)\r\nHost: x\r\n\(header)\r\n")?.keepsAlive == keepsAlive)
    }

    @Test func `the absolute form and the path without query are understood`() {
        #expect(request("GET http://localhost:1/metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n")?.path == "/metrics")
        #expect(request("GET http://localhost HTTP/1.1\r\nHost: x\r\n\r\n") == nil)
    }

    @Test(arguments: [
        "\u{16}\u{3}\u{1}", "\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "GET / HTTP/1.1\r\nHost: \u{0}\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "G{T / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / FTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
    ])
    func `what is malformed is refused`(text: String) {
        #expect(read(text) == .refused(.malformed))
    }

    @Test func `another version is refused as such`() {
        #expect(read("GET / HTTP/2.0\r\nHost: x\r\n\r\n") == .refused(.versionUnknown))
        #expect(read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == .refused(.malformed))
    }

    @Test func `a head that is too large is refused when the limit is reached, and never more is kept`() {
        var reader = HTTPRequestReader()
        reader.add(Array("GET / HTTP/1.1\r\nHost: x\r\nX: ".utf8))
        while reader.room > 0 {
            #expect(reader.next() == .needsMore)
            reader.add([UInt8](repeating: 120, count: min(1000, reader.room)))
        }
        #expect(reader.next() == .refused(.headTooLarge))
    }

    @Test func `too many headers are refused`() {
        let headers = (0...HTTPRequestReader.maximumHeaderCount).map { "a\($0): b\r\n" }.joined()
        #expect(read("GET / HTTP/1.1\r\nHost: x\r\n\(headers)\r\n") == .refused(.headTooLarge))
    }

    @Test(arguments: [
        "localhost", "LOCALHOST:9001", "127.0.0.1", "127.0.0.1:80", "127.3.2.1", "[::1]", "[::1]:9001", "localhost.",
    ])
    func `names of this machine are accepted as Host`(host: String) {
        #expect(LoopbackHost.matches(host))
    }

    @Test(arguments: [
        "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0", "127.0.0.256", "[::2]",
        "[::1", "[::1]x", "localhost:x", "10.0.0.1", "localhost@evil",
    ])
    func `other names are not`(host: String) {
        #expect(!LoopbackHost.matches(host))
    }

    @Test func `the date is that of RFC 9110`() {
        #expect(HTTPResponse.date(784_111_777_000_000_000) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
