// A worker between a client and a server, all threads of this process; only what the worker's thread allocates counts.

import CWeir
import Glibc
import WeirBase
import WeirChain
import WeirNet
import WeirRESP
import WeirUpstream

/// Set by one thread before another reads it.
enum Measurement {
    private static let request = Array("*2\r\n$3\r\nGET\r\n$8\r\nkey00000\r\n".utf8)
    private static let probe = Array("*1\r\n$4\r\nPING\r\n".utf8)
    private static let reply = Array("$5\r\nhello\r\n".utf8)
    /// Requests in one write of the client.
    private static let depth = 16

    private typealias Counter = @convention(c) () -> UInt64
    nonisolated(unsafe) private static var allocationCount: Counter?
    nonisolated(unsafe) private static var count: UInt64 = 0
    nonisolated(unsafe) private static var worker: WorkerRef?
    nonisolated(unsafe) private static var target: UnsafeMutablePointer<weir_target>?
    nonisolated(unsafe) private static var seen = 0
    private static let isCounted = Flag()
    private static let codec = RESPCodec()
    nonisolated(unsafe) private static let host = HostTable.make(
        HostServices(version: "test", codecs: [codec], log: { _, _, _ in }, report: { _, _, _, _ in }))

    static func run(hasHooks: Bool, _ messageCount: Int) -> UInt64 {
        guard let symbol = dlsym(nil, "weir_allocation_count") else { fail("run without the counting library") }
        allocationCount = unsafeBitCast(symbol, to: Counter.self)
        Log.level = .error
        let port = startWorker(hasHooks: hasHooks, serverPort: startServer())
        let client = connectLocally(port)
        let batch = [UInt8]((0..<depth).map { _ in request }.joined())
        func send() {
            for _ in 0..<(messageCount / depth) {
                writeAll(client, batch)
                readAll(client, reply.count * depth)
            }
        }
        send()
        let before = workerCount()
        send()
        return workerCount() - before
    }

    /// The allocations of the worker's thread so far.
    private static func workerCount() -> UInt64 {
        _ = worker?.pointee.mailbox.post(
            { _ in
                Measurement.count = Measurement.allocationCount?() ?? 0
                Measurement.isCounted.raise()
            }, nil)
        isCounted.wait()
        return count
    }

    private static func startServer() -> UInt16 {
        let (listener, port) = listenLocally()
        startThread {
            while true {
                let descriptor = accept(listener, nil, nil)
                if descriptor < 0 { return }
                startThread { serve(descriptor) }
            }
        }
        return port
    }

    private static func serve(_ descriptor: Int32) {
        readAll(descriptor, probe.count)
        writeAll(descriptor, Array("+PONG\r\n".utf8))
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var rest = 0
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { return }
            rest += count
            writeAll(descriptor, [UInt8]((0..<(rest / request.count)).map { _ in reply }.joined()))
            rest %= request.count
        }
    }

    private static func startWorker(hasHooks: Bool, serverPort: UInt16) -> UInt16 {
        let (listener, port) = listenLocally()
        close(listener)
        let isReady = Flag()
        startThread {
            guard let driver = EpollDriver() else { fail("no driver") }
            let made = WorkerRef.make(
                index: 0, count: 1, driver: driver, host: host, metrics: MetricRegistry(), codecs: [codec], seed: 1,
                logLevel: 4)
            made.install(RESPUpstreams(worker: made, codec: codec, seed: 2))
            let failure = made.open(
                SourcePlan(
                    name: "test", address: .loopback(port: port),
                    chain: ChainPlan(name: "main", protocolNumber: 1, sites: sites(hasHooks: hasHooks, serverPort)),
                    connections: ConnectionCount(maximum: 10), refusesAboveLimit: false, idleNanoseconds: 0))
            if let failure { fail("\(failure)") }
            worker = made
            isReady.raise()
            made.runLoop()
        }
        isReady.wait()
        return port
    }

    // MARK: the chain

    private static func sites(hasHooks: Bool, _ serverPort: UInt16) -> [Site] {
        let looker = Site(
            name: "looker",
            transform: table(
                start: nil, requests: { _, batch in Measurement.seen &+= Int(batch.pointee.count) },
                responses: { _, batch in Measurement.seen &+= Int(batch.pointee.count) }), pluginName: "test")
        let sink = Site(
            name: "sink",
            transform: table(
                start: { _, site, worker, _ in Measurement.openTarget(site, worker) },
                requests: { _, batch in
                    if let target = Measurement.target { Measurement.host.pointee.route(batch, target) }
                }, responses: nil), pluginName: "test")
        let plan = UpstreamPlan(
            addresses: ["127.0.0.1:\(serverPort)"], connectNanoseconds: 3_000_000_000, requestNanoseconds: 0,
            connectionCount: 1, user: nil, password: nil, maximumPinnedCount: 10)
        sink.upstreams = [(pointer: "", plan: plan)]
        return hasHooks ? [looker, looker, sink] : [sink]
    }

    private static func openTarget(_ site: OpaquePointer, _ worker: UnsafeMutablePointer<weir_worker>) -> weir_status {
        "".withCString { reference in
            var spec = weir_target_spec(
                size: UInt32(MemoryLayout<weir_target_spec>.size), flags: 0, site: site, worker: worker, conn: nil,
                ref: reference, address: weir_str(), on_event: nil, ctx: nil)
            return host.pointee.target_open(&spec, &target)
        }
    }

    private typealias Start =
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer, UnsafeMutablePointer<weir_worker>,
            UnsafeMutablePointer<UnsafeMutableRawPointer?>
        ) -> weir_status

    private static func table(
        start: Start?, requests: RequestHook?, responses: RequestHook?
    ) -> UnsafePointer<weir_transform> {
        func text(_ text: StaticString) -> UnsafePointer<CChar> {
            UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
        }
        let table = UnsafeMutablePointer<weir_transform>.allocate(capacity: 1)
        table.initialize(
            to: weir_transform(
                size: UInt32(MemoryLayout<weir_transform>.size), flags: 0, id: text("test"), version: text("1"),
                summary: text(""), accepts: text("resp"), emits: text("="), requires_ext: text(""),
                config_schema: text("{}"), configure: nil, unconfigure: nil, worker_start: start, worker_stop: nil,
                conn_open: nil, conn_close: nil, on_requests: requests, on_responses: responses, on_event: nil))
        return UnsafePointer(table)
    }
}
