// What can go wrong on the virtual network: by chance (a seed decides) or by script (the next call fails).

/// Faults by chance, for all connections of a `ScriptedDriver` or for one peer's. Without any set, the network is perfect.
public struct ScriptedFaults: Sendable {
    /// No `read` of the worker returns more than this.
    public var maximumReadByteCount = Int.max
    /// No `write` of the worker takes more than this.
    public var maximumWriteByteCount = Int.max
    /// Reads return a random part of what is there (at least one byte).
    public var splitsReads = false
    /// Writes take a random part of what is offered (at least one byte).
    public var splitsWrites = false
    /// Of a thousand reads and writes that could do something, so many say −EAGAIN. Readiness is reported again.
    public var wouldBlockPerMille = 0
    /// Of a thousand reads and writes that could do something, so many find the connection reset and what came lost.
    public var resetPerMille = 0
    /// What the worker may have sent and the peer not yet taken (in flight, or the peer is not reading).
    public var sendBufferByteCount = Int.max
    /// How long bytes, ends, resets and connection attempts travel; drawn for each, but none overtakes another
    /// of its direction and connection.
    public var delayNanoseconds: ClosedRange<UInt64> = 0...0
    /// `wait` reports ready descriptors in random order, not by number. Looked at in the driver's faults only.
    public var shufflesEvents = false

    public init() {}
}

/// The calls of a `Driver` that a script can make fail.
public enum ScriptedCall: Sendable { case read, write, accept, connect, listen, watch }

/// What a virtual server makes of the worker's connection attempt.
public enum ConnectDecision: Sendable {
    case accept
    /// ECONNREFUSED
    case refuse
    /// The attempt ends with this errno: EHOSTUNREACH, ETIMEDOUT …
    case fail(Int32)
    /// Nothing ever comes back.
    case blackhole
}
