// A crash says where: on a fatal signal one line on stderr names the plugin, the site and the hook, and then the
// signal takes its usual course (core dump, exit status 128+n).
//
//   weir: FATAL signal 4 (illegal instruction) in plugin Essentials, site redis/counter (QueryCounter 1.0.0), hook on_requests
//
// The handler allocates nothing, takes no lock, and calls nothing but pthread_self, write, sigaction and raise.

import Glibc
import WeirBase

public enum FatalSignals {
    static let signals: [Int32] = [SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGABRT, SIGTRAP]

    /// Everything the handler touches, allocated before it can run.
    /// Safe: written by install() before the handlers exist; `line` is written by the first crashing thread.
    nonisolated(unsafe) private static let line = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    nonisolated(unsafe) private static let previous: UnsafeMutablePointer<sigaction> = {
        let actions = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
        actions.initialize(repeating: sigaction(), count: 65)
        return actions
    }()
    private static let capacity = 2048

    /// To be called once, at the start of the process, before plugins are loaded.
    public static func install() {
        _ = Breadcrumbs.slot()
        // Once on the way through everything that the handler does but write: whatever the runtime initialises
        // lazily is initialised now.
        _ = compose(SIGABRT, crumb(of: pthread_self()))
        for signal in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_sigaction = { signal, info, _ in FatalSignals.report(signal, info) }
            action.sa_flags = SA_SIGINFO | SA_ONSTACK
            sigemptyset(&action.sa_mask)
            sigaction(signal, &action, previous + Int(signal))
        }
    }

    private static func report(_ signal: Int32, _ info: UnsafeMutablePointer<siginfo_t>?) {
        let count = compose(signal, crumb(of: pthread_self()))
        _ = write(2, line, count)
        // What was there before us (as a rule the default action) is to happen.
        sigaction(signal, previous + Int(signal), nil)
        // A fault happens again when the instruction does; a signal that was sent has to be sent again.
        if let info, info.pointee.si_code > 0, signal != SIGABRT { return }
        raise(signal)
    }

    private static func crumb(of thread: pthread_t) -> Breadcrumb {
        for i in 0..<Breadcrumbs.capacity where Breadcrumbs.cells[i].thread == thread {
            return Breadcrumbs.cells[i].crumb
        }
        return Breadcrumb()
    }

    /// Writes the line; returns its length.
    private static func compose(_ signal: Int32, _ crumb: Breadcrumb) -> Int {
        var count = 0
        append("weir: FATAL signal ", &count)
        append(signal, &count)
        append(" (", &count)
        append(name(signal), &count)
        if let subject = crumb.subject, let hook = crumb.hook {
            append(") in ", &count)
            subject.withMemoryRebound(to: UInt8.self, capacity: 1) { append($0, &count) }
            append(", hook ", &count)
            append(hook, &count)
            append("\n", &count)
        } else {
            append(") in Weir itself, not in a plugin\n", &count)
        }
        return count
    }

    private static func append(_ text: StaticString, _ count: inout Int) {
        for i in 0..<text.utf8CodeUnitCount where count < capacity {
            line[count] = text.utf8Start[i]
            count += 1
        }
    }

    private static func append(_ text: UnsafePointer<UInt8>, _ count: inout Int) {
        var next = text
        // Room is kept for the end of the line.
        while next.pointee != 0, count < capacity - 64 {
            line[count] = next.pointee
            count += 1
            next += 1
        }
    }

    private static func append(_ number: Int32, _ count: inout Int) {
        // Safe: signal numbers have one or two digits.
        if number >= 10 {
            line[count] = 0x30 + UInt8(truncatingIfNeeded: number / 10 % 10)
            count += 1
        }
        line[count] = 0x30 + UInt8(truncatingIfNeeded: number % 10)
        count += 1
    }

    private static func name(_ signal: Int32) -> StaticString {
        switch signal {
        case SIGSEGV: "segmentation fault"
        case SIGILL: "illegal instruction"
        case SIGBUS: "bus error"
        case SIGFPE: "arithmetic error"
        case SIGABRT: "abort"
        case SIGTRAP: "trap"
        default: "unexpected"
        }
    }
}
