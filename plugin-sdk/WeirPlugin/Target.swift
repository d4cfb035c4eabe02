// Where requests can be sent: the rest of the chain, a sub-chain, an upstream (weir_target in weir.h). The host
// connects, pools, reconnects and keeps watermarks. A target that you opened is yours until `close`.

public import CWeir

extension Worker {
    /// Opens what the option at `reference` names: a JSON pointer in this site's configuration to a value that
    /// the schema marks "x-weir"; "" is the whole of it. It need not be connected yet.
    /// - Parameters:
    ///   - address: of an upstream, instead of the configured one: a node that was discovered.
    ///   - connection: bound to, and closed with, this client connection; nil: shared by the worker.
    ///   - isExclusive: a connection of its own, not a share of the pool.
    ///   - onEvent: called on this worker when it comes up, goes down, …, until it is closed; not once the site has
    ///     stopped. A push from the upstream comes with its message, which is lent.
    public func openTarget(
        _ reference: String, address: String = "", for connection: Connection? = nil, isExclusive: Bool = false,
        onEvent: ((TargetEvent, Target, Message?) -> Void)? = nil
    ) throws(Problem) -> Target {
        let listener = onEvent.map { TargetListener(worker: self, $0) }
        var opened: UnsafeMutablePointer<weir_target>?
        let status = reference.withCString { reference in
            address.withBytes { address in
                var spec = weir_target_spec(
                    size: UInt32(MemoryLayout<weir_target_spec>.size),
                    flags: isExclusive ? UInt32(WEIR_TG_EXCLUSIVE) : 0,
                    site: site, worker: raw, conn: connection?.raw, ref: reference, address: address.raw,
                    on_event: listener == nil ? nil : TargetListener.receive,
                    ctx: listener.map { Unmanaged.passUnretained($0).toOpaque() })
                return Status(rawValue: host.pointee.target_open(&spec, &opened))
            }
        }
        guard status == .ok, let opened else {
            throw Problem(status, at: reference, "the target cannot be opened (status \(status.rawValue))")
        }
        if let listener { home.listeners.append(listener) }
        return Target(opened, self)
    }
}

/// WEIR_TE_* of weir.h; numbers that are not listed may come.
public struct TargetEvent: RawRepresentable, Equatable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static var up: TargetEvent { TargetEvent(rawValue: 1) }
    public static var down: TargetEvent { TargetEvent(rawValue: 2) }
    public static var full: TargetEvent { TargetEvent(rawValue: 3) }
    public static var writable: TargetEvent { TargetEvent(rawValue: 4) }
    public static var push: TargetEvent { TargetEvent(rawValue: 5) }
}

/// A closure that hears of a target; the site's `Home` owns it.
final class TargetListener {
    private let worker: Worker
    private let body: (TargetEvent, Target, Message?) -> Void

    init(worker: Worker, _ body: @escaping (TargetEvent, Target, Message?) -> Void) {
        self.worker = worker
        self.body = body
    }

    static let receive: weir_target_fn = { context, target, event, push in
        guard let context else { return }
        let listener = Unmanaged<TargetListener>.fromOpaque(context).takeUnretainedValue()
        let worker = listener.worker
        listener.body(TargetEvent(rawValue: event), Target(target, worker), push.map { Message($0, worker) })
    }
}

/// Where requests can be sent.
public struct Target {
    public let raw: UnsafeMutablePointer<weir_target>
    public let worker: Worker

    @inlinable
    init(_ raw: UnsafeMutablePointer<weir_target>, _ worker: Worker) {
        self.raw = raw
        self.worker = worker
    }

    /// WEIR_TS_* of weir.h; numbers that are not listed may come.
    public struct State: RawRepresentable, Equatable, Sendable {
        public let rawValue: UInt32
        @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
        @inlinable init(_ constant: Int) { rawValue = UInt32(truncatingIfNeeded: constant) }

        @inlinable public static var idle: State { State(WEIR_TS_IDLE) }
        @inlinable public static var connecting: State { State(WEIR_TS_CONNECTING) }
        @inlinable public static var up: State { State(WEIR_TS_UP) }
        @inlinable public static var down: State { State(WEIR_TS_DOWN) }
        @inlinable public static var full: State { State(WEIR_TS_FULL) }
    }

