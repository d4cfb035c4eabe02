// The one way into a worker from another thread: a bounded list of functions to run on the worker.
// It knows the driver only as something to wake. Rare traffic (a reload, a drain, a resolved name), never per message.

import CWeirLinux
import Synchronization

/// Functions posted by any thread, run by the thread that drains.
public final class Mailbox: @unchecked Sendable {
    public typealias Function = @convention(c) (UnsafeMutableRawPointer?) -> Void

    private struct Post {
        var function: Function
        var context: UnsafeMutableRawPointer?
    }

    /// Posts that may wait at once.
    public let maximumCount: Int
    private let driver: Driver
    /// Guards `waiting`. Of the C library, for the thread sanitizer knows it; it does not see into Swift's `Mutex`.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var waiting: [Post] = []
    /// True while something may wait: an empty mailbox costs `drain` one load.
    private let hasPosts = Atomic(false)
    /// The worker's own: empty between drains, kept for its memory.
    private var taken: [Post] = []
    private var isDraining = false

    /// `driver` is woken when something comes into the empty mailbox; of it only `wake` is called.
    public init(driver: Driver, maximumCount: Int = 65_536) {
        self.driver = driver
        self.maximumCount = maximumCount
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// From any thread: `function(context)` will run on the worker, after all that was posted before.
    /// False when `maximumCount` posts wait: nothing was kept, and the context is still the caller's.
    /// What waits when the mailbox goes away never runs; drain it last.
    public func post(_ function: @escaping Function, _ context: UnsafeMutableRawPointer?) -> Bool {
        pthread_mutex_lock(lock)
        let before = waiting.count
        if before < maximumCount { waiting.append(Post(function: function, context: context)) }
        if before == 0 { hasPosts.store(true, ordering: .releasing) }
        pthread_mutex_unlock(lock)
        if before == 0 { driver.wake() }
        return before < maximumCount
    }

    /// On the worker: runs what was posted before the call, in order, and returns how many that were. What is posted
    /// meanwhile, also by the functions themselves, waits for the next call; `wait` will return at once for it.
    @discardableResult public func drain() -> Int {
        guard hasPosts.load(ordering: .acquiring) else { return 0 }
        precondition(!isDraining, "a posted function drains the mailbox it came from")
        isDraining = true
        defer { isDraining = false }
        var batch = taken
        taken = []
        pthread_mutex_lock(lock)
        swap(&waiting, &batch)
        hasPosts.store(false, ordering: .releasing)
        pthread_mutex_unlock(lock)
        for post in batch { post.function(post.context) }
        let count = batch.count
        batch.removeAll(keepingCapacity: count <= 1024)
        taken = batch
        return count
    }
}
