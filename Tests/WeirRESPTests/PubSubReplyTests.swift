import Testing
@testable import WeirRESP

@Suite struct PubSubReplyTests {
    func look(_ frame: String) -> PubSubReply { withExactBytes(bytes(frame)) { PubSubReply($0) } }

    static let frames: [(String, PubSubReply.Kind, Int)] = [
        ("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", .message, -1),
        (">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", .message, -1),
        ("*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n", .patternMessage, -1),
        (">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n", .shardMessage, -1),
        ("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:12\r\n", .subscribe, 12),
        ("*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", .unsubscribe, 0),
        (">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n", .unsubscribe, 0),
        (">3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:3\r\n", .patternSubscribe, 3),
        ("*3\r\n$12\r\npunsubscribe\r\n$1\r\na\r\n:2\r\n", .patternUnsubscribe, 2),
        ("*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n", .shardSubscribe, 1),
        ("*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n", .shardUnsubscribe, 0),
        (">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", .invalidate, -1),
        ("*2\r\n$4\r\npong\r\n$0\r\n\r\n", .pong, -1),
        ("*2\r\n$7\r\nmessage\r\n$1\r\na\r\n", .other, -1), ("+OK\r\n", .other, -1), ("*0\r\n", .other, -1),
        ("*-1\r\n", .other, -1), (">1\r\n+message\r\n", .other, -1),
        ("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\n1\r\n", .other, -1),
        ("", .other, -1), ("*3\r\n$9\r\nsub", .other, -1), ("*3\r\n$999999999999\r\nsubscribe\r\n", .other, -1),
    ]

    @Test(arguments: frames)
    func `a frame is told by its first word and its count`(_ frame: String, _ kind: PubSubReply.Kind, _ remaining: Int)
    {
        #expect(look(frame).kind == kind)
        #expect(look(frame).remaining == remaining)
    }
}
