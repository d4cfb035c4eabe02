// Bytes: large values, deep pipelines, every split, inline commands, garbage.

import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Wire {
        let rig: Rig

        init() throws { rig = try Rig() }

        @Test func `a value of 10 MB comes back as it was`() throws {
            var generator = SeededGenerator(seed: 1)
            var value: [UInt8] = []
            value.reserveCapacity(10_000_000)
            while value.count < 10_000_000 { withUnsafeBytes(of: generator.next()) { value += $0 } }
            let client = try rig.client(patience: 30)
            try client.send(RespClient.encode([Array("SET".utf8), Array("big".utf8), value]))
            #expect(try client.receive() == .simple("OK"))
            #expect(try client.call("STRLEN", "big") == .integer(Int64(value.count)))
            try client.write("GET", "big")
            #expect(try client.receive() == .bulk(value))
            try rig.expectHealthy()
        }

        @Test func `ten thousand commands in one write are answered in order`() throws {
            let client = try rig.client(patience: 30)
            var bytes: [UInt8] = []
            for n in 0..<10_000 { bytes += RespClient.encode("ECHO", "\(n)") }
            try client.send(bytes)
            for n in 0..<10_000 { try #require(try client.receive() == .bulk("\(n)")) }
        }

        @Test func `deep pipelines of many clients do not mix`() throws {
            let clients = try (0..<10).map { _ in try rig.client(patience: 30) }
            for round in 0..<20 {
                for (c, client) in clients.enumerated() {
                    var bytes: [UInt8] = []
                    for n in 0..<100 { bytes += RespClient.encode("ECHO", "\(c)-\(round)-\(n)") }
                    try client.send(bytes)
                }
                for (c, client) in clients.enumerated() {
                    for n in 0..<100 { try #require(try client.receive() == .bulk("\(c)-\(round)-\(n)")) }
                }
            }
        }

        @Test func `every byte in a write of its own is the same as all at once`() throws {
            let client = try rig.client()
            var bytes = RespClient.encode("SET", "k", "a\r\nb") + RespClient.encode("GET", "k")
            bytes += RespClient.encode("MULTI") + RespClient.encode("INCR", "n") + RespClient.encode("EXEC")
            bytes += Array("PING\r\n".utf8) + RespClient.encode("LRANGE", "none", "0", "-1")
            for byte in bytes { try client.send([byte]) }
            #expect(
                try client.receive(count: 7) == [
                    .simple("OK"), .bulk("a\r\nb"), .simple("OK"), .simple("QUEUED"), .array([.integer(1)]),
                    .simple("PONG"), .array([]),
                ])
        }

        @Test(.proxyOnly) func `answers that come in one-byte pieces are the same as all at once`() throws {
            let faults = try FaultProxy(upstream: rig.redis.port, .init(toClient: [.oneByteWrites]))
            let subject = try #require(try Rig.start(before: faults.port))
            let client = try subject.client(patience: 30)
            #expect(try client.call("RPUSH", "l", "a", "", "c\r\n") == .integer(3))
            #expect(try client.call("LRANGE", "l", "0", "-1") == .array([.bulk("a"), .bulk(""), .bulk("c\r\n")]))
            #expect(try client.call("NOSUCH").errorText?.hasPrefix("ERR unknown command") == true)
            #expect(try client.call("HELLO", "3").elements.count >= 14)
            #expect(try client.call("GET", "none") == .null)
        }

        @Test func `inline commands work as in Redis`() throws {
            let client = try rig.client()
            try client.send(raw: "\r\nSET k \"a b\\x41\\n\"\r\nGET k\r\n  PING  \r\nset 'x y' 1\nGET \"x y\"\n")
            #expect(
                try client.receive(count: 5) == [
                    .simple("OK"), .bulk("a bA\n"), .simple("PONG"), .simple("OK"), .bulk("1"),
                ])
            try client.send(raw: "GET \"x\\x4\"\r\n")
            #expect(try client.receive() == .null)
        }

        @Test(arguments: [
            ("SET \"a b\r\n", "unbalanced quotes in request"), ("*x\r\n", "invalid multibulk length"),
            ("*3000000000\r\n", "invalid multibulk length"), ("*1\r\n4\r\nPING\r\n", "expected '$', got '4'"),
            ("*1\r\n$-1\r\n", "invalid bulk length"), ("*1\r\n$x\r\n", "invalid bulk length"),
            ("*2\r\n$3\r\nGET\r\n$2147483645\r\n", "invalid bulk length"),
            ("*2\r\n$3\r\nGET\r\n$9223372036854775807\r\n", "invalid bulk length"),
            ("*2\r\n*1\r\n$3\r\nGET\r\n", "expected '$', got '*'"),
        ])
        func `a protocol error is said in Redis's words, and the connection closed`(input: String, text: String) throws
        {
            let client = try rig.client()
            try client.send(raw: "PING\r\n" + input)
            let answer = String(decoding: try client.receiveUntilClosed(), as: UTF8.self)
            #expect(answer == "+PONG\r\n-ERR Protocol error: \(text)\r\n")
            try rig.expectHealthy()
        }

        @Test func `an inline command of 70 kB without an end is refused`() throws {
            let client = try rig.client()
            try client.send(raw: String(repeating: "A", count: 70_000))
            let answer = String(decoding: try client.receiveUntilClosed(), as: UTF8.self)
            #expect(answer.isEmpty || answer == "-ERR Protocol error: too big inline request\r\n")
        }

        @Test func `empty commands are passed over in silence`() throws {
            let client = try rig.client()
            try client.send(raw: "*0\r\n*-1\r\n\r\n*1\r\n$4\r\nPING\r\n")
            #expect(try client.receive() == .simple("PONG"))
            #expect(client.staysSilent(for: 0.05))
        }

        @Test func `an error answer that is not UTF-8 passes`() throws {
            let client = try rig.client()
            try client.send(RespClient.encode([[0xff, 0xfe, 0x80]]))
            #expect(try client.receive().errorText?.hasPrefix("ERR unknown command") == true)
            #expect(try client.call("PING") == .simple("PONG"))
        }

        @Test(.weirOnly) func `a bulk string that does not end in CRLF smuggles nothing upstream`() throws {
            let client = try rig.client()
            try client.send(raw: "*1\r\n$4\r\nPINGXX*3\r\n$3\r\nSET\r\n$8\r\nsmuggled\r\n$1\r\n1\r\n")
            let answer = String(decoding: client.receiveUntilSilent(0.3), as: UTF8.self)
            #expect(answer.hasPrefix("-ERR Protocol error") || answer == "+PONG\r\n+OK\r\n", "\(answer)")
            try rig.expectHealthy()
        }

        @Test(arguments: ["POST / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n"])
        func `HTTP is cut off before a body can be taken for commands`(request: String) throws {
            let client = try rig.client()
            try client.send(raw: request)
            _ = try client.receiveUntilClosed()
            #expect(try rig.client().call("EXISTS", "k") == .integer(0))
        }

        @Test func `a client that only half closes still gets its answers`() throws {
            let client = try rig.client()
            try client.send(RespClient.encode("SET", "k", "v") + RespClient.encode("GET", "k"))
            client.finishSending()
            let answer = String(decoding: try client.receiveUntilClosed(), as: UTF8.self)
            // Redis itself closes at once when it sees the end; both are right, a part of an answer is not.
            #expect(["", "+OK\r\n", "+OK\r\n$1\r\nv\r\n"].contains(answer), "\(answer)")
            try rig.expectHealthy()
        }
    }
}
