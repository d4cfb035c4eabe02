// A message as hooks see it: two pointers, no reference counting. What may be read and edited is the same for
// messages that are lent and those that are held (`MessageView`); what disposes of one differs (`Message` is
// lent and moves on by itself, `Held` must be used up).

public import CWeir

/// WEIR_M_* of weir.h.
public struct MessageFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable init(_ constant: Int) { rawValue = UInt32(truncatingIfNeeded: constant) }

    /// One-way request: reply and fail on it do nothing.
    @inlinable public static var noReply: MessageFlags { MessageFlags(WEIR_M_NO_REPLY) }
    /// More responses to the same request follow.
    @inlinable public static var more: MessageFlags { MessageFlags(WEIR_M_MORE) }
    /// An error in terms of its protocol.
    @inlinable public static var error: MessageFlags { MessageFlags(WEIR_M_ERROR) }
    /// Made inside the proxy.
    @inlinable public static var local: MessageFlags { MessageFlags(WEIR_M_LOCAL) }
    @inlinable public static var edited: MessageFlags { MessageFlags(WEIR_M_EDITED) }
    /// Client gone or deadline passed: disposals do nothing.
    @inlinable public static var dead: MessageFlags { MessageFlags(WEIR_M_DEAD) }
    /// Inside a transaction.
    @inlinable public static var transaction: MessageFlags { MessageFlags(WEIR_M_TXN) }
    /// Must use this client's own upstream connection.
    @inlinable public static var pinned: MessageFlags { MessageFlags(WEIR_M_PINNED) }
    /// With a status: the request never left, `retry` is safe.
    @inlinable public static var unsent: MessageFlags { MessageFlags(WEIR_M_UNSENT) }
}

/// WEIR_REQUEST, WEIR_RESPONSE, WEIR_PUSH of weir.h.
public struct MessageKind: RawRepresentable, Equatable, Sendable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    @inlinable init(_ constant: Int) { rawValue = UInt16(truncatingIfNeeded: constant) }

    @inlinable public static var request: MessageKind { MessageKind(WEIR_REQUEST) }
    @inlinable public static var response: MessageKind { MessageKind(WEIR_RESPONSE) }
    @inlinable public static var push: MessageKind { MessageKind(WEIR_PUSH) }
}

/// What can be read of a message, and edited in it.
public protocol MessageView: ~Copyable {
    var raw: UnsafeMutablePointer<weir_msg> { get }
    var worker: Worker { get }
}

extension MessageView where Self: ~Copyable {
    @inlinable var host: UnsafePointer<weir_host> { worker.host }

    /// Unique on its worker; a response has its request's.
    @inlinable public var id: UInt64 { raw.pointee.id }
    @inlinable public var kind: MessageKind { MessageKind(rawValue: raw.pointee.kind) }
    @inlinable public var protocolNumber: UInt16 { raw.pointee.protocol }
    /// The number of the command; on a response, of its request's; 0: unknown.
    @inlinable public var verb: UInt32 { raw.pointee.verb }
    @inlinable public var flags: MessageFlags { MessageFlags(rawValue: raw.pointee.flags) }
    @inlinable public var isError: Bool { flags.contains(.error) }
    /// Not ok: the host made this response, and this is why.
    @inlinable public var status: Status { Status(rawValue: raw.pointee.status) }
    /// Length on the wire as it came.
    @inlinable public var byteCount: Int { Int(raw.pointee.wire_len) }
    @inlinable public var receivedNanoseconds: UInt64 { raw.pointee.received_ns }
    /// 0: none.
    @inlinable public var deadlineNanoseconds: UInt64 { raw.pointee.deadline_ns }

    /// Its fields; nil when it is malformed.
    @inlinable
    public var items: Items? {
        guard let tape = host.pointee.parse(raw) else { return nil }
        return Items(tape)
    }

    /// The wire bytes, edits included.
    @inlinable public var wire: Bytes { Bytes(host.pointee.encode(raw)) }

    /// Replaces the content of a leaf; framing is the host's business.
    @discardableResult
    public func set(_ item: Int, to value: Bytes) -> Status {
        guard let item = UInt32(exactly: item) else { return .invalid }
        return Status(rawValue: host.pointee.set(raw, item, value.raw, nil))
    }

    @discardableResult
    public func set(_ item: Int, to value: [UInt8]) -> Status { value.withBytes { set(item, to: $0) } }

    @discardableResult
    public func set(_ item: Int, to value: StaticString) -> Status { set(item, to: Bytes(value)) }

    /// Another message of the same content, yours; shares the bytes.
    public func copy() -> Held { Held(host.pointee.clone(raw), worker, owesAnswer: false) }
}

/// A message that is lent until the hook returns. What you do not dispose of moves on by itself.
public struct Message: MessageView {
    public let raw: UnsafeMutablePointer<weir_msg>
    public let worker: Worker

    @inlinable
    init(_ raw: UnsafeMutablePointer<weir_msg>, _ worker: Worker) {
        self.raw = raw
        self.worker = worker
    }

    /// On a response, with `.keepsRequests`: the request that it answers.
    @inlinable
    public var request: Message? {
        guard let request = raw.pointee.request else { return nil }
        return Message(request, worker)
    }

    /// The client connection, if there is one.
    @inlinable
    public var connection: Connection? {
        guard let connection = raw.pointee.conn else { return nil }
        return Connection(connection, worker)
    }

    /// Keeps it beyond the hook. Ordered: what follows it on its connection waits for it at this transform's exit.
    public func take(_ order: TakeOrder = .ordered) -> Held {
        host.pointee.take(raw, order.rawValue)
        return Held(raw, worker, owesAnswer: kind != .push)
    }

    /// There instead of next; the response comes back through this transform.
    @inlinable public func pass(to target: Target) { host.pointee.pass_to(raw, target.raw) }

    /// Answers a request, or puts this response in the place of that one.
    public func reply(_ response: consuming Held) { host.pointee.reply(raw, response.release()) }

    /// Answers a request (or replaces a response) with an error that is right in its protocol.
    public func fail(_ status: Status, _ text: String) {
        text.withBytes { host.pointee.fail(raw, status.rawValue, $0.raw) }
    }

    /// Only a one-way request; another one is answered with an error.
    public func drop() { host.pointee.drop(raw) }

    /// Forgets this response and sends its request again; with `.keepsRequests`.
    public func retry(at target: Target) { host.pointee.retry(raw, target.raw) }
}

/// What may happen meanwhile to the messages behind one that is taken.
public enum TakeOrder: UInt32, Sendable {
    case ordered = 0
    case loose = 1
}
