// A crash names the plugin, the site and the hook, and the process still dies of the signal.

import Foundation
import Testing
import WeirBase
import WeirPlugins

/// AddressSanitizer has handlers of its own, which end the process with an exit code.
private let isSanitized = dlsym(nil, "__asan_init") != nil

@Suite(.enabled(if: !isSanitized, "the sanitizer takes the signals"))
struct FatalSignalTests {
    private func text(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }

    @Test func `a trap in a hook is told with plugin, site and hook`() async {
        let result = await #expect(processExitsWith: .signal(SIGILL), observing: [\.standardErrorContent]) {
            FatalSignals.install()
            let crumb = Breadcrumbs.slot()
            let subject = Breadcrumbs.subject(
                plugin: "Essentials", site: "redis/counter", transform: "QueryCounter", version: "1.0.0")
            crumb.pointee.enter(subject, hook: "on_requests")
            raise(SIGILL)
        }
        #expect(
            text(result).contains(
                "weir: FATAL signal 4 (illegal instruction) in plugin Essentials, site redis/counter "
                    + "(QueryCounter 1.0.0), hook on_requests\n"))
    }

    @Test func `a real fault dies of its own signal`() async {
        let result = await #expect(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
            FatalSignals.install()
            let crumb = Breadcrumbs.slot()
            crumb.pointee.enter(Breadcrumbs.subject("plugin X, site a/b (X 1)"), hook: "configure")
            let address = UnsafeMutablePointer<Int>(bitPattern: 8)
            address?.pointee = 1
        }
        #expect(
            text(result).contains(
                "weir: FATAL signal 11 (segmentation fault) in plugin X, site a/b (X 1), hook configure\n"))
    }

    @Test func `a crash outside of plugins says so`() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            FatalSignals.install()
            let crumb = Breadcrumbs.slot()
            crumb.pointee.enter(Breadcrumbs.subject("plugin X"), hook: "on_event")
            crumb.pointee.leave()
            abort()
        }
        #expect(text(result).contains("weir: FATAL signal 6 (abort) in Weir itself, not in a plugin\n"))
    }

    @Test func `the crumb of the crashing thread is told, not that of another`() async {
        let result = await #expect(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
            FatalSignals.install()
            Breadcrumbs.slot().pointee.enter(Breadcrumbs.subject("plugin Main"), hook: "on_requests")
            let thread = Thread {
                Breadcrumbs.slot().pointee.enter(Breadcrumbs.subject("plugin Other"), hook: "worker_start")
                UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
            }
            thread.start()
            while true { pause() }
        }
        #expect(text(result).contains("in plugin Other, hook worker_start\n"))
    }

    @Test func `an overflow of the stack is told`() async {
        let result = await #expect(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
            FatalSignals.install()
            let thread = Thread {
                Breadcrumbs.slot().pointee.enter(Breadcrumbs.subject("plugin Deep"), hook: "on_requests")
                _ = depth(0)
            }
            thread.stackSize = 1 << 20
            thread.start()
            while true { pause() }
        }
        #expect(text(result).contains("in plugin Deep, hook on_requests\n"))
    }

    @Test(.enabled(if: Compiler.isAvailable, "no C compiler on this machine"))
    func `a plugin that crashes while it is loaded is named by its file`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            FatalSignals.install()
            let folder = try Folder()
            let path = try Compiler.library(
                Source.plugin(before: "__attribute__((constructor)) static void run(void) { __builtin_trap(); }"),
                "crash", in: folder)
            _ = PluginLoader.load(path, host: TestHost.table)
        }
        #expect(text(result).contains("/crash.so, hook dlopen\n"))
    }

    @Test func `a thread gets the same slot each time, and one that was given back is used again`() {
        let first = Breadcrumbs.slot()
        #expect(Breadcrumbs.slot() == first)
        Breadcrumbs.release()
        _ = Breadcrumbs.slot()
    }
}

@inline(never)
private func depth(_ n: Int) -> Int {
    withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { $0.storeBytes(of: n, as: Int.self) }
    return n == .max ? 0 : depth(n + 1) + 1
}
