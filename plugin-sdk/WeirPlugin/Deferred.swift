// Closures on their way through the host: timers, posts, blocking work. The host carries an object as `ctx`. Posts and
// blocking work own themselves and keep the site's tables alive, so a late call finds them; timers are the site's.

import CWeir

/// A call of a closure, some time later. Those that are still to come are in a list of their site, which owns them
/// and cancels them when the site stops.
public final class Timer {
    private unowned let home: Home
    private var body: (() -> Void)?
    private var number: UInt64 = 0
    private var next: Timer?
    private unowned(unsafe) var previous: Timer?

    init(home: Home, delayNanoseconds: UInt64, _ body: @escaping () -> Void) {
        self.home = home
        self.body = body
        next = home.firstTimer
        next?.previous = self
        home.firstTimer = self
        let worker = home.worker
        number = worker.host.pointee.timer(
            worker.raw, delayNanoseconds,
            { context in
                guard let context else { return }
                // Safe: the list owns it until it fires or is cancelled.
                Unmanaged<Timer>.fromOpaque(context).takeUnretainedValue().fire()
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Whether it is still to come.
    public var isPending: Bool { body != nil }

    /// It will not fire. After it has fired, or a second time, this does nothing.
    public func cancel() {
        guard let body else { return }
        home.worker.host.pointee.cancel(home.worker.raw, number)
        self.body = nil
        leave()
        // What it holds goes last: that may be a transform, whose deinit may cancel other timers.
        withExtendedLifetime(body) {}
    }

    private func fire() {
        guard let body else { return }
        self.body = nil
        leave()
        body()
    }

    /// Out of the list; the last reference to it may go with this.
    private func leave() {
        let following = next
        next = nil
        following?.previous = previous
        if let previous { previous.next = following } else { home.firstTimer = following }
        previous = nil
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
