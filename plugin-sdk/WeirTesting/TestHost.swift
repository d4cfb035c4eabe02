// The test host of testing/weir_testing.h in Swift: load a plugin, send requests through a transform, see what
// became of them. No network, no clock, no threads. For tests only; it may use whatever is convenient there.

public import CWeir
import CWeirTesting
import Glibc
import Synchronization

/// A host of one worker.
public final class TestHost {
    let raw: UnsafeMutablePointer<weir_test_host>

    /// Why a plugin, a site or a client was refused.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    /// With the plugin of an entry function: `TestHost(weir_plugin_v1)`.
    public init(_ entry: @escaping weir_plugin_entry) throws {
        raw = weir_test_new(entry)
        if raw.pointee.plugin == nil {
            let log = Self.text(raw.pointee.log)
            weir_test_free(raw)
            throw Refused(description: "the plugin refused: \(log)")
        }
    }

    /// With the plugin in a shared library, which stays loaded; its entry function is called once per process, as
    /// the ABI promises, however many hosts there are.
    public init(library path: String) throws {
        let plugin = try LoadedLibraries.plugin(at: path)
        raw = weir_test_new { _ in nil }
        raw.pointee.plugin = plugin
    }

    deinit { weir_test_free(raw) }

    /// What the plugin returned.
    public var plugin: UnsafePointer<weir_plugin> {
        // Safe: init throws when there is none.
        raw.pointee.plugin!
    }

    public func transform(_ id: String) -> UnsafePointer<weir_transform>? { weir_test_transform(raw, id) }

    /// Configures and starts a transform. Options are not validated and have no defaults here.
    public func start(_ id: String, _ options: String = "{}") throws -> TestSite {
        guard let site = weir_test_configure(raw, id, options) else { throw Refused(description: log) }
        return TestSite(host: self, raw: site)
    }

    /// Lines of log and report.
    public var log: String { Self.text(raw.pointee.log) }
    public func clearLog() { raw.pointee.log.len = 0 }
    /// Below it no line is wanted: WEIR_LOG_*.
    public var logLevel: UInt32 {
        get { raw.pointee.worker.log_level }
        set { raw.pointee.worker.log_level = newValue }
    }
    /// How often the plugin disposed of what was not its own.
    public var misuseCount: Int { Int(raw.pointee.misuse_count) }
    /// Messages that the plugin has taken or made and not disposed of.
    public var heldCount: Int { Int(weir_test_held(raw)) }
    /// More series are refused.
    public var maximumMetricCount: Int {
        get { Int(raw.pointee.metric_limit) }
        set { raw.pointee.metric_limit = UInt32(clamping: newValue) }
    }

    /// WEIR_RESP_* that every command has; nil: those of the test host's table.
    public var commandFlags: UInt32? {
        get { raw.pointee.has_flags != 0 ? raw.pointee.flags : nil }
        set {
            raw.pointee.has_flags = newValue == nil ? 0 : 1
            raw.pointee.flags = newValue ?? 0
        }
    }

    public func metric(_ name: String, _ labels: String = "") -> Int {
        Int(clamping: weir_test_metric_value(raw, name, labels))
    }

    /// All series, "name{labels}", sorted.
    public var series: [String] {
        var names: [String] = []
        var next = raw.pointee.metrics
        while let metric = next {
            names.append("\(Self.text(metric.pointee.name)){\(Self.text(metric.pointee.labels))}")
            next = metric.pointee.next
        }
        return names.sorted()
    }

    /// Runs what is due.
    public func run() { weir_test_run(raw) }
    /// Lets time pass; timers fire in their order.
    public func advance(nanoseconds: UInt64) { weir_test_advance(raw, nanoseconds) }

    /// Requests of the plugin's own that wait for an answer.
    public var sendingCount: Int {
        var count = 0
        var next = raw.pointee.sendings
        while let sending = next {
            count += 1
            next = sending.pointee.next
        }
        return count
    }

    /// Answers the oldest of them: as many messages as there were requests.
    @discardableResult
    public func complete(_ wire: String) -> Bool { weir_test_complete(raw, 0, wire) != 0 }

    @discardableResult
    public func complete(failing status: Int32, _ detail: String) -> Bool {
        weir_test_complete(raw, status, detail) != 0
    }

    /// WEIR_TE_*, to whoever opened the target; false: nobody listens.
    @discardableResult
    public func targetEvent(_ reference: String, address: String = "", _ event: UInt32) -> Bool {
        weir_test_target_event(raw, reference, address, event) != 0
    }

