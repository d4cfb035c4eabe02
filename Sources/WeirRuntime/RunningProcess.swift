// The workers of a process and what holds them together: start, readiness, signals, drain.

import CWeir
import Glibc
import Synchronization
import WeirAdmin
import WeirBase
import WeirChain
import WeirConfig
import WeirNet
import WeirPlugins
import WeirUpstream

final class RunningProcess: @unchecked Sendable {
    private let prepared: Host.Prepared
    private let options: RunOptions
    private let metrics = MetricRegistry()
    private let workerCount: Int
    private var workers: [WorkerThread] = []
    private let isDraining = Atomic<Bool>(false)
    private let isReady = Atomic<Bool>(false)

    init(_ prepared: Host.Prepared, _ options: RunOptions) {
        self.prepared = prepared
        self.options = options
        workerCount = options.workerCount ?? prepared.topology.workerCount ?? RunningProcess.processorCount()
    }

    func run() -> Int32 {
        Log.info(
            "weir.starting",
            ["version": WeirVersion.text, "topology": options.topologyFile, "workers": workerCount])
        let admin: AdminServer?
        do throws(AdminError) {
            admin = try startAdmin()
        } catch {
            Log.error("admin.failed", ["reason": error.text])
            return 69
        }
        defer { admin?.stop() }
        if let failure = startWorkers() {
            Log.error("source.failed", ["source": failure.source, "reason": failure.text])
            stopWorkers(at: 0)
            return 69
        }
        for source in prepared.sources {
            Log.info("source.listening", ["source": source.name, "address": "\(source.address)"])
        }
        isReady.store(true, ordering: .releasing)
        Log.info("weir.ready", ["message": "Weir is now accepting connections"])
        return waitForEnd()
    }

    private func startAdmin() throws(AdminError) -> AdminServer? {
        guard let address = options.adminAddress ?? prepared.topology.adminAddress else { return nil }
        let server = try AdminServer(
            address: address,
            routes: AdminRoutes(
                metrics: { [metrics] in metrics.gather() },
                ready: { [unowned self] in
                    var state = ReadyState(isDraining: isDraining.load(ordering: .acquiring))
                    if !isReady.load(ordering: .acquiring) {
                        state.missing = [.init(part: "sources", reason: "not all sources listen yet")]
                    }
                    return state
                }))
        Log.info("admin.listening", ["address": server.address])
        return server
    }

    /// Workers share the port of a source among themselves; nobody else may have it.
    private func findTakenPort() -> SourceError? {
        guard let driver = EpollDriver() else { return SourceError(source: "*", text: "out of file descriptors") }
        for source in prepared.sources {
            let descriptor = driver.listenAlone(source.address, backlog: 1)
            if descriptor < 0 {
                let reason = String(cString: strerror(-descriptor))
                return SourceError(source: source.name, text: "cannot listen on \(source.address): \(reason)")
            }
            driver.close(descriptor)
        }
        return nil
    }

    private func startWorkers() -> SourceError? {
        if let failure = findTakenPort() { return failure }
        for index in 0..<workerCount {
            let worker = WorkerThread(
                index: index, count: workerCount, sources: prepared.sources, metrics: metrics)
            workers.append(worker)
            if let failure = worker.start() { return failure }
        }
        return nil
    }

    /// Waits for SIGTERM or SIGINT, drains, and tells how it went. A second signal ends at once.
    private func waitForEnd() -> Int32 {
        var first: Int32 = 0
        while true {
            let signal = Signals.wait(until: first == 0 ? nil : drainEnd)
            if signal == SIGHUP {
                Log.warn(
                    "signal.ignored", ["signal": "SIGHUP", "message": "a topology cannot be reloaded yet: restart"])
                continue
            }
            if first == 0 {
                first = signal
                Log.info("weir.draining", ["signal": signal == SIGINT ? "SIGINT" : "SIGTERM"])
                isDraining.store(true, ordering: .releasing)
                drainEnd = monotonicNow() &+ options.drainNanoseconds
                for worker in workers { worker.drain(until: drainEnd) }
                Signals.whenAllEnd(workers.map(\.ended))
                continue
            }
            if signal == Signals.allEnded { break }
            if signal != 0 { stopWorkers(at: 0) }
            break
        }
        for worker in workers { worker.join() }
        prepared.assembly.unconfigure()
        for plugin in prepared.catalog.plugins { plugin.table.pointee.shutdown?() }
        Log.info("weir.stopped", [:])
        return 0
    }

    private var drainEnd: UInt64 = 0

    private func stopWorkers(at deadline: UInt64) {
        for worker in workers { worker.drain(until: deadline) }
    }

    private static func processorCount() -> Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
