// The request decoder against a real server, byte for byte: what the decoder makes of an input (frames that go on,
// then perhaps a protocol error) must be answered as the input itself.

import Testing
@testable import WeirRESP

@Suite(.enabled(if: RedisServer.isInstalled, "no redis-server"))
struct ProtocolDifferentialTests {
    /// What goes on to the server, what the proxy answers itself at the end, and whether it refused what Redis takes.
    struct Outcome {
        var forwarded: [UInt8] = []
        var ownAnswer: [UInt8] = []
        var isStricter = false
    }

    static func decode(_ input: [UInt8]) -> Outcome {
        var out = Outcome()
        var decoder = RequestDecoder()
        let limits = RESPLimits()
        var start = 0
        while start < input.count {
            let result = withExactBytes(input[start...]) { decoder.next($0, limits) }
            let bytes = input[start..<(start + (result.outcome == .incomplete ? 0 : result.byteCount))]
            switch result.outcome {
            case .frame: out.forwarded += bytes
            case .inline: out.forwarded += withExactBytes(bytes) { InlineCommand.encode($0) } ?? []
            case .ignore: break
            case .incomplete: return out
            case .failure:
                out.ownAnswer = RESPReply.protocolError(result)
                out.isStricter = [.expectedLineEnd, .zeroByteInCommandName, .tooBigRequest].contains(result.error)
                return out
            }
            start += result.byteCount
        }
        return out
    }

    static func bulk(_ count: Int) -> String { "$\(count)\r\n" + String(repeating: "x", count: count) + "\r\n" }

    static let inputs: [String] =
        RequestDecoderTests.inputs + [
            String(repeating: "A", count: 70000), "*" + String(repeating: "1", count: 70000),
            "*1\r\n$" + String(repeating: "1", count: 70000), "\r\n\r\n\r\nPING\r\n", "*-1\r\nPING\r\n",
            "*0\r\n*1\r\n$4\r\nPING\r\n", "*1000000\r\n", "*1\r\n$-2147483648\r\n",
            String(repeating: "*1\r\n", count: 10000),
            "*1\r\n$5\r\nBLAH!\r\n", "MULTI\nSET a b\nEXEC\n", "EXEC\r\n", "MULTI\r\nMULTI\r\nEXEC\r\n", "HELLO 4\r\n",
            "HELLO x\r\n",
            "EVAL \"return 1\" -1 a\r\n", "EVAL \"return 1\" 2147483647 a\r\n", "MSET a 1 b\r\n", "SUBSCRIBE\r\n",
            "SCAN 18446744073709551616\r\n", "*2\r\n$4\r\nECHO\r\n" + bulk(100), "*2\r\n$4\r\nECHO\r\n" + bulk(70000),
            "ECHO \"\\x0d\\x0a+OK\"\r\n", "ECHO 'a\\'b'\r\n", "ECHO \u{b}\u{c}a\n", "PING\r\r\n",
            "*1\r\n$4\r\nPING\r\n*x\r\n",
            String(repeating: "*1\r\n$4\r\nPING\r\n", count: 1000), "QUIT\r\nPING\r\n",
        ]

    @Test func `known bad inputs are answered as by the server itself`() throws {
        try RedisServer.with { server in
            for input in Self.inputs { try compare(bytes(input), server) }
        }
    }

    @Test func `random mutations of requests are answered as by the server itself`() throws {
        var generator = SeededGenerator(seed: 31)
        let seeds = [
            frame("ECHO", "abc"), frame("PING"), bytes("ECHO \"a b\" \r\n"), bytes("PING 'x'\n"), bytes("*0\r\n"),
            frame("ECHO", ""),
            frame("NOPE", "a", "b"), bytes("ECHO \"\\x41\\n\"\r\n"),
        ]
        let alphabet = bytes("*$\r\n0123456789-+ab \"'\\xE")
        try RedisServer.with { server in
            for _ in 0..<1500 {
                var input = (0..<3).flatMap { _ in seeds.randomElement(using: &generator) ?? [] }
                for _ in 0..<Int.random(in: 0...3, using: &generator) where !input.isEmpty {
                    let at = Int.random(in: 0..<input.count, using: &generator)
                    let byte = alphabet.randomElement(using: &generator) ?? 0
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: input[at] = byte
                    case 1: input.insert(byte, at: at)
                    default: input.remove(at: at)
                    }
                }
                try compare(input, server)
            }
        }
    }

    func compare(_ input: [UInt8], _ server: RedisServer) throws {
        let outcome = Self.decode(input)
        let expected = try server.answer(input)
        let got = try server.answer(outcome.forwarded) + outcome.ownAnswer
        let shown = text(input.prefix(200)).debugDescription
        if outcome.isStricter {
            let common = got.count - outcome.ownAnswer.count
            #expect(Array(expected.prefix(common)) == Array(got.prefix(common)), "\(shown)")
        } else {
            #expect(text(got.prefix(300)) == text(expected.prefix(300)), "\(shown)")
            #expect(got == expected, "\(shown)")
        }
    }

    @Test func `before AUTH the server refuses at the same sizes`() throws {
        let limits = RESPLimits.unauthenticated
        try RedisServer.with(["--requirepass", "secret"]) { server in
            for input in ["*11\r\n", "*10\r\n$16385\r\n", "*2147483648\r\n", "*1\r\n$536870913\r\n"] {
                var decoder = RequestDecoder()
                let result = withExactBytes(bytes(input)) { decoder.next($0, limits) }
                let answer = try server.answer(bytes(input))
                #expect(text(RESPReply.protocolError(result)) == text(answer))
            }
        }
    }
}
