// A worker: one thread with its event loop, and everything that lives on it. It shares nothing; other threads
// reach it through its mailbox only.
//
// One turn of the loop: wait → events (read, cut, chains) → timers → mailbox → settle (moves, completed operations,
// connections to close) → flush (one gathered write per socket). Nothing is freed within a turn that an event of the
// same turn could still name.

public import CWeir
public import WeirBase
public import WeirNet
public import WeirWire
public import Glibc

public typealias WorkerRef = UnsafeMutablePointer<WorkerCore>

/// The driver, called without reference counting.
public struct Net {
    let driver: Unmanaged<Driver>

    @inline(__always) public func read(_ descriptor: Int32, _ into: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        driver._withUnsafeGuaranteedRef { $0.read(descriptor, into, count) }
    }
    @inline(__always) public func write(_ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32) -> Int {
        driver._withUnsafeGuaranteedRef { $0.write(descriptor, vectors, count) }
    }
    public func rewatch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        driver._withUnsafeGuaranteedRef { $0.rewatch(descriptor, token, interest) }
    }
    public func watch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        driver._withUnsafeGuaranteedRef { $0.watch(descriptor, token, interest) }
    }
    public func close(_ descriptor: Int32) { driver._withUnsafeGuaranteedRef { $0.close(descriptor) } }
    /// Everything that is not called per read or write.
    public var slow: Driver { driver.takeUnretainedValue() }
}

/// What the layer of upstreams does for a worker. One object per worker.
open class UpstreamLayer {
    public init() {}
    /// A watched upstream connection is ready.
    open func ready(_ source: UnsafeMutableRawPointer, _ readiness: Readiness) {}
    /// Writes what was queued in this turn.
    open func flush() {}
    /// Something waits for `flush`.
    open var hasWork: Bool { false }
    /// Looks for deadlines that have passed; called about every 50 ms while `needsSweep`.
    open func sweep(_ now: UInt64) {}
    open var needsSweep: Bool { false }
    /// A client has gone: what it held is given back.
    open func connectionGone(_ connection: ChainConnectionRef) {}
    /// A client whose unread answers were above the mark has read them.
    open func clientWritable(_ connection: ChainConnectionRef) {}
    /// The client has an upstream connection of its own.
    open func isPinned(_ connection: ChainConnectionRef) -> Bool { false }
    /// A request of the client is at an upstream that may keep it for ever.
    open func mayBlock(_ connection: ChainConnectionRef) -> Bool { false }
    /// Opens a target for `weir_host.target_open` with a reference to an upstream.
    open func open(_ plan: AnyObject, address: String, connection: ChainConnectionRef?, isExclusive: Bool) -> Target? {
        nil
    }
    /// Facts about a connection ("user", "db", …) for `weir_host.conn_attr`.
    open func attribute(_ connection: ChainConnectionRef, _ name: String) -> weir_str { weir_str() }
    /// What the codec's extension tells of a connection's session; its layout is the extension's.
    open func session(_ connection: ChainConnectionRef) -> UnsafeRawPointer? { nil }
    /// Closes everything.
    open func stop() {}
}

