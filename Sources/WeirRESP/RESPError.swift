// Why bytes are not RESP, in Redis's own words where Redis has any.

/// What is wrong with a request or a reply. After any of these the connection is closed.
public enum RESPError: UInt8, Error, Sendable, CaseIterable {
    case none
    // Requests; the words are those of Redis's networking.c.
    case unbalancedQuotes
    case tooBigInlineRequest
    case tooBigMultibulkCountString
    case tooBigBulkCountString
    case invalidMultibulkLength
    case invalidBulkLength
    /// The byte that came instead is `DecodedRequest.unexpectedByte`.
    case expectedDollar
    case unauthenticatedMultibulkLength
    case unauthenticatedBulkLength
    /// HTTP spoken to a Redis port. Redis closes without an answer.
    case securityAttack
    // Requests; Redis would read these in a way of its own, so they must not go on.
    case expectedLineEnd
    case zeroByteInCommandName
    case tooBigRequest
    // Replies.
    case unknownType
    case invalidLength
    case invalidNumber
    case invalidBoolean
    case invalidNull
    case invalidVerbatim
    case missingLineEnd
    case streamedReply
    case repeatedAttribute
    case tooDeep
    case tooManyElements
    case tooBigReply

    /// The text behind "-ERR ". Empty when nothing is to be answered.
    public var message: StaticString {
        switch self {
        case .none, .securityAttack: ""
        case .unbalancedQuotes: "Protocol error: unbalanced quotes in request"
        case .tooBigInlineRequest: "Protocol error: too big inline request"
        case .tooBigMultibulkCountString: "Protocol error: too big mbulk count string"
        case .tooBigBulkCountString: "Protocol error: too big bulk count string"
        case .invalidMultibulkLength: "Protocol error: invalid multibulk length"
        case .invalidBulkLength: "Protocol error: invalid bulk length"
        case .expectedDollar: "Protocol error: expected '$', got '"
        case .unauthenticatedMultibulkLength: "Protocol error: unauthenticated multibulk length"
        case .unauthenticatedBulkLength: "Protocol error: unauthenticated bulk length"
        case .expectedLineEnd: "Protocol error: expected CR LF"
        case .zeroByteInCommandName: "Protocol error: NUL byte in a command name"
        case .tooBigRequest: "Protocol error: too big request"
        case .unknownType: "unknown reply type"
        case .invalidLength: "invalid length"
        case .invalidNumber: "invalid number"
        case .invalidBoolean: "invalid boolean"
        case .invalidNull: "invalid null"
        case .invalidVerbatim: "invalid verbatim string"
        case .missingLineEnd: "CR LF missing"
        case .streamedReply: "streamed replies are not supported"
        case .repeatedAttribute: "two attributes before one element"
        case .tooDeep: "reply nested too deep"
        case .tooManyElements: "too many elements"
        case .tooBigReply: "reply too big"
        }
    }
}