    @inlinable public var state: State { State(rawValue: raw.pointee.state) }
    @inlinable public var inFlightCount: Int { Int(raw.pointee.in_flight) }
    /// A moving average; 0 before the first answer.
    @inlinable public var latencyMicroseconds: Int { Int(raw.pointee.latency_us) }
    @inlinable public var queuedByteCount: Int { Int(clamping: raw.pointee.queued_bytes) }
    /// "10.0.0.7:6379", or the sub-chain's name.
    public var name: Bytes { Bytes(raw.pointee.name) }

    /// What is in flight comes back; then no more of it. Only one that you opened.
    public func close() { worker.host.pointee.target_close(raw) }

    /// Sends a request of your own. `done` is called once, later; without it the answer is thrown away.
    @discardableResult
    public func send(
        _ request: consuming Held, timeoutNanoseconds: UInt64 = 0, dropsIfFull: Bool = false,
        done: ((Answers) -> Void)? = nil
    ) -> Sending {
        var requests = Requests()
        requests.add(request)
        return send(requests, timeoutNanoseconds: timeoutNanoseconds, dropsIfFull: dropsIfFull, done: done)
    }

    /// Sends several, kept together on one connection.
    @discardableResult
    public func send(
        _ requests: consuming Requests, timeoutNanoseconds: UInt64 = 0, dropsIfFull: Bool = false,
        done: ((Answers) -> Void)? = nil
    ) -> Sending {
        var options = weir_send_opts(
            size: UInt32(MemoryLayout<weir_send_opts>.size), flags: dropsIfFull ? UInt32(WEIR_SEND_DROP_IF_FULL) : 0,
            timeout_ns: timeoutNanoseconds)
        let completion = done.map { Unmanaged.passRetained(Completion(home: worker.home, $0)).toOpaque() }
        let pointers = requests.release()
        let number = pointers.withUnsafeBufferPointer { list -> UInt64 in
            // Safe: an empty array has a base address all the same, or n is 0 and the host does not look.
            guard let base = list.baseAddress else { return 0 }
            return worker.host.pointee.send(
                raw, base, UInt32(list.count), &options, completion == nil ? nil : Completion.done, completion)
        }
        return Sending(number: number, worker: worker)
    }
}

/// Requests that go together on one connection, in their order.
public struct Requests: ~Copyable {
    private var pointers: [UnsafeMutablePointer<weir_msg>] = []
    private var host: UnsafePointer<weir_host>?

    public init() {}

    deinit {
        if let host { for pointer in pointers { host.pointee.drop(pointer) } }
    }

    public mutating func add(_ request: consuming Held) {
        host = request.worker.host
        pointers.append(request.release())
    }

    consuming func release() -> [UnsafeMutablePointer<weir_msg>] {
        let list = pointers
        pointers = []
        return list
    }
}

/// Something on its way, which may be cancelled: `done` still comes.
public struct Sending {
    let number: UInt64
    let worker: Worker

    public func cancel() { worker.host.pointee.cancel(worker.raw, number) }
}

/// The answers to what was sent, lent until `done` returns: one per request in their order, or none.
public struct Answers {
    let raw: UnsafePointer<weir_result>
    public let worker: Worker

    public var status: Status { Status(rawValue: raw.pointee.status) }
    public var isOK: Bool { raw.pointee.status == 0 }
    /// Nothing of it left: safe to send again.
    public var isUnsent: Bool { raw.pointee.flags & UInt32(WEIR_M_UNSENT) != 0 }
    /// Why, when it is not ok.
    public var detail: Bytes { Bytes(raw.pointee.detail) }
    public var count: Int { raw.pointee.msgs == nil ? 0 : Int(raw.pointee.count) }

    /// nil outside.
    public subscript(index: Int) -> Answer? {
        guard index >= 0, index < count, let messages = raw.pointee.msgs else { return nil }
        return Answer(raw: messages[index], worker: worker)
    }
}

/// One answer to what was sent, lent until `done` returns.
public struct Answer: MessageView {
    public let raw: UnsafeMutablePointer<weir_msg>
    public let worker: Worker

    /// Keeps it.
    public func take() -> Held {
        worker.host.pointee.take(raw, TakeOrder.ordered.rawValue)
        return Held(raw, worker, owesAnswer: false)
    }
}

/// A closure that waits for answers.
final class Completion {
    private let home: Home
    private let body: (Answers) -> Void

    init(home: Home, _ body: @escaping (Answers) -> Void) {
        self.home = home
        self.body = body
    }

    static let done: weir_done_fn = { context, result in
        guard let context else { return }
        let completion = Unmanaged<Completion>.fromOpaque(context).takeRetainedValue()
        completion.body(Answers(raw: result, worker: completion.home.worker))
    }
}
