// The transforms that the tests of the SDK run, one for each thing an author may do, and the plugin they are in.

import CWeir
import Synchronization
import WeirPlugin
import WeirTesting

/// Puts a prefix before every key.
final class KeyPrefix: Transform, RequestHook {
    static let about = About(
        id: "sdk.prefix", version: "1.0.0", summary: "prefix", accepts: "resp", requires: "weir.resp/1")

    private let prefix: [UInt8]

    static func settings(from configuration: Configuration) throws -> [UInt8] {
        guard let option = configuration["prefix"], let bytes = option.bytes else {
            throw Problem(at: "", "prefix is missing")
        }
        if bytes.array.contains(0x20) { throw Problem(at: option.path, "must not contain spaces") }
        return bytes.array
    }

    init(settings: [UInt8], worker: Worker) { prefix = settings }

    func requests(_ batch: Batch) {
        for request in batch {
            guard let items = request.items else { continue }
            request.forEachRESPKey { key in request.set(key, to: prefix + items[key].bytes.array) }
        }
    }
}

/// Keeps requests: GET for a millisecond, INCR while it asks another, DEL it loses, FLUSHALL it forgets in a task.
final class Keeper: Transform, RequestHook {
    static let about = About(id: "sdk.keeper", version: "1.0.0", summary: "keeps", accepts: "resp")

    private let worker: Worker
    private let other: Target
    private let get: UInt32
    private let del: UInt32
    private let incr: UInt32
    private let flush: UInt32

    init(settings: NoSettings, worker: Worker) throws {
        self.worker = worker
        other = try worker.openTarget("/other", address: "192.0.2.9:6379")
        get = worker.verb("GET", of: "resp")
        del = worker.verb("DEL", of: "resp")
        incr = worker.verb("INCR", of: "resp")
        flush = worker.verb("FLUSHALL", of: "resp")
    }

    func requests(_ batch: Batch) {
        for request in batch {
            if request.verb == get {
                let parked = Parked(request.take())
                worker.after(nanoseconds: 1_000_000) { parked.take()?.pass() }
            } else if request.verb == del {
                _ = request.take()
            } else if request.verb == incr {
                request.take().run { [other] held in
                    let answer = try await other.ask(held.copy())
                    held.reply(answer)
                }
            } else if request.verb == flush {
                request.take(.loose).run { [worker] held in
                    await worker.sleep(nanoseconds: 1000)
                    throw Problem(.timeout, "gave up on \(held.byteCount) bytes")
                }
            }
        }
    }
}

/// Numbers requests and notes which responses belong to which.
final class Tagger: Transform, RequestHook, ResponseHook {
    static let about = About(
        id: "sdk.tagger", version: "1.0.0", summary: "tags", accepts: "resp", keepsRequests: true, usesTags: true)

    private let worker: Worker
    private var last: UInt64 = 0

    init(settings: NoSettings, worker: Worker) { self.worker = worker }

    func requests(_ batch: Batch) {
        for index in 0..<batch.count {
            last += 1
            batch[tag: index] = last
        }
    }

    func responses(_ batch: Batch) {
        for index in 0..<batch.count {
            let response = batch[index]
            let command = response.request?.items?[1].bytes.string ?? "?"
            if response.isError, let connection = response.connection {
                response.retry(at: connection.next)
            } else if let answer = worker.build(
                .list([.integer(Int(batch[tag: index])), .bytes(command), response.value]), .response,
                protocolNumber: response.protocolNumber)
            {
                response.reply(answer)
            }
        }
    }
}

/// State per connection; it counts what it lives through.
final class Visitors: PerConnection {
    static let about = About(
        id: "sdk.visitors", version: "1.0.0", summary: "per connection", requires: "weir.metrics/1")

    let open: Gauge
    let worker: Worker

    init(settings: NoSettings, worker: Worker) {
        self.worker = worker
        open = worker.gauge("visitors_open")
    }

    func open(_ connection: Connection) throws -> Visit { Visit(self) }
}

final class Visit: RequestHook {
    private let visitors: Visitors
    private var count = 0

    init(_ visitors: Visitors) {
        self.visitors = visitors
        visitors.open.add(1)
    }

    deinit { visitors.open.add(-1) }

    func requests(_ batch: Batch) {
        count += batch.count
        if count > 2 { for request in batch { request.fail(.rejected, "request \(count) of this visit") } }
    }
}

/// Listens to its connections and its target, and puts two arguments in the place of the first.
final class Listener: Transform, RequestHook, EventHook {
    static let about = About(id: "sdk.listener", version: "1.0.0", summary: "listens")

    private let worker: Worker
    private let target: Target

    init(settings: NoSettings, worker: Worker) throws {
        self.worker = worker
        target = try worker.openTarget("/other") { event, target, _ in
            worker.log(.info, "target \(target.name.string) \(event == .down ? "down" : "up")")
        }
    }

    func requests(_ batch: Batch) {
        for request in batch {
            request.splice(0, at: 1, removing: 1, inserting: [.bytes("a"), .bytes("b")])
        }
    }

    func event(_ event: ConnectionEvent, on connection: Connection) {
        worker.log(.info, "\(connection.peer.string) \(event == .clientEnd ? "ended" : "other")")
    }
}

/// Cannot start.
final class Unready: Transform {
    static let about = About(id: "sdk.unready", version: "1.0.0", summary: "never starts")
    init(settings: NoSettings, worker: Worker) throws { throw Problem(.unavailable, "not today") }
}

/// Timers, posts and blocking work, noted in the log.
final class Clockwork: Transform, RequestHook {
    static let about = About(id: "sdk.clockwork", version: "1.0.0", summary: "time")

    private let worker: Worker

    init(settings: NoSettings, worker: Worker) { self.worker = worker }

    func requests(_ batch: Batch) {
        let worker = worker
        let never = worker.after(nanoseconds: 10) { worker.log(.info, "a cancelled timer fired") }
        never.cancel()
        never.cancel()
        worker.after(nanoseconds: 20) { worker.log(.info, "timer") }
        worker.soon { worker.log(.info, "soon") }
        worker.blocking({ 6 * 7 }, done: { worker.log(.info, "blocking \($0)") })
        worker.after(nanoseconds: 1_000_000_000) { worker.log(.info, "late timer") }
    }
}

enum Samples {
    /// The address of the tables, which are made once per process, as in a plugin.
    private static let tables = Mutex<UInt?>(nil)

    /// A host with these transforms.
    static func host() throws -> TestHost { try TestHost { Samples.plugin($0) } }

    private static func plugin(_ host: HostTable) -> PluginTable? {
        let host = UInt(bitPattern: host)
        let address = tables.withLock { made -> UInt? in
            if made == nil, let host = HostTable(bitPattern: host) {
                let table = makePlugin(
                    "samples", version: "1.0.0", host,
                    [
                        KeyPrefix.self, Keeper.self, Tagger.self, Visitors.self, Unready.self, Clockwork.self,
                        Listener.self,
                    ])
                made = table.map { UInt(bitPattern: $0) }
            }
            return made
        }
        return address.flatMap { PluginTable(bitPattern: $0) }
    }
}
