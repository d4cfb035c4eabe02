// A transform whose hooks are closures of a test, and the plans of chains made of such transforms.

public import CWeir
public import WeirChain
public import WeirUpstream

/// One call of a hook.
public struct Hook {
    public let transform: TestTransform
    /// nil for a transform without a state per connection.
    public let connection: TestConnection?
    /// Gone when the hook has returned.
    public let batch: UnsafePointer<weir_batch>
    public let conn: UnsafeMutablePointer<weir_conn>
    public let worker: UnsafeMutablePointer<weir_worker>

    init(_ transform: TestTransform, _ connection: TestConnection?, _ batch: UnsafePointer<weir_batch>) {
        self.transform = transform
        self.connection = connection
        self.batch = batch
        conn = batch.pointee.conn
        worker = batch.pointee.conn.pointee.worker
    }

    public var messages: [MessageHandle] { (0..<Int(batch.pointee.count)).map { batch.pointee.msgs[$0] } }
    /// The rest of the chain behind this site.
    public var next: TargetHandle { weir.next(conn, transform.site.handle) }
}

/// What a transform keeps of one connection.
public final class TestConnection {
    public let transform: TestTransform
    public let conn: UnsafeMutablePointer<weir_conn>
    public var held: [MessageHandle] = []
    public var targets: [String: TargetHandle] = [:]
    /// Completions that are still to come; must be 0 when the connection closes.
    public var openCompletionCount = 0

    init(_ transform: TestTransform, _ conn: UnsafeMutablePointer<weir_conn>) {
        self.transform = transform
        self.conn = conn
    }
}

public final class TestTransform: @unchecked Sendable {
    public let name: String
    public var flags: UInt32 = 0
    /// Has conn_open and conn_close.
    public var hasConnections = true
    public var onRequests: ((Hook) -> Void)?
    public var onResponses: ((Hook) -> Void)?
    public var onEvent: ((TestConnection, UInt32) -> Void)?
    public var onOpen: ((TestConnection) -> weir_status)?
    public var onClose: ((TestConnection) -> Void)?
    public var onStart: ((TestTransform) -> Void)?
    /// What happened, for tests to look at.
    public var log: [String] = []
    public private(set) var openedCount = 0
    public private(set) var closedCount = 0
    public private(set) var startedCount = 0
    public private(set) var stoppedCount = 0
    public private(set) var live: [ObjectIdentifier: TestConnection] = [:]
    public private(set) var mistakes: [String] = []
    public var targets: [String: TargetHandle] = [:]
    public var workerHandle: UnsafeMutablePointer<weir_worker>?
    public private(set) lazy var site: Site = makeSite()
    private var subchains: [(String, ChainPlan)] = []
    private var upstreams: [(String, UpstreamPlan)] = []

    public init(_ name: String) { self.name = name }

    /// A sub-chain, to be opened with this pointer; before the site is used.
    public func subchain(_ pointer: String, _ plan: ChainPlan) { subchains.append((pointer, plan)) }
    public func upstream(_ pointer: String, _ plan: UpstreamPlan) { upstreams.append((pointer, plan)) }

    /// `target_open`.
    public func open(
        _ pointer: String, for conn: UnsafeMutablePointer<weir_conn>? = nil, isExclusive: Bool = false
    ) -> TargetHandle? {
        guard let workerHandle else { return nil }
        var target: TargetHandle?
        let status = pointer.withCString { text in
            var spec = weir_target_spec(
                size: UInt32(MemoryLayout<weir_target_spec>.size), flags: isExclusive ? UInt32(WEIR_TG_EXCLUSIVE) : 0,
                site: site.handle, worker: workerHandle, conn: conn, ref: text, address: weir_str(), on_event: nil,
                ctx: nil)
            return weir.target_open(&spec, &target)
        }
        if status != WEIR_OK { mistakes.append("target_open: \(status)") }
        return target
    }

    // MARK: the table

    private func makeSite() -> Site {
        let table = UnsafeMutablePointer<weir_transform>.allocate(capacity: 1)
        table.initialize(
            to: weir_transform(
                size: UInt32(MemoryLayout<weir_transform>.size), flags: flags, id: cString(name), version: cString("1"),
                summary: cString(""), accepts: cString("resp"), emits: cString("="), requires_ext: cString(""),
                config_schema: cString("{}"), configure: nil, unconfigure: nil, worker_start: startWorker,
                worker_stop: stopWorker, conn_open: hasConnections ? openConnection : nil,
                conn_close: hasConnections ? closeConnection : nil,
                on_requests: onRequests == nil ? nil : hasConnections ? requestsOfConnection : requestsOfWorker,
                on_responses: onResponses == nil ? nil : hasConnections ? responsesOfConnection : responsesOfWorker,
                on_event: onEvent == nil || !hasConnections ? nil : eventOfConnection))
        let site = Site(name: name, transform: UnsafePointer(table), pluginName: "test")
        site.state = Unmanaged.passUnretained(self).toOpaque()
        site.subchains = subchains.map { (pointer: $0.0, chain: $0.1) }
        site.upstreams = upstreams.map { (pointer: $0.0, plan: $0.1 as AnyObject) }
        return site
    }