public struct WorkerCore {
    /// What plugins see.
    public var head: weir_worker
    public let net: Net
    public let slabs: SlabPoolRef
    public let metrics: MetricRegistry
    /// The slab that sockets are read into.
    public var slab: SlabRef
    public var lastMessageID: UInt64 = 0
    public var messages = FreeList<Message>(blockCount: 128)
    var connections = FreeList<ChainConnection>()
    var clients = FreeList<Client>()
    var returnFrames = FreeList<ReturnFrame>()
    var operations = FreeList<Operation>()
    /// Messages that go on as soon as no hook runs.
    public var moves = MessageQueue()
    /// Messages let go from the queue at a site's exit: they go on before anything on `moves`, which is behind them.
    var released = MessageQueue()
    /// Messages that the running hook has disposed of.
    var disposalCount = 0
    var dirtyClients: ClientRef?
    var closing: ChainConnectionRef?
    /// Events of targets that their observers have not been told yet.
    var targetEvents: [(target: Target, event: UInt32)] = []
    /// Clients whose memory is given back at the end of the turn.
    var endedClients: ClientRef?
    var completedOperations: OperationRef?
    var lastCompletedOperation: OperationRef?
    var runningOperations: OperationRef?
    var lastOperationID: UInt64 = 0
    /// The site whose hook runs, for messages that it makes.
    var currentSite: Int16 = 0
    let timers: UnsafeMutablePointer<TimerQueue>
    public let mailbox: Mailbox
    /// The crumb of the worker's thread; one that nobody reads until it runs.
    public var crumb: UnsafeMutablePointer<Breadcrumb>
    public var upstreams: Unmanaged<UpstreamLayer>
    let frames: UnsafeMutablePointer<Frame>
    public let replyFrames: UnsafeMutablePointer<Frame>
    let batch: UnsafeMutablePointer<MessageRef>
    public let answers: UnsafeMutablePointer<MessageRef>
    let filtered: UnsafeMutablePointer<MessageRef>
    let tagWords: UnsafeMutablePointer<UInt64>
    let tagOwners: UnsafeMutablePointer<MessageRef?>
    public let vectors: UnsafeMutablePointer<iovec>
    let events: UnsafeMutablePointer<IOEvent>
    var sources: [SourceStateRef] = []
    var chains: [(plan: Unmanaged<ChainPlan>, chain: ChainRef)] = []
    var codecs: [Unmanaged<WireCodec>] = []
    var sharedTargets: [SharedTarget] = []
    /// Sub-chains that belong to no client; closed before the chains stop.
    var unboundSubchains: [SubchainTarget] = []
    /// The connection whose hook or completion runs: what it starts ends before the connection does.
    var currentConnection: ChainConnectionRef?
    var clientCount = 0
    /// Listeners that the sweep has to resume.
    var pausedListenerCount = 0
    var nextSweep: UInt64 = 0
    /// Unix time minus monotonic time.
    var wallOffset: UInt64 = 0
    var nextConnectionID: UInt64 = 0
    var isDraining = false
    var drainDeadline: UInt64 = 0
    var mustStop = false
    /// Messages that a plugin may keep at most, before the host answers for it.
    var holdLimitNanoseconds: UInt64 = 60_000_000_000
    var random: SeededRandom

