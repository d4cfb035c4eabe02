// What is known of a command: what it touches, what it does to the state of its connection, how many arguments it takes.
// Facts only; what follows from them (pinning, refusing, routing) is decided elsewhere.

/// What a command does to the state of the connection that it is sent on. README.md gives the reason for each.
public enum SessionEffect: UInt8, Sendable, CaseIterable {
    case none
    case multi, exec, discard, watch, unwatch
    case subscribe, patternSubscribe, shardSubscribe
    case unsubscribe, patternUnsubscribe, shardUnsubscribe
    /// Always may wait (BLPOP).
    case blocking
    /// Waits only with an option (XREAD BLOCK); `CommandTable.blocks` looks.
    case blockingIfOption
    /// Speaks of the earlier writes of its own connection (WAIT, WAITAOF).
    case wait
    case select, auth, hello, reset, quit
    case clientSetname, clientSetinfo, clientTracking, clientReply
    /// Asks for or changes something of the connection itself (CLIENT ID, CLIENT NO-EVICT): from now on the client
    /// needs one of its own.
    case clientIdentity
    /// ASKING, READONLY, READWRITE.
    case readonlyMode
    case scriptDebug
    /// Turns the connection into something else (MONITOR, SYNC): `CommandTable.refusal` has the words.
    case refused
    /// Is there to end or to look at what others wait for (SCRIPT KILL): must not queue behind it.
    case overtaking
}

/// One row of the command table.
public struct CommandTraits: Sendable {
    @usableFromInline let row: UInt64

    @inlinable @inline(__always)
    init(row: UInt64) { self.row = row }

    /// WEIR_RESP_* of weir.h. A command that changes keys and returns what was in them has both READ and WRITE.
    @inlinable @inline(__always)
    public var flags: UInt32 { UInt32(truncatingIfNeeded: row) & 0xffff }

    @inlinable @inline(__always)
    public var effect: SessionEffect {
        // The table holds raw values of SessionEffect only; a test looks at every row.
        SessionEffect(rawValue: UInt8(truncatingIfNeeded: row &>> 16)) ?? .none
    }

    /// How many arguments with the name; negative: at least so many. 0 for an unknown command.
    @inlinable @inline(__always)
    public var arity: Int16 { Int16(Int8(truncatingIfNeeded: row &>> 24)) }

    /// Whether the command has sub-commands.
    @inlinable @inline(__always)
    public var isContainer: Bool { row & (1 &<< 47) != 0 }

    /// The number of the container of a sub-command, 0 for a verb.
    @inlinable @inline(__always)
    public var parent: UInt16 { UInt16(truncatingIfNeeded: row &>> 48) }

    var firstKeySpecification: Int { Int(truncatingIfNeeded: row &>> 32) & 0xfff }
    var keySpecificationCount: Int { Int(truncatingIfNeeded: row &>> 44) & 0x7 }

    /// Whether any argument can be a key (or the channel of a shard).
    public var hasKeys: Bool { keySpecificationCount != 0 }
}
