// The admin server as a thing to start and stop: a listener, a thread, the loop on it.
//
// The thread takes no signals and shares nothing with the workers but the closures of the routes.

import CWeirLinux
import Synchronization
import WeirNet

/// Why the admin server cannot listen.
public enum AdminError: Error, Equatable {
    /// Not "127.0.0.1:9001" or "[::1]:9001".
    case malformedAddress(String)
    /// The system's reason as an errno.
    case cannotListen(String, number: Int32)

    /// One sentence without a full stop.
    public var text: String {
        switch self {
        case .malformedAddress(let text): "'\(text)' is no address such as 127.0.0.1:9001 or [::1]:9001"
        case .cannotListen(let address, let number): "cannot listen on \(address): \(String(cString: strerror(number)))"
        }
    }
}

/// Serves `/metrics`, `/health` and `/ready` on a thread of its own.
public final class AdminServer: Sendable {
    /// Where it listens, with the port that was taken when 0 was asked for.
    public let address: String

    private let thread: Mutex<pthread_t?>
    private let state: LoopState

    /// Opens the listener and starts serving. The address is a number and a port; names are not looked up. The port is this
    /// process's alone: two processes that shared it would answer for each other.
    public init(address text: String, routes: AdminRoutes) throws(AdminError) {
        guard let wanted = SocketAddress(text) else { throw .malformedAddress(text) }
        guard let driver = EpollDriver(maximumEventCount: AdminLoop.maximumConnectionCount + 1) else {
            throw .cannotListen(text, number: EMFILE)
        }
        let listener = driver.listenAlone(wanted, backlog: 64)
        guard listener >= 0 else { throw .cannotListen(text, number: -listener) }
        address = driver.localAddress(listener).description
        state = LoopState(
            driver: driver,
            loop: AdminLoop(
                driver: driver, listener: listener, routes: routes, requiresLoopbackHost: wanted.isLoopback))
        guard let started = state.startThread() else {
            state.close()
            throw .cannotListen(text, number: EAGAIN)
        }
        thread = Mutex(started)
    }

    /// Closes listener and connections; returns when the thread has ended. May be called again.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        state.end()
        pthread_join(running, nil)
    }

    deinit { stop() }
}

/// What the thread owns. Only `end` is called from elsewhere.
private final class LoopState: @unchecked Sendable {
    private let driver: EpollDriver
    private var loop: AdminLoop
    private let isEnding = Atomic(false)

    init(driver: EpollDriver, loop: AdminLoop) {
        self.driver = driver
        self.loop = loop
    }

    /// Starts the thread with signals blocked, so that they reach the threads that wait for them; not those that tell of
    /// a fault in this thread.
    func startThread() -> pthread_t? {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { sigdelset(&all, fault) }
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self)
        let result = pthread_create(&thread, nil, runLoop, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            return nil
        }
        return thread
    }

    func run() {
        while !isEnding.load(ordering: .acquiring) { loop.turn() }
        loop.close()
    }

    func end() {
        isEnding.store(true, ordering: .releasing)
        driver.wake()
    }

    /// Only when no thread runs.
    func close() { loop.close() }
}

private func runLoop(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // Safe: `startThread` passes a retained state.
    guard let argument else { return nil }
    Unmanaged<LoopState>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}

extension SocketAddress {
    /// 127.0.0.0/8 and ::1.
    fileprivate var isLoopback: Bool {
        let text = description
        return text.hasPrefix("127.") && family == .ipv4 || text.hasPrefix("[::1]:")
    }
}
