// The table of functions that plugins call (`weir_host`). Each is a thin adapter: it finds the objects behind the
// pointers and calls one function of this module. None calls into a plugin before it returns.

public import CWeir
import WeirBase
import WeirNet
public import WeirWire

/// What of the table does not belong to a worker: the process fills it in once, before any plugin is loaded.
public struct HostServices {
    public var version: String
    /// All codecs of the process.
    public var codecs: [WireCodec]
    /// A line of a plugin for the log: site name or "", level, text.
    public var log: @Sendable (String, Int32, String) -> Void
    /// A complaint of a plugin about its configuration: where (JSON pointer), level, text.
    public var report: @Sendable (UnsafePointer<weir_config>, Int32, String, String) -> Void

    public init(
        version: String, codecs: [WireCodec], log: @escaping @Sendable (String, Int32, String) -> Void,
        report: @escaping @Sendable (UnsafePointer<weir_config>, Int32, String, String) -> Void
    ) {
        self.version = version
        self.codecs = codecs
        self.log = log
        self.report = report
    }
}

/// The one `weir_host` of the process.
public enum HostTable {
    /// Set once by `make`, before any other thread runs.
    nonisolated(unsafe) static var services: HostServices?

    /// Fills in the table. It lives as long as the process.
    public static func make(_ services: HostServices) -> UnsafePointer<weir_host> {
        self.services = services
        let table = UnsafeMutablePointer<weir_host>.allocate(capacity: 1)
        table.initialize(
            to: weir_host(
                size: UInt32(MemoryLayout<weir_host>.size), abi_major: UInt16(WEIR_ABI_MAJOR),
                abi_minor: UInt16(WEIR_ABI_MINOR), name: immortalCString("weir"),
                version: immortalCString(services.version), impl: nil,
                extension: { _, id in Extensions.find(id) },
                log: { _, site, level, text in
                    HostTable.services?.log(site.map { Site.from($0).name } ?? "", level, text.string)
                },
                protocol: { _, name in HostTable.codec(named: name)?.number ?? 0 },
                verb: { _, name, verb in
                    HostTable.codec(named: name)?.verb(named: weir_cstr(verb).bytes) ?? 0
                },
                verb_name: { _, number, verb in
                    HostTable.services?.codecs.first { $0.number == number }?.name(ofVerb: verb) ?? weir_str()
                },
                buf_new: { _, count in Buffer.make(count) },
                buf_ref: { Buffer.ref($0) }, buf_unref: { Buffer.unref($0) },
                report: { config, level, path, text in
                    HostTable.services?.report(config, level, String(cString: path), text.string)
                },
                interest: { config, kinds, verbs, count in HostTable.setInterest(config, kinds, verbs, Int(count)) },
                parse: { MessageRef($0).tape },
                set: { message, item, value, owner in Body.set(MessageRef(message), Int(item), value, owner) },
                splice: { message, parent, at, remove, items, count in
                    Body.splice(MessageRef(message), Int(parent), Int(at), Int(remove), items, Int(count))
                },
                encode: { message in
                    let message = MessageRef(message)
                    Body.encode(message)
                    return weir_str(ptr: UnsafePointer(message.pointee.wire), len: message.byteCount)
                },
                build: { worker, number, kind, items, count in
                    WorkerRef(worker).build(number, kind, items, Int(count))?.handle
                },
                build_raw: { worker, number, kind, wire in WorkerRef(worker).buildRaw(number, kind, wire)?.handle },
                clone: { Flow.clone(MessageRef($0)).handle },
                take: { Flow.take(MessageRef($0), $1) },
                pass: { Flow.pass(MessageRef($0)) },
                pass_to: { Flow.pass(MessageRef($0), to: TargetRef($1)) },
                route: { Flow.route($0, to: TargetRef($1)) },
                reply: { Flow.reply(MessageRef($0), MessageRef($1)) },
                fail: { Flow.fail(MessageRef($0), $1, $2) },
                drop: { Flow.drop(MessageRef($0)) },
                retry: { Flow.retry(MessageRef($0), TargetRef($1)) },
                send: { target, messages, count, options, done, context in
                    Flow.send(TargetRef(target), messages, count, options, done, context)
                },
                cancel: { worker, id in WorkerRef(worker).cancel(id) },
                push: { Flow.push(ChainConnectionRef($0), MessageRef($1)) },
                close: { connection, _ in
                    let connection = ChainConnectionRef(connection)
                    if let client = connection.pointee.client { connection.worker.finishClient(client) }
                },
                target_open: { spec, out in Flow.openTarget(spec, out) },
                target_close: { Flow.closeTarget(TargetRef($0)) },
                next: { connection, site in Flow.next(ChainConnectionRef(connection), Site.from(site)).handle },
                timer: { worker, delay, function, context in
                    let worker = WorkerRef(worker)
                    return worker.pointee.timers.pointee.add(
                        deadline: worker.pointee.head.now_ns.addingClamped(delay), function: function, context: context)
                        &* 2
                },
                post: { worker, function, context in
                    // A full mailbox means that the worker does not run any more; the call is lost like the process.
                    _ = WorkerRef(worker).pointee.mailbox.post(function, context)
                },
                blocking: { worker, work, done, context in
                    BlockingPool.shared.run(WorkerRef(worker).pointee.mailbox, work, done, context)
                },
                random: { worker, bytes, count in WorkerRef(worker).fillRandom(bytes, count) },
                conn_attr: { connection, name in
                    let connection = ChainConnectionRef(connection)
                    return connection.worker.pointee.upstreams.takeUnretainedValue().attribute(
                        connection, String(cString: name))
                }))
        return UnsafePointer(table)
    }

    static func codec(named name: UnsafePointer<CChar>) -> WireCodec? {
        let wanted = weir_cstr(name)
        return services?.codecs.first { weir_eq(weir_str($0.name), wanted) != 0 }
    }

    private static func setInterest(
        _ config: UnsafePointer<weir_config>, _ kinds: UInt32, _ verbs: UnsafePointer<UInt32>, _ count: Int
    ) -> weir_status {
        let site = Site.from(config.pointee.site)
        guard let codec = services?.codecs.first(where: { $0.number == config.pointee.protocol }) else {
            return weir_status(WEIR_E_UNSUPPORTED)
        }
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: codec.verbCount / 64 + 1)
        words.initialize(repeating: 0, count: codec.verbCount / 64 + 1)
        for index in 0..<count {
            guard verbs[index] < UInt32(codec.verbCount) else { return weir_status(WEIR_E_INVALID) }
            words[Int(verbs[index] >> 6)] |= 1 << UInt64(verbs[index] & 63)
        }
        if kinds & (1 << UInt32(WEIR_REQUEST)) != 0 { site.requestInterest = words }
        if kinds & (1 << UInt32(WEIR_RESPONSE)) != 0 { site.responseInterest = words }
        return weir_status(WEIR_OK)
    }
}
