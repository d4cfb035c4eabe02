// The state that a Redis server keeps for one connection, as far as it decides which connections a client may use.
//
//   lane key    version, identity, database: clients that agree in these may share a connection
//   plain       nothing else is set; a session that is not plain needs a connection of its own

import CWeir

/// What clients must agree in to share a connection.
public struct LaneKey: Equatable {
    /// 2 or 3.
    public var version: UInt8 = 2
    public var database: UInt32 = 0
    /// Number of the user and password in the target's list; 0: as configured.
    public var identity: UInt32 = 0
}

/// The session of one client at one upstream.
struct Session {
    /// What plugins see (`weir.resp/1`).
    var shown = weir_resp_session(
        size: UInt32(MemoryLayout<weir_resp_session>.size), version: 2, db: 0, in_multi: 0, subscriptions: 0,
        reserved: 0)
    var key = LaneKey()
    var isInTransaction = false
    var isWatching = false
    var channelCount: Int32 = 0
    var patternCount: Int32 = 0
    var shardCount: Int32 = 0
    /// CLIENT SETNAME: the name is seen by others in CLIENT LIST.
    var name: [UInt8] = []
    var isTracking = false
    /// CLIENT REPLY OFF, or SKIP for the next command.
    var isReplyOff = false
    var isReplySkipped = false
    /// Has asked for something that is known of one connection only (CLIENT ID) or cannot be undone.
    var isSticky = false

    var subscriptionCount: Int32 { channelCount + patternCount + shardCount }

    /// True when the server keeps nothing of the session but its lane key.
    var isPlain: Bool {
        !isInTransaction && !isWatching && channelCount == 0 && patternCount == 0 && shardCount == 0 && name.isEmpty
            && !isTracking && !isReplyOff && !isReplySkipped && !isSticky
    }

    /// Brings `shown` up to date.
    mutating func publish() {
        shown.version = UInt32(key.version)
        shown.db = key.database
        shown.in_multi = isInTransaction ? 1 : 0
        shown.subscriptions = UInt32(max(subscriptionCount, 0))
    }
}
