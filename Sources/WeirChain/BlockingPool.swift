// Threads for work that blocks (`weir_host.blocking`): a few for the whole process, started when first needed.

import CWeir
import Glibc
import WeirNet

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Runs `work` on a thread of the pool and then `completion` on this worker, with what it returned.
    public func runBlocking<R: Sendable>(
        _ work: @escaping @Sendable () -> R, then completion: @escaping (R) -> Void
    ) {
        let job: Job = TypedJob(work, completion)
        BlockingPool.shared.run(
            pointee.mailbox, { context in Job.from(context)?.takeUnretainedValue().perform() },
            { context in Job.from(context)?.takeRetainedValue().finish() }, Unmanaged.passRetained(job).toOpaque())
    }
}

/// Work for the pool with its completion, behind a pointer.
private class Job {
    func perform() {}
    func finish() {}

    static func from(_ context: UnsafeMutableRawPointer?) -> Unmanaged<Job>? {
        context.map { Unmanaged<Job>.fromOpaque($0) }
    }
}

private final class TypedJob<R: Sendable>: Job {
    private let work: @Sendable () -> R
    private let completion: (R) -> Void
    private var result: R?

    init(_ work: @escaping @Sendable () -> R, _ completion: @escaping (R) -> Void) {
        self.work = work
        self.completion = completion
    }

    override func perform() { result = work() }
    override func finish() { if let result { completion(result) } }
}

final class BlockingPool: @unchecked Sendable {
    static let shared = BlockingPool(maximumThreadCount: 4)

    private struct Order {
        var mailbox: Mailbox
        var work: weir_task_fn
        var done: weir_task_fn
        var context: UnsafeMutableRawPointer?
    }

    private let maximumThreadCount: Int
    private var threadCount = 0
    private var idleCount = 0
    private var jobs: [Order] = []
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let available = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(maximumThreadCount: Int) {
        self.maximumThreadCount = maximumThreadCount
        pthread_mutex_init(lock, nil)
        pthread_cond_init(available, nil)
    }

    /// Runs `work` on a thread of the pool, then `done` through the mailbox.
    func run(
        _ mailbox: Mailbox, _ work: @escaping weir_task_fn, _ done: @escaping weir_task_fn,
        _ context: UnsafeMutableRawPointer?
    ) {
        pthread_mutex_lock(lock)
        jobs.append(Order(mailbox: mailbox, work: work, done: done, context: context))
        let mustStart = idleCount == 0 && threadCount < maximumThreadCount
        if mustStart { threadCount += 1 }
        pthread_cond_signal(available)
        pthread_mutex_unlock(lock)
        guard mustStart else { return }
        var thread = pthread_t()
        _ = pthread_create(
            &thread, nil,
            { pool in
                if let pool { Unmanaged<BlockingPool>.fromOpaque(pool).takeUnretainedValue().serve() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        pthread_detach(thread)
    }

    private func serve() {
        while true {
            pthread_mutex_lock(lock)
            idleCount += 1
            while jobs.isEmpty { pthread_cond_wait(available, lock) }
            idleCount -= 1
            let job = jobs.removeFirst()
            pthread_mutex_unlock(lock)
            job.work(job.context)
            // The completion is owed: when the mailbox is full, wait for the worker.
            while !job.mailbox.post(job.done, job.context) { usleep(1000) }
        }
    }
}
