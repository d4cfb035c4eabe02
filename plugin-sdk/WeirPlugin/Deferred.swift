// Closures on their way through the host: timers, posts, blocking work. Each is an object whose one reference
// the host carries as `ctx`; it keeps the site's tables alive, so a late call finds them.

import CWeir

/// A call of a closure, some time later.
public final class Timer {
    private let home: Home
    private var body: (() -> Void)?
    private var number: UInt64 = 0

    init(home: Home, delayNanoseconds: UInt64, _ body: @escaping () -> Void) {
        self.home = home
        self.body = body
        let worker = home.worker
        number = worker.host.pointee.timer(
            worker.raw, delayNanoseconds,
            { context in
                guard let context else { return }
                Unmanaged<Timer>.fromOpaque(context).takeRetainedValue().fire()
            }, Unmanaged.passRetained(self).toOpaque())
    }

    /// Whether it is still to come.
    public var isPending: Bool { body != nil }

    /// It will not fire. After it has fired, or a second time, this does nothing.
    public func cancel() {
        guard body != nil else { return }
        body = nil
        home.worker.host.pointee.cancel(home.worker.raw, number)
        // The host forgets its reference with the timer.
        Unmanaged.passUnretained(self).release()
    }

    private func fire() {
        guard let body else { return }
        self.body = nil
        if !home.isStopped { body() }
    }
}

/// A closure that was posted.
final class Call {
    private let home: Home
    private let body: () -> Void

    init(home: Home, _ body: @escaping () -> Void) {
        self.home = home
        self.body = body
    }

    static let run: weir_task_fn = { context in
        guard let context else { return }
        let call = Unmanaged<Call>.fromOpaque(context).takeRetainedValue()
        if !call.home.isStopped { call.body() }
    }
}

/// Work for the host's pool, and what is to be done with its result. The base class is what the C functions
/// know; the result's type is in the subclass.
class BlockingCall {
    func work() {}
    func finish() {}

    static let run: weir_task_fn = { context in
        guard let context else { return }
        Unmanaged<BlockingCall>.fromOpaque(context).takeUnretainedValue().work()
    }
    static let done: weir_task_fn = { context in
        guard let context else { return }
        Unmanaged<BlockingCall>.fromOpaque(context).takeRetainedValue().finish()
    }
}

final class BlockingCallOf<Result: Sendable>: BlockingCall {
    private let home: Home
    private let body: @Sendable () -> Result
    private let then: (Result) -> Void
    private var result: Result?

    init(home: Home, _ body: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        self.home = home
        self.body = body
        self.then = then
    }

    override func work() { result = body() }

    override func finish() {
        guard let result, !home.isStopped else { return }
        then(result)
    }
}
