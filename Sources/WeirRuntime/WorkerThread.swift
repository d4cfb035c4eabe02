// One worker on its thread.

import CWeir
import Glibc
import WeirBase
import WeirChain
import WeirNet
import WeirPlugins
import WeirUpstream

final class WorkerThread: @unchecked Sendable {
    private let index: Int
    private let count: Int
    private let sources: [SourcePlan]
    private let metrics: MetricRegistry
    private var thread = pthread_t()
    private var worker: WorkerRef?
    private var failure: SourceError?
    private let started = Gate()
    /// Opens when the loop has ended.
    let ended = Gate()
    private var drainDeadline: UInt64 = 0

    init(index: Int, count: Int, sources: [SourcePlan], metrics: MetricRegistry) {
        self.index = index
        self.count = count
        self.sources = sources
        self.metrics = metrics
    }

    /// Starts the thread and waits until its sources listen.
    func start() -> SourceError? {
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<WorkerThread>.fromOpaque(context).takeUnretainedValue().main() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        guard code == 0 else {
            return SourceError(source: "*", text: "cannot start a thread: \(String(cString: strerror(code)))")
        }
        started.wait()
        return failure
    }

    private func main() {
        defer {
            started.open()
            ended.open()
        }
        guard let driver = EpollDriver() else {
            failure = SourceError(source: "*", text: "out of file descriptors")
            return
        }
        var seed: UInt64 = 0
        driver.fillRandom(&seed, MemoryLayout<UInt64>.size)
        let worker = WorkerCore.make(index: index, count: count, driver: driver, metrics: metrics, seed: seed)
        worker.pointee.crumb = Breadcrumbs.slot()
        worker.install(RESPUpstreams(worker: worker, codec: Host.codec, seed: seed &+ 1))
        self.worker = worker
        for source in sources {
            if let error = worker.open(source) {
                failure = error
                return
            }
        }
        started.open()
        worker.runLoop()
        Breadcrumbs.release()
    }

    /// From another thread: deliver what is owed and end.
    func drain(until deadline: UInt64) {
        guard let worker, failure == nil else { return }
        drainDeadline = deadline
        _ = worker.pointee.mailbox.post(
            { context in
                guard let context else { return }
                let thread = Unmanaged<WorkerThread>.fromOpaque(context).takeRetainedValue()
                thread.worker?.drain(until: thread.drainDeadline)
            }, Unmanaged.passRetained(self).toOpaque())
    }

    func join() { pthread_join(thread, nil) }
}

extension WorkerCore {
    static func make(index: Int, count: Int, driver: Driver, metrics: MetricRegistry, seed: UInt64) -> WorkerRef {
        WorkerRef.make(
            index: index, count: count, driver: driver, host: Host.pluginTable, metrics: metrics, codecs: [Host.codec],
            seed: seed, logLevel: UInt32(Log.level.rawValue))
    }
}

/// Opens once; threads wait for it.
final class Gate: @unchecked Sendable {
    private var isOpen = false
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        lock.deallocate()
        changed.deallocate()
    }

    func open() {
        pthread_mutex_lock(lock)
        isOpen = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(lock)
    }

    func wait() {
        pthread_mutex_lock(lock)
        while !isOpen { pthread_cond_wait(changed, lock) }
        pthread_mutex_unlock(lock)
    }
}
