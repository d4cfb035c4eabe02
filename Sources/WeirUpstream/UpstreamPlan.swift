// What is configured about an upstream: shared by all workers, not changed while they run.

import WeirBase

public final class UpstreamPlan: Sendable {
    /// "host:port", at least one; the first that answers is used.
    public let addresses: [String]
    public let connectNanoseconds: UInt64
    /// How long an answer may take; 0: for ever. Blocking commands are exempt.
    public let requestNanoseconds: UInt64
    /// Shared connections for each worker and kind of session.
    public let connectionCount: Int
    public let user: String?
    public let password: String?
    /// Own connections of clients (transactions, subscriptions, blocking commands) for each worker.
    public let maximumPinnedCount: Int

    public init(
        addresses: [String], connectNanoseconds: UInt64, requestNanoseconds: UInt64, connectionCount: Int,
        user: String?, password: String?, maximumPinnedCount: Int
    ) {
        self.addresses = addresses
        self.connectNanoseconds = connectNanoseconds
        self.requestNanoseconds = requestNanoseconds
        self.connectionCount = connectionCount
        self.user = user
        self.password = password
        self.maximumPinnedCount = maximumPinnedCount
    }
}
