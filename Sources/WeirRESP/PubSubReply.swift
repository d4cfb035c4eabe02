// A look at the first element of a reply that may be a message of Publish/Subscribe. In RESP3 these are pushes; in RESP2
// they are arrays like any other reply, so the look means something only on a connection that has subscriptions.

/// The kind of a Publish/Subscribe frame.
public struct PubSubReply: Sendable {
    public enum Kind: UInt8, Sendable {
        case message, patternMessage, shardMessage
        case subscribe, patternSubscribe, shardSubscribe
        case unsubscribe, patternUnsubscribe, shardUnsubscribe
        /// Keys that the server saw change (CLIENT TRACKING).
        case invalidate
        /// The answer to PING on a RESP2 connection with subscriptions.
        case pong
        case other
    }

    public let kind: Kind
    /// With the (un)subscribe kinds: how many subscriptions are left, as the server says (channels and patterns
    /// together; channels of shards by themselves). Else -1.
    public let remaining: Int

    /// Whether the frame confirms a change of subscriptions, which answers one channel of a request.
    public var isConfirmation: Bool {
        switch kind {
        case .subscribe, .patternSubscribe, .shardSubscribe, .unsubscribe, .patternUnsubscribe, .shardUnsubscribe: true
        case .message, .patternMessage, .shardMessage, .invalidate, .pong, .other: false
        }
    }

    /// Looks at a whole frame.
    public init(_ frame: UnsafeRawBufferPointer) {
        let kind = Self.kind(frame)
        var remaining = -1
        switch kind {
        case .subscribe, .patternSubscribe, .shardSubscribe, .unsubscribe, .patternUnsubscribe, .shardUnsubscribe:
            remaining = Self.lastInteger(frame)
        case .message, .patternMessage, .shardMessage, .invalidate, .pong, .other: break
        }
        self.kind = remaining < 0 && Self.needsCount(kind) ? .other : kind
        self.remaining = remaining
    }

    private static func needsCount(_ kind: Kind) -> Bool {
        kind.rawValue >= Kind.subscribe.rawValue && kind.rawValue <= Kind.shardUnsubscribe.rawValue
    }

    private static func kind(_ frame: UnsafeRawBufferPointer) -> Kind {
        guard let base = frame.baseAddress, frame.count >= 4,
            frame[0] == UInt8(ascii: ">") || frame[0] == UInt8(ascii: "*"),
            case .value(let count, let first) = ReplyDecoder.Length(base, 1, frame.count), first < frame.count,
            frame[first] == UInt8(ascii: "$"),
            case .value(let length, let body) = ReplyDecoder.Length(base, first + 1, frame.count),
            length <= frame.count - body
        else { return .other }
        let name = UnsafeRawBufferPointer(rebasing: frame[body..<(body + length)])
        switch count {
        case 2:
            if isEqual(name, "invalidate") { return .invalidate }
            if isEqual(name, "pong") { return .pong }
        case 3:
            if isEqual(name, "message") { return .message }
            if isEqual(name, "smessage") { return .shardMessage }
            if isEqual(name, "subscribe") { return .subscribe }
            if isEqual(name, "psubscribe") { return .patternSubscribe }
            if isEqual(name, "ssubscribe") { return .shardSubscribe }
            if isEqual(name, "unsubscribe") { return .unsubscribe }
            if isEqual(name, "punsubscribe") { return .patternUnsubscribe }
            if isEqual(name, "sunsubscribe") { return .shardUnsubscribe }
        case 4: if isEqual(name, "pmessage") { return .patternMessage }
        default: break
        }
        return .other
    }

    private static func isEqual(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<bytes.count where bytes[index] != word.utf8Start[index] { return false }
        return true
    }

    /// The number of the last line when that is `:n`; -1 for anything else.
    private static func lastInteger(_ frame: UnsafeRawBufferPointer) -> Int {
        guard frame.count >= 4 else { return -1 }
        var at = frame.count - 3
        while at > 0, frame[at] &- 48 < 10 { at -= 1 }
        guard frame[at] == UInt8(ascii: ":"), let base = frame.baseAddress else { return -1 }
        return DecimalInteger.parse(base + at + 1, count: frame.count - at - 3) ?? -1
    }
}
