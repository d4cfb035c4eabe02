// What needs the RESP codec's own tables (weir.resp/1): which arguments are keys, what a command does, the state
// of the connection. A transform that uses it says so in `requires`; without it everything here is empty.

public import CWeir

/// WEIR_RESP_* of weir.h: what a command, or its sub-command, does.
public struct RESPCommand: OptionSet, Sendable {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable init(_ constant: Int) { rawValue = UInt32(truncatingIfNeeded: constant) }

    /// Changes keys.
    @inlinable public static var write: RESPCommand { RESPCommand(WEIR_RESP_WRITE) }
    /// Reads keys.
    @inlinable public static var read: RESPCommand { RESPCommand(WEIR_RESP_READ) }
    @inlinable public static var blocking: RESPCommand { RESPCommand(WEIR_RESP_BLOCKING) }
    @inlinable public static var pubSub: RESPCommand { RESPCommand(WEIR_RESP_PUBSUB) }
    @inlinable public static var admin: RESPCommand { RESPCommand(WEIR_RESP_ADMIN) }
    /// Runs a script or function.
    @inlinable public static var script: RESPCommand { RESPCommand(WEIR_RESP_SCRIPT) }
    /// AUTH, HELLO, SELECT, PING, CLIENT…: about the connection.
    @inlinable public static var connection: RESPCommand { RESPCommand(WEIR_RESP_CONNECTION) }
    /// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
    @inlinable public static var transaction: RESPCommand { RESPCommand(WEIR_RESP_TXN) }
    /// Changes definitions: FUNCTION LOAD, ACL SETUSER, CONFIG SET…
    @inlinable public static var schema: RESPCommand { RESPCommand(WEIR_RESP_SCHEMA) }
}

extension MessageView where Self: ~Copyable {
    /// What this request does; empty: unknown.
    @inlinable
    public var respCommand: RESPCommand {
        guard let table = worker.environment.pointee.resp else { return [] }
        return RESPCommand(rawValue: table.pointee.flags(raw))
    }

    /// Calls `body` with the number of each item that is a key; more than 1,024 are not looked at.
    public func forEachRESPKey(_ body: (Int) -> Void) {
        guard let table = worker.environment.pointee.resp else { return }
        let few = 16
        let count = withUnsafeTemporaryAllocation(of: UInt32.self, capacity: few) { memory -> Int in
            guard let base = memory.baseAddress else { return 0 }
            let count = Int(table.pointee.keys(raw, base, UInt32(few)))
            if count <= few { for index in 0..<count { body(Int(memory[index])) } }
            return count
        }
        guard count > few else { return }
        let capacity = min(count, 1024)
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: capacity) { memory in
            guard let base = memory.baseAddress else { return }
            let count = min(Int(table.pointee.keys(raw, base, UInt32(capacity))), capacity)
            for index in 0..<count { body(Int(memory[index])) }
        }
    }
}

extension Worker {
    /// Verbs are smaller than this; 0 without weir.resp/1.
    public var respVerbCount: Int { Int(environment.pointee.resp?.pointee.verb_count ?? 0) }

    /// The cluster hash slot of a key.
    public func respSlot(of key: Bytes) -> Int { Int(environment.pointee.resp?.pointee.slot(key.raw) ?? 0) }
}

/// The state of a RESP connection, as it was when asked.
public struct RESPSession: Sendable {
    /// 2 or 3
    public let version: Int
    public let database: Int
    public let isInTransaction: Bool
    public let subscriptionCount: Int
}

extension Connection {
    /// nil: not a RESP connection.
    public var respSession: RESPSession? {
        guard let table = worker.environment.pointee.resp, let session = table.pointee.session(raw) else { return nil }
        return RESPSession(
            version: Int(session.pointee.version), database: Int(session.pointee.db),
            isInTransaction: session.pointee.in_multi != 0, subscriptionCount: Int(session.pointee.subscriptions))
    }
}
