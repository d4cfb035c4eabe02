// Who is running: each thread keeps a crumb that says which plugin, site and hook it is in, so that a crash can name
// them. Setting it is two plain stores, clearing one; the fatal-signal handler of the same thread reads it.
//
//   thread ──slot()──► its cell of a fixed table ◄──by thread id── handler (FatalSignals)
//
// The table is found by thread id rather than by thread-local storage, so that the handler needs no library call.

import Glibc
public import WeirBase

/// The cells of all threads.
public enum Breadcrumbs {
    static let capacity = 1024

    /// One cache line for each, so that workers do not share one.
    struct Cell {
        var crumb = Breadcrumb()
        /// 0: free.
        var thread: pthread_t = 0
        var padding: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
    }

    /// One more than the capacity: threads beyond it share the last cell, which the handler never reads.
    /// Safe: a cell is claimed under the lock; afterwards only its own thread writes to it.
    nonisolated(unsafe) static let cells: UnsafeMutablePointer<Cell> = {
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: (capacity + 1) * MemoryLayout<Cell>.stride, alignment: 64)
        let cells = raw.bindMemory(to: Cell.self, capacity: capacity + 1)
        cells.initialize(repeating: Cell(), count: capacity + 1)
        return cells
    }()

    /// Safe: initialised once, never destroyed.
    nonisolated(unsafe) private static let lock: UnsafeMutablePointer<pthread_mutex_t> = {
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        return lock
    }()

    /// The crumb of the calling thread. Ask once and keep it; it stays valid for ever. The first call also gives the
    /// thread a stack for signal handlers, so that an overflow of its own stack can be reported.
    public static func slot() -> UnsafeMutablePointer<Breadcrumb> {
        let thread = pthread_self()
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        var index = capacity
        for i in 0..<capacity {
            if cells[i].thread == thread {
                index = i
                break
            }
            if cells[i].thread == 0, index == capacity { index = i }
        }
        if index < capacity, cells[index].thread != thread {
            cells[index].crumb = Breadcrumb()
            cells[index].thread = thread
            SignalStack.install()
        }
        // Safe: the crumb is the first member of its cell.
        return UnsafeMutableRawPointer(cells + index).assumingMemoryBound(to: Breadcrumb.self)
    }

    /// Gives the calling thread's cell back; to be called before a worker's thread ends.
    public static func release() {
        let thread = pthread_self()
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        for i in 0..<capacity where cells[i].thread == thread {
            cells[i].crumb = Breadcrumb()
            cells[i].thread = 0
            SignalStack.remove()
        }
    }

    /// The text of a crumb, made once for each site and never freed.
    public static func subject(plugin: String, site: String, transform: String, version: String)
        -> UnsafePointer<CChar>
    {
        subject("plugin \(plugin), site \(site) (\(transform) \(version))")
    }

    /// Any text, never freed.
    public static func subject(_ text: String) -> UnsafePointer<CChar> {
        immortalCString(text)
    }
}

/// A stack of its own for the signal handlers of a thread.
enum SignalStack {
    static let byteCount = 64 << 10

    static func install() {
        var old = stack_t()
        guard sigaltstack(nil, &old) == 0, old.ss_flags & Int32(SS_DISABLE) != 0 else { return }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
        var new = stack_t()
        new.ss_sp = memory
        new.ss_size = byteCount
        if sigaltstack(&new, nil) != 0 { memory.deallocate() }
    }

    static func remove() {
        var old = stack_t()
        var none = stack_t()
        none.ss_flags = Int32(SS_DISABLE)
        guard sigaltstack(&none, &old) == 0, old.ss_size == byteCount else { return }
        old.ss_sp?.deallocate()
    }
}