    /// Messages that move through a chain in one call.
    public static let batchCapacity = 256
    public static let vectorCapacity = 128
    static let eventCapacity = 512
    static let sweepNanoseconds: UInt64 = 50_000_000
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    @inlinable public var handle: UnsafeMutablePointer<weir_worker> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: weir_worker.self)
    }

    @inlinable public init(_ handle: UnsafeMutablePointer<weir_worker>) {
        self = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: WorkerCore.self)
    }

    /// Makes a worker; it lives until the process ends.
    public static func make(
        index: Int, count: Int, driver: Driver, host: UnsafePointer<weir_host>, metrics: MetricRegistry,
        codecs: [WireCodec], seed: UInt64, logLevel: UInt32
    ) -> WorkerRef {
        let slabs = SlabPool.make()
        let capacity = WorkerCore.batchCapacity
        let worker = WorkerRef.allocate(capacity: 1)
        worker.initialize(
            to: WorkerCore(
                head: weir_worker(
                    size: UInt32(MemoryLayout<weir_worker>.size), index: UInt32(index), count: UInt32(count),
                    log_level: logLevel, now_ns: driver.now, wall_ns: driver.wallTime, host: host),
                net: Net(driver: Unmanaged.passRetained(driver)), slabs: slabs, metrics: metrics, slab: slabs.take(),
                timers: .allocate(capacity: 1), mailbox: Mailbox(driver: driver), crumb: .allocate(capacity: 1),
                upstreams: Unmanaged.passRetained(UpstreamLayer()), frames: .allocate(capacity: capacity),
                replyFrames: .allocate(capacity: capacity), batch: .allocate(capacity: capacity),
                answers: .allocate(capacity: capacity), filtered: .allocate(capacity: capacity),
                tagWords: .allocate(capacity: capacity), tagOwners: .allocate(capacity: capacity),
                vectors: .allocate(capacity: WorkerCore.vectorCapacity),
                events: .allocate(capacity: WorkerCore.eventCapacity), random: SeededRandom(seed: seed)))
        worker.pointee.crumb.initialize(to: Breadcrumb())
        worker.pointee.timers.initialize(to: TimerQueue())
        worker.pointee.codecs = codecs.map { Unmanaged.passRetained($0) }
        return worker
    }

    /// Installs the layer of upstreams; once, before the loop runs.
    public func install(_ layer: UpstreamLayer) {
        pointee.upstreams.release()
        pointee.upstreams = Unmanaged.passRetained(layer)
    }

    func codec(_ number: UInt16) -> WireCodec? {
        pointee.codecs.lazy.map { $0.takeUnretainedValue() }.first { $0.number == number }
    }

    /// The slab to read into, with room for at least a quarter of a slab; the worker holds it.
    @inline(__always)
    public func currentSlab() -> SlabRef {
        let slab = pointee.slab
        if slab.isUnshared {
            slab.pointee.filled = 0
            return slab
        }
        if slab.room >= SlabPool.standardByteCount / 4 { return slab }
        slab.release()
        let fresh = pointee.slabs.take()
        pointee.slab = fresh
        return fresh
    }

    /// Runs `body` with the crumb set, for hooks that are not called per batch.
    func withCrumb<R>(_ place: UnsafePointer<CChar>?, _ hook: StaticString, _ body: () -> R) -> R {
        let before = pointee.crumb.pointee
        pointee.crumb.pointee.enter(place, hook: hook)
        defer { pointee.crumb.pointee = before }
        return body()
    }

    // MARK: the loop

    /// Turns until `stop` was called and everything is closed.
    public func runLoop() {
        while !pointee.mustStop { turn() }
    }

    /// One turn: waits for events at most until the next timer and deals with them.
    public func turn() {
        let count = pointee.net.slow.wait(
            pointee.events, WorkerCore.eventCapacity, timeoutNanoseconds: timeoutNanoseconds())
        refreshClock()
        if count > 0 {
            for index in 0..<count { dispatch(pointee.events[index]) }
        }
        fireTimers()
        pointee.mailbox.drain()
        settle()
        if pointee.head.now_ns >= pointee.nextSweep { sweep() }
        // Flushing may fail a connection and so make new work; twice is enough for what depends on it, the rest
        // waits for the next turn, which then does not wait.
        for _ in 0..<2 {
            flush()
            settle()
        }
        if pointee.endedClients != nil { reclaimClients() }
        if pointee.isDraining { endDraining() }
    }

    @inline(__always)
    func refreshClock() {
        pointee.head.now_ns = pointee.net.slow.now
        pointee.head.wall_ns = pointee.head.now_ns &+ pointee.wallOffset
    }

    private func timeoutNanoseconds() -> Int64 {
        if !pointee.targetEvents.isEmpty { return 0 }
        if !pointee.moves.isEmpty || !pointee.released.isEmpty || pointee.completedOperations != nil
            || pointee.dirtyClients != nil || pointee.upstreams._withUnsafeGuaranteedRef({ $0.hasWork })
        {
            return 0
        }
        var deadline = pointee.timers.pointee.nextDeadline ?? UInt64.max
        if pointee.isDraining { deadline = Swift.min(deadline, pointee.drainDeadline) }
        if pointee.clientCount > 0 || pointee.pausedListenerCount > 0
            || pointee.upstreams._withUnsafeGuaranteedRef({ $0.needsSweep })
        {
            deadline = Swift.min(deadline, pointee.nextSweep)
        }
        if deadline == UInt64.max { return -1 }
        let now = pointee.head.now_ns
        return deadline <= now ? 0 : Int64(clamping: deadline - now)
    }

    @inline(__always)
    private func dispatch(_ event: IOEvent) {
        guard let raw = UnsafeMutableRawPointer(bitPattern: UInt(event.token)) else { return }
        let source = raw.assumingMemoryBound(to: EventSource.self)
        if source.pointee.isClosed { return }
        switch source.pointee.kind {
        case .client:
            let client = raw.assumingMemoryBound(to: Client.self)
            if event.readiness.contains(.failed) {
                closeClient(client, .reset)
            } else {
                if event.readiness.contains(.readable) { client.readable() }
                if event.readiness.contains(.writable), !client.pointee.event.isClosed { client.flush() }
            }
        case .listener: raw.assumingMemoryBound(to: Listener.self).acceptAll()
        case .upstream: pointee.upstreams._withUnsafeGuaranteedRef { $0.ready(raw, event.readiness) }
        }
        settle()
    }

    private func fireTimers() {
        // Those that start themselves anew have their next turn in the next turn of the loop.
        var left = pointee.timers.pointee.count
        while left > 0, let (function, context) = pointee.timers.pointee.popDue(pointee.head.now_ns) {
            left -= 1
            withCrumb(nil, "task") { function(context) }
            settle()
        }
    }

    /// Lets everything go on that hooks have set in motion, until nothing is left to do.
    public func settle() {
        while true {
            if !pointee.released.isEmpty { pointee.moves.prepend(&pointee.released) }
            if let message = pointee.moves.popFirst() {
                move(message)
            } else if let operation = pointee.completedOperations {
                pointee.completedOperations = operation.pointee.next
                finish(operation)
            } else if !pointee.targetEvents.isEmpty {
                let (target, event) = pointee.targetEvents.removeFirst()
                target.tell(event)
            } else if pointee.closing != nil {
                finishClosing()
            } else {
                return
            }
        }
    }

    private func flush() {
        pointee.upstreams._withUnsafeGuaranteedRef { $0.flush() }
        var client = pointee.dirtyClients
        pointee.dirtyClients = nil
        while let current = client {
            client = current.pointee.nextDirty
            current.pointee.isDirty = false
            current.flush()
        }
    }

    /// Gives back the memory of clients that nothing of this turn names any more.
    private func reclaimClients() {
        var client = pointee.endedClients
        pointee.endedClients = nil
        while let current = client {
            client = current.pointee.next
            if current.pointee.isDirty {
                current.pointee.next = pointee.endedClients
                pointee.endedClients = current
            } else {
                pointee.clients.give(current)
            }
        }
    }

    /// Deadlines that need no timer of their own.
    private func sweep() {
        let now = pointee.head.now_ns
        pointee.nextSweep = now &+ WorkerCore.sweepNanoseconds
        pointee.wallOffset = pointee.net.slow.wallTime &- now
        pointee.upstreams._withUnsafeGuaranteedRef { $0.sweep(now) }
        for source in pointee.sources { source.sweep(now) }
        settle()
    }

    /// Ends the loop after the current turn; from the worker's own thread.
    public func stopLoop() { pointee.mustStop = true }
}

