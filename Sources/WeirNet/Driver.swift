// The seam between Weir and the kernel: everything a worker reads, writes, waits for or draws at random comes through a
// `Driver`. It knows descriptors, bytes and times; it must not know links, frames or protocols.
// Two implementations: `EpollDriver` (Linux) and `ScriptedDriver` (an in-memory network in virtual time).

public import CWeirLinux

/// What a descriptor is ready for, and what a watcher wants to hear of.
public struct Readiness: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// There are bytes to read, a connection to accept, an end of stream or an error to fetch with `read`.
    @inlinable public static var readable: Readiness { Readiness(rawValue: 1) }
    /// A write would take bytes; or a connection attempt has ended (ask `connectOutcome`).
    @inlinable public static var writable: Readiness { Readiness(rawValue: 2) }
    /// The peer has closed its sending side; bytes may still wait to be read before the end of the stream.
    @inlinable public static var hangup: Readiness { Readiness(rawValue: 4) }
    /// The connection has failed, or both sides are closed. Reported whether asked for or not.
    @inlinable public static var failed: Readiness { Readiness(rawValue: 8) }
}

/// One descriptor's readiness, as `Driver.wait` reports it.
public struct IOEvent: Sendable {
    /// The word given to `watch`; opaque to the driver.
    public var token: UInt64
    public var readiness: Readiness

    @inlinable public init(token: UInt64, readiness: Readiness) {
        self.token = token
        self.readiness = readiness
    }
}

/// The I/O of one worker. One instance per worker thread; only `wake` may be called from elsewhere.
///
/// Calls return a count or a descriptor, or a negative errno; they never throw, and never block, `wait` excepted.
/// EINTR is dealt with inside and never returned. A number that is no open descriptor gives −EBADF, never a trap.
/// The base class answers −ENOSYS to everything.
open class Driver {
    public init() {}

    // MARK: Bytes

    /// Reads what is there, `capacity` bytes at most. More than 0: the count; 0: end of stream; −EAGAIN: nothing yet.
    /// The memory must hold `capacity` bytes. Works on sockets, pipes and signal descriptors.
    open func read(_ descriptor: Int32, _ into: UnsafeMutableRawPointer, _ capacity: Int) -> Int { -Int(ENOSYS) }

    /// Writes the vectors in their order as far as the socket takes them: the count of bytes, possibly short, or −EAGAIN.
    /// Never raises SIGPIPE. Of more than 1024 vectors the first 1024 are taken.
    open func write(_ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32) -> Int { -Int(ENOSYS) }

    // MARK: Connections

    /// The next waiting connection as a non-blocking, close-on-exec descriptor, and who it is; −EAGAIN: none waits.
    /// After −EMFILE or −ENFILE the connection still waits and the listener stays readable: stop watching it for a while.
    open func accept(_ listener: Int32, _ peer: inout SocketAddress) -> Int32 { -ENOSYS }

    /// A listening descriptor. The port may be shared with other listeners of this user (SO_REUSEPORT): the kernel spreads
    /// connections over them. Port 0 takes a free one (ask `localAddress`). `[::]` listens for IPv4 as well.
    open func listen(_ address: SocketAddress, backlog: Int32) -> Int32 { -ENOSYS }

    /// A descriptor whose connection is made or under way: watch for `writable`, then ask `connectOutcome`.
    open func connect(_ address: SocketAddress) -> Int32 { -ENOSYS }

    /// Opens a listener whose port nobody else has, not even another socket of this process: for what only one may serve, and
    /// to find out whether a port is taken, which `listen` cannot tell.
    open func listenAlone(_ address: SocketAddress, backlog: Int32) -> Int32 { -ENOSYS }

    /// 0: connected; any errno but EINPROGRESS (positive): failed, told once; EINPROGRESS: neither, yet or any more.
    open func connectOutcome(_ descriptor: Int32) -> Int32 { ENOSYS }

    /// The address of our end; unspecified when there is none.
    open func localAddress(_ descriptor: Int32) -> SocketAddress { SocketAddress() }

    /// Sends small writes at once (TCP_NODELAY).
    open func setNoDelay(_ descriptor: Int32) {}

    /// Probes a silent peer after 60 s, every 20 s, and gives up after 3 probes without an answer.
    open func setKeepAlive(_ descriptor: Int32) {}

    /// Tells the peer that nothing more comes; reading goes on.
    open func shutdownWrite(_ descriptor: Int32) {}

    /// Gives the descriptor back; its watch ends with it. The number may be given out again by the next call.
    open func close(_ descriptor: Int32) {}

    /// As `close`, but the peer sees a reset and unsent bytes are dropped.
    open func closeWithReset(_ descriptor: Int32) {}

    // MARK: Waiting

    /// Reports `descriptor` under `token` for as long as it is ready for something in `interest` (level-triggered).
    /// `UInt64.max` is the driver's own and no token. Returns 0 or a negative errno.
    open func watch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 { -ENOSYS }

    /// Changes token and interest of a watched descriptor. Returns 0 or a negative errno.
    open func rewatch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 { -ENOSYS }

    /// Ends the watch. Events that the last `wait` has already returned are not taken back: check them by the token.
    open func unwatch(_ descriptor: Int32) -> Int32 { -ENOSYS }

    /// Waits until something is ready, `wake` was called or the time is over (−1: for ever), and fills in the events.
    /// Returns their count; 0 after a time-out, a wake without events or a signal; or a negative errno.
    open func wait(_ events: UnsafeMutablePointer<IOEvent>, _ capacity: Int, timeoutNanoseconds: Int64) -> Int {
        -Int(ENOSYS)
    }

    /// From any thread: makes the `wait` that is running, or the next one, return.
    open func wake() {}

    // MARK: Time and chance

    /// Nanoseconds of a clock that never goes back; only differences mean something.
    open var now: UInt64 { 0 }

    /// Nanoseconds since 1970-01-01 UTC; may jump.
    open var wallTime: UInt64 { 0 }

    /// Fills the memory with random bytes: fit for secrets from `EpollDriver`, from the seed in `ScriptedDriver`.
    open func fillRandom(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {}
}
