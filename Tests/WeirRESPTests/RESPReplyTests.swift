import Testing
@testable import WeirRESP

@Suite struct RESPReplyTests {
    func raw<R>(_ text: String, _ body: (UnsafeRawBufferPointer) -> R) -> R { withExactBytes(bytes(text), body) }

    @Test func `replies are frames of their kind`() {
        #expect(text(RESPReply.ok) == "+OK\r\n")
        #expect(text(RESPReply.integer(-42)) == ":-42\r\n")
        #expect(text(RESPReply.integer(.min)) == ":-9223372036854775808\r\n")
        #expect(text(raw("a\r\nb") { RESPReply.bulk($0) }) == "$4\r\na\r\nb\r\n")
        #expect(text(raw("") { RESPReply.bulk($0) }) == "$0\r\n\r\n")
        #expect(text(RESPReply.null(version: 2)) == "$-1\r\n")
        #expect(text(RESPReply.null(version: 3)) == "_\r\n")
        #expect(text(raw("PONG") { RESPReply.simple($0) }) == "+PONG\r\n")
    }

    @Test func `text of an error is never two lines`() {
        #expect(text(RESPReply.error("ERR", "a\r\n+OK\r\nb")) == "-ERR a  +OK  b\r\n")
        #expect(text(raw("x\ny") { RESPReply.simple($0) }) == "+x y\r\n")
        #expect(replies(RESPReply.error("WEIR", "\n\n")).count == 1)
    }

    @Test func `each protocol error has a text of one line`() {
        for error in RESPError.allCases {
            let message = error.message.description
            #expect(!message.contains { $0 == "\r" || $0 == "\n" || $0 == "\r\n" })
            #expect(message.isEmpty == (error == .none || error == .securityAttack))
        }
    }
}
