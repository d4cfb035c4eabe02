// What a RESP command does, in the five words of QueryTypeFilter, and which of them a filter refuses. The flags
// come from the host's command table, so EXISTS is a read and APPEND a write.

import WeirPlugin

/// The words of AllowList and DenyList.
enum QueryKind: String, CaseIterable {
    case read = "Read"
    case write = "Write"
    case readWrite = "ReadWrite"
    case schemaChange = "SchemaChange"
    case pubSubMessage = "PubSubMessage"

    var bit: UInt8 {
        switch self {
        case .read: 1
        case .write: 2
        case .readWrite: 4
        case .schemaChange: 8
        case .pubSubMessage: 16
        }
    }

    /// The kind of a command; nil: it is about the connection or a transaction, and is never refused.
    @inline(__always)
    static func of(_ command: RESPCommand, isKnown: Bool) -> QueryKind? {
        if command.contains(.pubSub) { return .pubSubMessage }
        if !command.isDisjoint(with: [.connection, .transaction]) { return nil }
        if command.contains(.schema) { return .schemaChange }
        if command.contains(.script) {
            // EVAL_RO and its like may only read.
            return command.contains(.read) && !command.contains(.write) ? .read : .readWrite
        }
        // What writes is a write, whether it also says what was there (GETSET) or not.
        if command.contains(.write) { return .write }
        if command.contains(.read) { return .read }
        // SHUTDOWN, REPLICAOF, DEBUG: the server, not its data.
        if command.contains(.admin) { return .schemaChange }
        // INFO, TIME, COMMAND look; what nobody knows may do anything.
        return isKnown ? .read : .readWrite
    }
}

/// Which kinds are refused.
struct QueryPolicy: Sendable {
    private let refusedBits: UInt8

    /// Refuses what is listed. What may read and write goes with either.
    init(denying kinds: [QueryKind]) {
        var bits = Self.bits(kinds)
        if bits & (QueryKind.read.bit | QueryKind.write.bit) != 0 { bits |= QueryKind.readWrite.bit }
        refusedBits = bits
    }

    /// Refuses what is not listed. What may read and write needs its own word, or both.
    init(allowing kinds: [QueryKind]) {
        var bits = Self.bits(kinds)
        let both = QueryKind.read.bit | QueryKind.write.bit
        if bits & both == both { bits |= QueryKind.readWrite.bit }
        refusedBits = Self.bits(QueryKind.allCases) & ~bits
    }

    @inline(__always)
    func refuses(_ kind: QueryKind) -> Bool { refusedBits & kind.bit != 0 }

    private static func bits(_ kinds: [QueryKind]) -> UInt8 { kinds.reduce(0) { $0 | $1.bit } }
}
