// Signals are taken by the main thread alone, one at a time.

import CWeirLinux
import Glibc

enum Signals {
    /// Not a signal: everything that `whenAllEnd` watches has ended.
    static let allEnded: Int32 = -1
    nonisolated(unsafe) private static var set = sigset_t()

    /// Keeps signals from every thread that is started from now on; SIGPIPE is of no use to anybody.
    static func block() {
        signal(SIGPIPE, SIG_IGN)
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR2] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// The next signal; 0 when `deadline` (monotonic nanoseconds) has passed first.
    static func wait(until deadline: UInt64?) -> Int32 {
        while true {
            var info = siginfo_t()
            let number: Int32
            if let deadline {
                let now = monotonicNow()
                // A little later than the workers, which keep the same deadline.
                let left = deadline > now ? deadline - now + 500_000_000 : 500_000_000
                var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
                number = sigtimedwait(&set, &info, &time)
                if number < 0, errno == EAGAIN { return 0 }
            } else {
                number = sigwaitinfo(&set, &info)
            }
            if number == SIGUSR2 { return allEnded }
            if number > 0 { return number }
        }
    }

    /// Makes `wait` return `allEnded` when all gates are open.
    static func whenAllEnd(_ gates: [Gate]) {
        let box = Unmanaged.passRetained(Gates(gates)).toOpaque()
        var thread = pthread_t()
        _ = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                for gate in Unmanaged<Gates>.fromOpaque(context).takeRetainedValue().gates { gate.wait() }
                kill(getpid(), SIGUSR2)
                return nil
            }, box)
        pthread_detach(thread)
    }

    private final class Gates {
        let gates: [Gate]
        init(_ gates: [Gate]) { self.gates = gates }
    }
}

/// Monotonic nanoseconds.
func monotonicNow() -> UInt64 { weir_clock_ns(CLOCK_MONOTONIC) }