    /// Closes the connections, stops and unconfigures the sites.
    public func stop() { weir_test_stop(raw) }

    private static func text(_ bytes: weir_test_bytes) -> String {
        String(decoding: UnsafeBufferPointer(start: bytes.ptr, count: bytes.len), as: UTF8.self)
    }

    private static func text<Tuple>(_ characters: Tuple) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Plugins by the path of their library.
private enum LoadedLibraries {
    /// A plugin, and the host that its entry function was given: never freed, for the plugin may keep it.
    private struct Loaded {
        var plugin: UInt
        var host: UInt
    }
    private static let libraries = Mutex<[String: Loaded]>([:])

    static func plugin(at path: String) throws -> UnsafePointer<weir_plugin> {
        let address = try libraries.withLock { libraries in
            if let library = libraries[path] { return library.plugin }
            guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
                throw TestHost.Refused(description: dlerror().map { String(cString: $0) } ?? "dlopen failed")
            }
            guard let symbol = dlsym(library, WEIR_ENTRY_SYMBOL) else {
                throw TestHost.Refused(description: "\(path) has no \(WEIR_ENTRY_SYMBOL)")
            }
            let host = weir_test_new(unsafeBitCast(symbol, to: weir_plugin_entry.self))
            guard let plugin = host.pointee.plugin else {
                throw TestHost.Refused(description: "\(path) refused")
            }
            libraries[path] = Loaded(plugin: UInt(bitPattern: plugin), host: UInt(bitPattern: host))
            return UInt(bitPattern: plugin)
        }
        guard let plugin = UnsafePointer<weir_plugin>(bitPattern: address) else {
            throw TestHost.Refused(description: "\(path) refused")
        }
        return plugin
    }
}

/// A transform that runs.
public struct TestSite {
    public let host: TestHost
    let raw: UnsafeMutablePointer<weir_test_site>

    /// A client.
    public func connect() throws -> TestConnection {
        guard let connection = weir_test_connect(raw) else { throw TestHost.Refused(description: host.log) }
        return TestConnection(host: host, raw: connection)
    }
}

/// A client.
public struct TestConnection {
    public let host: TestHost
    let raw: UnsafeMutablePointer<weir_test_conn>

    /// Whether the plugin closed it.
    public var isClosed: Bool { raw.pointee.is_closed != 0 }

    /// One request as a batch: words separated by spaces, in double quotes where they have some.
    @discardableResult
    public func request(_ command: String) -> Exchange { requests([command])[0] }

    /// Several requests as one batch.
    @discardableResult
    public func requests(_ commands: [String]) -> [Exchange] {
        var messages = commands.map { weir_test_prepare(raw, $0) }
        weir_test_deliver(raw, &messages, UInt32(messages.count))
        return messages.map { Exchange(host: host, raw: $0) }
    }

    /// WEIR_EV_*.
    public func event(_ event: UInt32) { weir_test_event(raw, event) }

    public func disconnect() { weir_test_disconnect(raw) }
}

/// A request, and its answer.
public struct Exchange {
    public let host: TestHost
    let raw: UnsafeMutablePointer<weir_test_msg>

    public enum Outcome: Int32, Sendable {
        case lent = 0
        case passed = 1
        case routed = 2
        case answered = 3
        case failed = 4
        case held = 5
        case dropped = 6
        case sent = 7
        case used = 8
    }

    /// What became of the request.
    public var outcome: Outcome { Outcome(rawValue: raw.pointee.state) ?? .lent }
    /// The request as it went on, edits included.
    public var wire: String {
        let wire = weir_test_encode(&raw.pointee.pub)
        return String(decoding: UnsafeBufferPointer(start: wire.ptr, count: wire.len), as: UTF8.self)
    }
    /// Where it was routed to.
    public var target: String? {
        raw.pointee.target.map {
            let name = $0.pointee.pub.name
            return String(decoding: UnsafeBufferPointer(start: name.ptr, count: name.len), as: UTF8.self)
        }
    }
    /// What the client has got; nil: nothing yet.
    public var answer: String? { weir_test_answer(raw).map { String(cString: $0) } }

    /// What is behind answers; the result is what the client gets, nil while the plugin holds it.
    @discardableResult
    public func respond(_ wire: String) -> String? { weir_test_respond(raw, wire).map { String(cString: $0) } }
}
