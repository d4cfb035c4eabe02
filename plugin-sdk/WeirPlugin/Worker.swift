// One event loop, as one site of the topology sees it: time, log, timers, numbers of protocols and verbs.
// A struct of one pointer, so that hooks pay no reference counting. Valid until worker_stop returns; what
// completes later (timers, answers, tasks) keeps the memory behind it alive through its `Home`.

public import CWeir

/// The tables that a site uses on one worker, behind one pointer.
@usableFromInline
struct Environment {
    @usableFromInline let host: UnsafePointer<weir_host>
    @usableFromInline let worker: UnsafeMutablePointer<weir_worker>
    @usableFromInline let site: OpaquePointer
    @usableFromInline let resp: UnsafePointer<weir_resp_v1>?
    @usableFromInline let metrics: UnsafePointer<weir_metrics_v1>?
    /// Where counts go whose series the host refused.
    @usableFromInline let spill: UnsafeMutablePointer<UInt64>
    let gaugeSpill: UnsafeMutablePointer<Int64>
    let home: Unmanaged<Home>
}

/// Owns an `Environment`. Retained by what is alive of the site on the worker.
final class Home {
    let environment: UnsafeMutablePointer<Environment>
    /// worker_stop was called: nothing that the author asked for earlier is called any more.
    private(set) var isStopped = false
    /// Timers that are still to come.
    var firstTimer: Timer?
    /// Who hears of targets; they go with the site, for their targets do.
    var listeners: [TargetListener] = []
    /// Made when asynchronous code is first used.
    lazy var executor = WorkerExecutor(home: self)

    init(site: OpaquePointer, worker: UnsafeMutablePointer<weir_worker>) {
        let host = worker.pointee.host
        environment = .allocate(capacity: 1)
        let spill = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        spill.initialize(to: 0)
        let gaugeSpill = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
        gaugeSpill.initialize(to: 0)
        let resp = host.pointee.extension(host, WEIR_EXT_RESP)
        let metrics = host.pointee.extension(host, WEIR_EXT_METRICS)
        environment.initialize(
            to: Environment(
                host: host, worker: worker, site: site,
                resp: resp?.assumingMemoryBound(to: weir_resp_v1.self),
                metrics: metrics?.assumingMemoryBound(to: weir_metrics_v1.self),
                spill: spill, gaugeSpill: gaugeSpill, home: .passUnretained(self)))
    }

    /// The site stops: its timers are cancelled, its targets heard no more.
    func stop() {
        isStopped = true
        while let timer = firstTimer { timer.cancel() }
        listeners = []
    }

    deinit {
        environment.pointee.spill.deallocate()
        environment.pointee.gaugeSpill.deallocate()
        environment.deallocate()
    }

    var worker: Worker { Worker(environment) }
}

/// One event loop. Everything a transform does happens on it.
public struct Worker {
    @usableFromInline let environment: UnsafePointer<Environment>

    @inlinable
    init(_ environment: UnsafePointer<Environment>) { self.environment = environment }

    @inlinable var host: UnsafePointer<weir_host> { environment.pointee.host }
    @inlinable public var raw: UnsafeMutablePointer<weir_worker> { environment.pointee.worker }
    /// The site whose transform this is.
    @inlinable public var site: OpaquePointer { environment.pointee.site }
    var home: Home { environment.pointee.home.takeUnretainedValue() }

    /// Worker 0 always exists: let it do what is to be done once.
    @inlinable public var index: Int { Int(raw.pointee.index) }
    @inlinable public var count: Int { Int(raw.pointee.count) }
    /// Monotonic; the same for the whole of a hook.
    @inlinable public var nowNanoseconds: UInt64 { raw.pointee.now_ns }
    /// Unix time; the same for the whole of a hook.
    @inlinable public var unixNanoseconds: UInt64 { raw.pointee.wall_ns }

    /// The number of a protocol, "resp"; 0: unknown.
    public func protocolNumber(_ name: String) -> UInt16 {
        name.withCString { host.pointee.protocol(host, $0) }
    }

    /// The number of a command, by its name in capitals; 0: unknown.
    public func verb(_ name: String, of protocolName: String) -> UInt32 {
        protocolName.withCString { p in name.withCString { host.pointee.verb(host, p, $0) } }
    }

    /// The name of a command; empty: unknown. Valid for ever.
    @inlinable
    public func verbName(_ verb: UInt32, ofProtocol number: UInt16) -> Bytes {
        Bytes(host.pointee.verb_name(host, number, verb))
    }

    /// Fills memory with random bytes; not for keys.
    public func random<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type = UInt64.self) -> T {
        var value: T = 0
        host.pointee.random(raw, &value, MemoryLayout<T>.size)
        return value
    }

    /// Calls `body` once, on this worker, after `delayNanoseconds`; not at all once the site has stopped.
    @discardableResult
    public func after(nanoseconds delayNanoseconds: UInt64, _ body: @escaping () -> Void) -> Timer {
        Timer(home: home, delayNanoseconds: delayNanoseconds, body)
    }

    /// Calls `body` once, on this worker, soon; not at all once the site has stopped.
    public func soon(_ body: @escaping () -> Void) {
        host.pointee.post(raw, Call.run, Unmanaged.passRetained(Call(home: home, body)).toOpaque())
    }

    /// Calls `work` on a thread of the host's pool, where it may block, and then `done` with its result on
    /// this worker. `work` must touch nothing of the worker.
    public func blocking<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, done: @escaping (Result) -> Void
    ) {
        let call: BlockingCall = BlockingCallOf(home: home, work, then: done)
        host.pointee.blocking(raw, BlockingCall.run, BlockingCall.done, Unmanaged.passRetained(call).toOpaque())
    }
}