    private func cString(_ text: String) -> UnsafePointer<CChar> {
        let bytes = text.utf8CString
        let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { memory[index] = byte }
        return UnsafePointer(memory)
    }

    fileprivate func started(_ worker: UnsafeMutablePointer<weir_worker>) {
        workerHandle = worker
        startedCount += 1
        onStart?(self)
    }

    fileprivate func stopped() {
        stoppedCount += 1
        if openedCount != closedCount { mistakes.append("\(name): worker_stop before conn_close") }
    }

    fileprivate func opened(_ conn: UnsafeMutablePointer<weir_conn>) -> (weir_status, TestConnection) {
        let connection = TestConnection(self, conn)
        let status = onOpen?(connection) ?? weir_status(WEIR_OK)
        if status == WEIR_OK {
            openedCount += 1
            live[ObjectIdentifier(connection)] = connection
        }
        return (status, connection)
    }

    fileprivate func closed(_ connection: TestConnection) {
        if live.removeValue(forKey: ObjectIdentifier(connection)) == nil { mistakes.append("\(name): closed twice") }
        if connection.openCompletionCount != 0 { mistakes.append("\(name): conn_close before a completion") }
        closedCount += 1
        onClose?(connection)
    }

    fileprivate func call(_ hook: String, _ batch: UnsafePointer<weir_batch>, _ connection: TestConnection?) {
        if let connection {
            if live[ObjectIdentifier(connection)] == nil { mistakes.append("\(name): \(hook) after conn_close") }
            if connection.conn != batch.pointee.conn { mistakes.append("\(name): \(hook) of another connection") }
        }
        let call = Hook(self, connection, batch)
        (hook == "on_requests" ? onRequests : onResponses)?(call)
    }
}

private func transform(_ state: UnsafeMutableRawPointer?) -> TestTransform? {
    state.map { Unmanaged<TestTransform>.fromOpaque($0).takeUnretainedValue() }
}

private func connection(_ state: UnsafeMutableRawPointer?) -> TestConnection? {
    state.map { Unmanaged<TestConnection>.fromOpaque($0).takeUnretainedValue() }
}

private let startWorker:
    @convention(c) (
        UnsafeMutableRawPointer?, OpaquePointer, UnsafeMutablePointer<weir_worker>,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> weir_status = { state, _, worker, out in
        transform(state)?.started(worker)
        out.pointee = state
        return weir_status(WEIR_OK)
    }
private let stopWorker: @convention(c) (UnsafeMutableRawPointer?) -> Void = { transform($0)?.stopped() }
private let openConnection:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafeMutablePointer<weir_conn>, UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> weir_status = { state, conn, out in
        guard let transform = transform(state) else { return weir_status(WEIR_E_INTERNAL) }
        let (status, connection) = transform.opened(conn)
        if status == WEIR_OK { out.pointee = Unmanaged.passRetained(connection).toOpaque() }
        return status
    }
private let closeConnection: @convention(c) (UnsafeMutableRawPointer?) -> Void = { state in
    guard let state else { return }
    // The object stays: a call after the close must be seen, not crash.
    let connection = Unmanaged<TestConnection>.fromOpaque(state).takeUnretainedValue()
    connection.transform.closed(connection)
    graveyard.bury(connection)
}
private let requestsOfConnection: RequestHook = { state, batch in
    connection(state).map { $0.transform.call("on_requests", batch, $0) }
}
private let responsesOfConnection: RequestHook = { state, batch in
    connection(state).map { $0.transform.call("on_responses", batch, $0) }
}
private let requestsOfWorker: RequestHook = { transform($0)?.call("on_requests", $1, nil) }
private let responsesOfWorker: RequestHook = { transform($0)?.call("on_responses", $1, nil) }
private let eventOfConnection:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<weir_conn>, UInt32) -> Void = { state, _, event in
        connection(state).map { $0.transform.onEvent?($0, event) }
    }

/// Keeps what was closed, so that a late use is found out.
private final class Graveyard: @unchecked Sendable {
    func bury(_ connection: TestConnection) {
        // The reference that conn_open gave away is never taken back.
        connection.held = []
    }
}
private let graveyard = Graveyard()

extension ChainPlan {
    public convenience init(_ name: String, _ transforms: [TestTransform]) {
        self.init(name: name, protocolNumber: 1, sites: transforms.map(\.site))
    }
}

extension TestTransform {
    /// Hands every batch to an upstream.
    public static func sink(_ plan: UpstreamPlan, name: String = "sink") -> TestTransform {
        let sink = TestTransform(name)
        sink.hasConnections = false
        sink.upstream("", plan)
        sink.onStart = { $0.targets[""] = $0.open("") }
        sink.onRequests = { hook in
            if let target = hook.transform.targets[""] { weir.route(hook.batch, target) }
        }
        return sink
    }
}
