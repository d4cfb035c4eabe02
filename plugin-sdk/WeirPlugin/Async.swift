// async/await on the worker's event loop, for those who ask. The executor hands each job to host->post, so no
// thread is ever made and all of it runs under a simulator too. A task costs about half a microsecond: for the
// messages that need it, not for all. Do not use Task.sleep, Task.detached or Dispatch: they leave the worker.

import CWeir

/// The worker as an executor of Swift's concurrency.
public final class WorkerExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // Safe to be sent: `enqueue` uses post alone, which is [any]; everything else happens on the worker.
    private unowned let home: Home

    init(home: Home) { self.home = home }

    public func enqueue(_ job: consuming ExecutorJob) {
        let host = home.environment.pointee.host
        let box = Job(home: home, executor: self, job: UnownedJob(job))
        host.pointee.post(home.environment.pointee.worker, Job.run, Unmanaged.passRetained(box).toOpaque())
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// There is nothing to compare with: whoever runs on this executor runs on the worker's thread.
    public func checkIsolated() {}
}

/// A job of Swift's concurrency on its way to the worker. It is run even after the site has stopped: a task that
/// was begun is brought to its end.
private final class Job {
    let home: Home
    let executor: WorkerExecutor
    let job: UnownedJob

    init(home: Home, executor: WorkerExecutor, job: UnownedJob) {
        self.home = home
        self.executor = executor
        self.job = job
    }

    static let run: weir_task_fn = { context in
        guard let context else { return }
        let box = Unmanaged<Job>.fromOpaque(context).takeRetainedValue()
        box.job.runSynchronously(
            isolatedTo: box.executor.asUnownedSerialExecutor(), taskExecutor: box.executor.asUnownedTaskExecutor())
    }
}

/// What stays on one worker, where the compiler cannot see that it does.
struct OnWorker<T>: @unchecked Sendable {
    let value: T
    init(_ value: T) { self.value = value }
}

extension Worker {
    /// For actors that are to live on this worker.
    public var executor: WorkerExecutor { home.executor }

    /// Runs asynchronous code on this worker. An error that it throws is logged.
    public func run(_ body: @escaping () async throws -> Void) {
        let home = OnWorker(home)
        let body = OnWorker(body)
        Task(executorPreference: self.home.executor) {
            do { try await body.value() } catch { home.value.worker.log(.warning, "a task failed: \(error)") }
        }
    }

    /// Waits; other work of the worker goes on meanwhile.
    public func sleep(nanoseconds: UInt64) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let waiting = Unmanaged.passRetained(Sleeper(home, continuation)).toOpaque()
            _ = host.pointee.timer(
                raw, nanoseconds,
                { context in
                    guard let context else { return }
                    Unmanaged<Sleeper>.fromOpaque(context).takeRetainedValue().continuation.resume()
                }, waiting)
        }
    }
}

private final class Sleeper {
    let home: Home
    let continuation: UnsafeContinuation<Void, Never>

    init(_ home: Home, _ continuation: UnsafeContinuation<Void, Never>) {
        self.home = home
        self.continuation = continuation
    }
}

extension Held {
    /// Goes on asynchronously with it. When `body` throws, or ends without disposing of the message, the client
    /// gets an error.
    public consuming func run(_ body: @escaping (consuming Held) async throws -> Void) {
        let worker = self.worker
        let parked = Parked(self)
        worker.run {
            guard let held = parked.take() else { return }
            try await body(held)
        }
    }
}

extension Target {
    /// Sends a request of your own and waits for its answer, which is yours.
    public func ask(_ request: consuming Held, timeoutNanoseconds: UInt64 = 0) async throws -> Held {
        var requests = Requests()
        requests.add(request)
        guard let answer = try await askAll(requests, timeoutNanoseconds: timeoutNanoseconds).first?.take() else {
            throw Problem(.internal, "the host reported success without an answer")
        }
        return answer
    }

    /// Sends several, kept together on one connection, and waits for all answers, in the order of the requests.
    public func askAll(_ requests: consuming Requests, timeoutNanoseconds: UInt64 = 0) async throws -> [Parked] {
        try await start(requests, timeoutNanoseconds: timeoutNanoseconds).value()
    }

    /// Sends a request and does not wait yet: several can be under way at once.
    public func start(_ request: consuming Held, timeoutNanoseconds: UInt64 = 0) -> PendingAnswers {
        var requests = Requests()
        requests.add(request)
        return start(requests, timeoutNanoseconds: timeoutNanoseconds)
    }

    public func start(_ requests: consuming Requests, timeoutNanoseconds: UInt64 = 0) -> PendingAnswers {
        let pending = PendingAnswers()
        send(requests, timeoutNanoseconds: timeoutNanoseconds) { answers in pending.finish(answers) }
        return pending
    }
}

/// Answers that are under way. Asked for once.
public final class PendingAnswers: @unchecked Sendable {
    // Safe to be sent: it never leaves its worker.
    private enum State {
        case waiting
        case awaited(UnsafeContinuation<Void, Never>)
        case answered([Parked])
        case failed(Problem)
    }
    private var state = State.waiting

    func finish(_ answers: Answers) {
        let before = state
        if answers.isOK {
            state = .answered((0..<answers.count).compactMap { index in answers[index].map { Parked($0.take()) } })
        } else {
            state = .failed(Problem(answers.status, answers.detail.string))
        }
        if case .awaited(let continuation) = before { continuation.resume() }
    }

    /// The answers, in the order of the requests; throws the reason when there are none.
    public func value() async throws -> [Parked] {
        if case .waiting = state {
            await withUnsafeContinuation { continuation in state = .awaited(continuation) }
        }
        switch state {
        case .answered(let answers): return answers
        case .failed(let problem): throw problem
        case .waiting, .awaited: throw Problem(.internal, "answers were asked for twice")
        }
    }
}
