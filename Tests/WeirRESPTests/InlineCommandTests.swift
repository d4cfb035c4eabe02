import Testing
@testable import WeirRESP

@Suite struct InlineCommandTests {
    func encode(_ line: String) -> String? {
        withExactBytes(bytes(line)) { InlineCommand.encode($0) }.map { text($0) }
    }

    static let lines: [(String, [String])] = [
        ("PING\r\n", ["PING"]), ("PING\n", ["PING"]), ("  set  a\tb \r\n", ["set", "a", "b"]),
        ("GET \"x\\x4\"\r\n", ["GET", "xx4"]), ("GET \"\\x41\\x6a\"\n", ["GET", "Aj"]),
        ("ECHO \"a\\nb\\r\\t\\b\\a\\\\\\\"\"\n", ["ECHO", "a\nb\r\t\u{8}\u{7}\\\""]),
        ("ECHO 'a\\'b\\n'\n", ["ECHO", "a'b\\n"]), ("ECHO \"\"\n", ["ECHO", ""]),
        ("ECHO ab\"c d\" e\n", ["ECHO", "abc d", "e"]),
        ("ECHO a\rb\r\n", ["ECHO", "a", "b"]), ("ECHO a\u{b}b\n", ["ECHO", "a\u{b}b"]),
        ("ECHO \u{b}a\n", ["ECHO", "a"]),
        ("ECHO \"\\x00\"\n", ["ECHO", "\0"]), ("ECHO \\x41\n", ["ECHO", "\\x41"]),
    ]

    @Test(arguments: lines)
    func `words are split by the rules of Redis`(_ line: String, _ words: [String]) {
        #expect(encode(line) == text(frame(words)))
    }

    @Test(arguments: [
        "SET \"a b\r\n", "SET 'a\n", "SET \"a\"b\n", "SET 'a'b\n", "SET \"a\\\n", "SET a\"\n", "\"\\\"\n",
    ])
    func `unbalanced quotes are refused`(_ line: String) {
        #expect(encode(line) == nil)
    }

    @Test func `a line without a word makes no request`() {
        #expect(encode("\r\n") == nil)
        #expect(encode("  \n") == nil)
        #expect(encode("") == nil)
    }

    @Test func `what is made of an inline command is a frame of the same command`() {
        for line in ["client setname \"a b\"\r\n", "GET a\n", "nope 'x'\n"] {
            var decoder = RequestDecoder()
            let limits = RESPLimits()
            let first = withExactBytes(bytes(line)) { decoder.next($0, limits) }
            let second = withExactBytes(bytes(encode(line) ?? "")) { decoder.next($0, limits) }
            #expect(first.outcome == .inline)
            #expect(second.outcome == .frame)
            #expect(first.command == second.command)
            #expect(first.verb == second.verb)
            #expect(first.argumentCount == second.argumentCount)
        }
    }
}
