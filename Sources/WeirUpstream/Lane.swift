// A lane: the connections of one target that serve sessions with the same key. Its shared connections carry the
// requests of many clients; its idle ones wait for the next client that needs one of its own.

import WeirBase
import WeirChain

typealias LaneRef = UnsafeMutablePointer<Lane>

struct Lane {
    let key: LaneKey
    let target: Unmanaged<RESPTarget>
    /// As many as the plan says; opened when first needed.
    let shared: UnsafeMutablePointer<ConnectionRef?>
    let sharedCount: Int
    /// Connections without an owner, whose session is plain.
    var idle: ConnectionRef?
    var idleCount = 0
    /// The user may not SELECT: the greeting does it before it authenticates.
    var selectsFirst = false
    /// Routes whose session has this key.
    var routeCount = 0
    /// Shared connections that were left to those who wait for a slow answer.
    var detachedCount = 0
    /// Deals clients out to the shared connections.
    var nextShared = 0

    static let maximumDetached = 8
    /// Idle connections that are kept for the next client.
    static let maximumIdle = 32
    /// An idle connection is closed after this time.
    static let idleNanoseconds: UInt64 = 60_000_000_000
}

/// A user and password that clients have authenticated with.
struct Identity: Equatable {
    var user: [UInt8]?
    var password: [UInt8]
}
