// Garbage from clients: after each input a connection that was there before still answers, a new one does, and
// memory has not grown by more than was sent and a cap.

import Testing
import WeirTestSupport

/// One input: what is sent, and how.
struct BadInput: Sendable, CustomTestStringConvertible {
    enum Manner { case send, byByte, unread, halfClose }

    var name: String
    var bytes: [UInt8]
    var manner = Manner.send
    var testDescription: String { name }

    init(_ name: String, _ text: String, _ manner: Manner = .send) {
        self.init(name, Array(text.utf8), manner)
    }

    init(_ name: String, _ bytes: [UInt8], _ manner: Manner = .send) {
        self.name = name
        self.bytes = bytes
        self.manner = manner
    }

    private static func noise(_ count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(count))
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    private static let ping = "*1\r\n$4\r\nPING\r\n"
    private static let tlsHello: [UInt8] = [0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4, 3, 3] + noise(189)

    static let all =
        inline + lengths + shapes + commands + [
            BadInput("PING in 1-byte writes", ping, .byByte), BadInput("100 kB of noise", noise(100_000)),
            BadInput("TLS hello on the plain port", tlsHello), BadInput("half close", ping, .halfClose),
            BadInput("10,000 PINGs, answers not read", String(repeating: ping, count: 10_000), .unread),
            BadInput(
                "1 MB of noise in one bulk string", Array("*1\r\n$1000000\r\n".utf8) + noise(1_000_000) + [13, 10]),
        ]

    private static let inline = [
        BadInput("hex escape of one digit", "GET \"x\\x4\"\r\n"), BadInput("unbalanced quotes", "SET \"a b\r\n"),
        BadInput("70 kB, no newline", String(repeating: "A", count: 70_000)),
        BadInput("empty lines, then PING", "\r\n\r\n\r\nPING\r\n"), BadInput("NUL bytes", "GE\0T a\r\n"),
        BadInput("HTTP POST", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"), BadInput("lone CR", "*1\r$4\rPING\r"),
        BadInput("bare LF", "*1\n$4\nPING\n"),
    ]

    private static let lengths = [
        BadInput("array of -1, then PING", "*-1\r\nPING\r\n"), BadInput("array of 0, then PING", "*0\r\n" + ping),
        BadInput("array of no number", "*x\r\n"), BadInput("array of 2147483648", "*2147483648\r\n$1\r\na\r\n"),
        BadInput("array of 1048577", "*1048577\r\n"), BadInput("array of a million, then nothing", "*1000000\r\n"),
        BadInput("array of +1", "*+1\r\n$4\r\nPING\r\n"), BadInput("bulk of -1", "*1\r\n$-1\r\n"),
        BadInput("bulk of -2147483648", "*1\r\n$-2147483648\r\n"),
        BadInput("bulk of 2147483645", "*2\r\n$3\r\nGET\r\n$2147483645\r\nabc"),
        BadInput("bulk of 512 MiB, then 3 bytes", "*2\r\n$3\r\nGET\r\n$536870912\r\nabc"),
        BadInput("bulk of 2^63-1", "*2\r\n$3\r\nGET\r\n$9223372036854775807\r\n"),
        BadInput("bulk of 30 digits", "*1\r\n$" + String(repeating: "9", count: 30) + "\r\n"),
        BadInput("length line without end", "*" + String(repeating: "1", count: 100_000)),
    ]

    private static let shapes = [
        BadInput("length without $", "*1\r\n4\r\nPING\r\n"), BadInput("longer than said", "*1\r\n$4\r\nPINGPING\r\n"),
        BadInput("no CRLF after a bulk", "*1\r\n$4\r\nPINGXX" + ping),
        BadInput("array as an argument", "*2\r\n*1\r\n$3\r\nGET\r\n$1\r\na\r\n"),
        BadInput("RESP3 types as a request", "%1\r\n+a\r\n:1\r\n"),
        BadInput("answers as a request", "+OK\r\n-ERR x\r\n"),
        BadInput("nested 10,000 deep", String(repeating: "*1\r\n", count: 10_000)),
        BadInput("empty command name", "*1\r\n$0\r\n\r\n"),
    ]

    private static let commands = [
        BadInput("unknown command", "*1\r\n$5\r\nBLAH!\r\n"), BadInput("MULTI by inline", "MULTI\nSET a b\nEXEC\n"),
        BadInput("EXEC alone", "EXEC\r\n"), BadInput("nested MULTI", "MULTI\r\nMULTI\r\nEXEC\r\n"),
        BadInput("HELLO 4", "HELLO 4\r\n"), BadInput("HELLO 3 AUTH cut off", "HELLO 3 AUTH a\r\n"),
        BadInput("HELLO x", "HELLO x\r\n"), BadInput("EVAL numkeys -1", "EVAL \"return 1\" -1 a\r\n"),
        BadInput("EVAL numkeys 2^31-1", "EVAL \"return 1\" 2147483647 a\r\n"), BadInput("MSET odd", "MSET a 1 b\r\n"),
        BadInput("SUBSCRIBE none", "SUBSCRIBE\r\n"), BadInput("braces", "SET {} 1\r\nSET {}{a} 1\r\nSET {a 1\r\n"),
        BadInput("BLPOP, then the end", "BLPOP nolist 0\r\n"), BadInput("SCAN 2^64", "SCAN 18446744073709551616\r\n"),
        BadInput("QUIT, then more", "QUIT\r\nPING\r\n"), BadInput("AUTH without a password", "AUTH\r\nAUTH a b c\r\n"),
        BadInput("CLIENT alone", "CLIENT\r\nCLIENT REPLY\r\nCLIENT TRACKING\r\n"),
        BadInput("SELECT of nonsense", "SELECT\r\nSELECT x\r\nSELECT -1\r\nSELECT 99999999999999999999\r\n"),
    ]
}

extension Integration {
    @Suite struct Garbage {
        @Test func `no garbage harms the process, other clients or its memory`() throws {
            let rig = try Rig()
            let canary = try rig.client()
            try canary.call("SET", "canary", "sings")
            for input in BadInput.all {
                let before = ProcessUsage.residentKiB(rig.server.pid)
                let client = try rig.client(patience: 5)
                try? send(input, to: client)
                if input.manner != .unread { _ = client.receiveUntilSilent(0.15) }
                #expect(try canary.call("GET", "canary") == .bulk("sings"), "the canary after: \(input.name)")
                let alive = try? rig.client().call("PING")
                try #require(alive == .simple("PONG"), "a new client after: \(input.name)")
                let grown = ProcessUsage.residentKiB(rig.server.pid) - before
                #expect(grown < 8 * 1024 + input.bytes.count / 1024 * 3, "\(grown) KiB more after: \(input.name)")
                client.close()
            }
            #expect(canary.staysSilent(for: 0.05))
        }

        private func send(_ input: BadInput, to client: RespClient) throws {
            switch input.manner {
            case .send: try client.send(input.bytes)
            case .byByte: for byte in input.bytes { try client.send([byte]) }
            case .unread: try client.send(input.bytes, readingMeanwhile: false)
            case .halfClose:
                try client.send(input.bytes)
                client.finishSending()
            }
        }
    }
}
