// What `RequestDecoder.next` says of the bytes at hand.

/// The next request of a client, or what is missing, or what is wrong. A plain value.
public struct DecodedRequest: Sendable {
    public enum Outcome: UInt8, Sendable {
        /// A canonical multibulk request: these bytes may go on as they are.
        case frame
        /// An inline command: `InlineCommand.encode` makes the frame that goes on.
        case inline
        /// Nothing to answer: an empty line, `*0`, `*-1`.
        case ignore
        case incomplete
        /// Answer `error`, then close.
        case failure
    }

    /// Of the frame, or of what is to be ignored. For `.incomplete` the least byte count that the whole frame can have,
    /// as far as is known (0: not known).
    public var byteCount: Int
    /// Arguments, the name among them.
    public var argumentCount: UInt32
    /// The command with its sub-command (CLIENT|KILL), by `CommandTable`; the verb's number when the sub-command is
    /// unknown or missing; 0 for an unknown command.
    public var command: UInt16
    /// The command without its sub-command; 0 for an unknown one.
    public var verb: UInt16
    public var outcome: Outcome
    public var error: RESPError
    /// With `.expectedDollar`: what came instead.
    public var unexpectedByte: UInt8

    @inline(__always)
    init(
        _ outcome: Outcome, byteCount: Int = 0, argumentCount: UInt32 = 0, command: UInt16 = 0, verb: UInt16 = 0,
        error: RESPError = .none, unexpectedByte: UInt8 = 0
    ) {
        self.byteCount = byteCount
        self.argumentCount = argumentCount
        self.command = command
        self.verb = verb
        self.outcome = outcome
        self.error = error
        self.unexpectedByte = unexpectedByte
    }

    @inline(__always)
    static func incomplete(_ byteCount: Int = 0) -> DecodedRequest {
        DecodedRequest(.incomplete, byteCount: byteCount)
    }

    static func failure(_ error: RESPError, _ unexpectedByte: UInt8 = 0) -> DecodedRequest {
        DecodedRequest(.failure, error: error, unexpectedByte: unexpectedByte)
    }
}