// MARK: draining

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Accepts nothing more, reads nothing more, delivers what is owed, and then ends the loop; at `deadline` it ends
    /// in any case.
    public func drain(until deadline: UInt64) {
        pointee.drainDeadline = deadline
        guard !pointee.isDraining else { return }
        pointee.isDraining = true
        for source in pointee.sources {
            let listener = source.pointee.listener
            listener.pointee.event.isClosed = true
            pointee.net.close(listener.pointee.descriptor)
            var client = source.pointee.firstClient
            while let current = client {
                client = current.pointee.next
                current.pointee.connection.tell(UInt32(WEIR_EV_DRAIN))
                finishClient(current)
            }
        }
        settle()
    }

    /// Ends the loop when draining is done or its time is over.
    private func endDraining() {
        let isOver = pointee.head.now_ns >= pointee.drainDeadline
        // A connection whose client has gone may still have to wait for a transform.
        let unbound = pointee.unboundSubchains.count { !$0.isClosed }
        guard isOver || (pointee.clientCount == 0 && pointee.connections.usedCount == unbound) else { return }
        for source in pointee.sources {
            while let client = source.pointee.firstClient { closeClient(client, .draining) }
        }
        pointee.upstreams._withUnsafeGuaranteedRef { $0.stop() }
        while let operation = pointee.runningOperations {
            cancelOperation(operation.pointee.id, weir_status(WEIR_E_CANCELLED))
        }
        for _ in 0..<4 {
            settle()
            flush()
        }
        for target in pointee.unboundSubchains { target.closeOnce() }
        settle()
        reclaimClients()
        for entry in pointee.chains { entry.chain.pointee.stop() }
        pointee.mustStop = true
    }
}
