// What `ReplyDecoder.next` says of the bytes at hand.

/// The next reply of a server, or what is missing, or what is wrong. A plain value.
public struct DecodedReply: Sendable {
    public enum Outcome: UInt8, Sendable {
        case frame
        case incomplete
        /// Close the connection: where the next reply begins is not known.
        case failure
    }

    /// Of the frame with its attributes. For `.incomplete` the least byte count that the whole frame can have, as far
    /// as is known (0: not known).
    public var byteCount: Int
    public var outcome: Outcome
    /// The type byte of the reply behind its attributes: `+ - : $ * _ , # ! = ( ~ % >`.
    public var marker: UInt8
    public var error: RESPError

    /// Whether the reply is an error (`-` or `!`).
    @inlinable @inline(__always)
    public var isError: Bool { marker == 0x2d || marker == 0x21 }

    /// Whether the reply is a push of RESP3, which answers no request.
    @inlinable @inline(__always)
    public var isPush: Bool { marker == 0x3e }

    @inline(__always)
    init(_ outcome: Outcome, byteCount: Int = 0, marker: UInt8 = 0, error: RESPError = .none) {
        self.byteCount = byteCount
        self.outcome = outcome
        self.marker = marker
        self.error = error
    }
}
