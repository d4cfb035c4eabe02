// A message that the plugin owns. It cannot be copied, each way to dispose of it uses it up, and one that is
// lost on the way (an early return, an error thrown, a task that ends) answers its client with an error: no
// request is ever forgotten. `Parked` carries one through closures, which cannot use up what they capture.

public import CWeir

/// A message you own: dispose of it once.
public struct Held: ~Copyable, MessageView {
    public let raw: UnsafeMutablePointer<weir_msg>
    public let worker: Worker
    /// It came from a client's exchange, so losing it must answer.
    private let owesAnswer: Bool

    init(_ raw: UnsafeMutablePointer<weir_msg>, _ worker: Worker, owesAnswer: Bool) {
        self.raw = raw
        self.worker = worker
        self.owesAnswer = owesAnswer
    }

    deinit {
        let host = worker.host
        if owesAnswer {
            host.pointee.fail(raw, Status.internal.rawValue, Bytes("a transform lost this message").raw)
        } else {
            host.pointee.drop(raw)
        }
    }

    /// The pointer, for calls of the C table; the message is yours to dispose of by them.
    public consuming func release() -> UnsafeMutablePointer<weir_msg> {
        let pointer = raw
        discard self
        return pointer
    }

    /// On in its direction.
    public consuming func pass() {
        let host = worker.host
        host.pointee.pass(release())
    }

    /// There instead of next; the response comes back through this transform.
    public consuming func pass(to target: Target) {
        let host = worker.host
        host.pointee.pass_to(release(), target.raw)
    }

    /// Answers this request, or puts `response` in the place of this one.
    public consuming func reply(_ response: consuming Held) {
        let host = worker.host
        host.pointee.reply(release(), response.release())
    }

    /// Answers with an error that is right in its protocol.
    public consuming func fail(_ status: Status, _ text: String) {
        let host = worker.host
        let pointer = release()
        text.withBytes { host.pointee.fail(pointer, status.rawValue, $0.raw) }
    }

    /// Away with it. A client's request is answered with an error unless it is one-way.
    public consuming func drop() {
        let host = worker.host
        host.pointee.drop(release())
    }

    /// Forgets this response and sends its request again; with `.keepsRequests`.
    public consuming func retry(at target: Target) {
        let host = worker.host
        host.pointee.retry(release(), target.raw)
    }
}

/// A held message for closures and collections: whoever takes it first has it. One that nobody took answers
/// when the last reference goes.
public final class Parked {
    private var pointer: UnsafeMutablePointer<weir_msg>?
    private let worker: Worker
    private let owesAnswer: Bool

    public init(_ message: consuming Held) {
        worker = message.worker
        owesAnswer = message.mustAnswer
        pointer = message.release()
    }

    deinit { _ = take() }

    public func take() -> Held? {
        guard let pointer else { return nil }
        self.pointer = nil
        return Held(pointer, worker, owesAnswer: owesAnswer)
    }
}

extension Held {
    fileprivate var mustAnswer: Bool { owesAnswer }
}
