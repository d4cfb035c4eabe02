// Where requests can be sent: the rest of a chain, a sub-chain, an upstream. Plugins know a target as
// `weir_target`, at offset 0 of its handle.

public import CWeir
import WeirBase

public typealias TargetRef = UnsafeMutablePointer<TargetHandle>

/// The memory that plugins see of a target, with the way back to it.
public struct TargetHandle {
    public var head: weir_target
    let target: Unmanaged<Target>
    /// Next in the list of targets that were opened for one connection.
    var nextBound: TargetRef?
}

extension UnsafeMutablePointer where Pointee == TargetHandle {
    @inlinable public var handle: UnsafeMutablePointer<weir_target> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: weir_target.self)
    }

    @inlinable public init(_ handle: UnsafeMutablePointer<weir_target>) {
        self = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: TargetHandle.self)
    }

    public var object: Target { pointee.target.takeUnretainedValue() }
}

/// One target on one worker. The handle keeps the object alive until `close`.
open class Target {
    public let handle: TargetRef
    public let worker: WorkerRef
    /// The site that opened it; nil for a target that the host made.
    public internal(set) var openedBy: Site?
    /// The number of opens that share it.
    var openCount = 1
    /// Who is told of events, one for each open that asked.
    private var observers: [(function: weir_target_fn, context: UnsafeMutableRawPointer?)] = []
    /// What comes now is refused; the handle stays, for requests that were on their way.
    public private(set) var isClosed = false

    /// - Parameter name: lives for ever.
    public init(name: weir_str, worker: WorkerRef) {
        self.worker = worker
        handle = .allocate(capacity: 1)
        // Safe: two-phase: the handle needs self, self needs the handle's memory only.
        handle.initialize(
            to: TargetHandle(
                head: weir_target(
                    size: UInt32(MemoryLayout<weir_target>.size), state: UInt32(WEIR_TS_IDLE), in_flight: 0,
                    latency_us: 0, queued_bytes: 0, name: name),
                target: Unmanaged.passRetained(self), nextBound: nil))
    }

    /// Takes over requests of one connection, in order. Calls no hook before it returns.
    open func accept(_ messages: UnsafeMutablePointer<MessageRef>, _ count: Int) {
        for index in 0..<count { accept(messages[index]) }
    }

    /// Takes over one request. Calls no hook before it returns.
    open func accept(_ message: MessageRef) {}

    /// True when a request would have to wait for room (`WEIR_SEND_DROP_IF_FULL`).
    open var isFull: Bool { false }

    /// It has been opened; a good time to connect.
    open func opened() {}

    /// Nobody will send here again.
    open func close() {}

    func addObserver(_ function: weir_target_fn?, _ context: UnsafeMutableRawPointer?) {
        if let function { observers.append((function, context)) }
    }

    /// One open has ended: the oldest observer with it.
    func removeObserver() {
        if !observers.isEmpty { observers.removeFirst() }
    }

    /// Tells the observers of an event, from the loop and not from within this call.
    public func announce(_ event: Int) {
        if !observers.isEmpty, !isClosed { worker.pointee.targetEvents.append((self, UInt32(event))) }
    }

    func tell(_ event: UInt32) {
        if isClosed { return }
        for observer in observers {
            worker.withCrumb(openedBy?.crumb, "target_event") {
                observer.function(observer.context, handle.handle, event, nil)
            }
        }
    }

    /// `close`, whoever asks for it first: the plugin, or the end of the connection that it is bound to.
    func closeOnce() {
        guard !isClosed else { return }
        isClosed = true
        close()
    }

    /// Lets go of the object, which takes its handle with it.
    func free() { handle.pointee.target.release() }

    deinit { handle.deallocate() }
}

/// A sub-chain: requests run through it and their responses come back to where they were sent from.
final class SubchainTarget: Target {
    let connection: ChainConnectionRef

    init(name: weir_str, connection: ChainConnectionRef, worker: WorkerRef) {
        self.connection = connection
        super.init(name: name, worker: worker)
    }

    override func accept(_ message: MessageRef) {
        if isClosed {
            worker.refuse(message, weir_status(WEIR_E_CANCELLED), "the sub-chain is closed", flags: WEIR_M_UNSENT)
        } else {
            worker.enter(message, connection, site: -1, floor: -1)
        }
    }

    override func close() { connection.close() }
}

/// The rest of the chain of one connection, behind one site: for requests that a plugin makes itself.
final class NextTarget: Target {
    let connection: ChainConnectionRef
    let site: Int16

    init(connection: ChainConnectionRef, site: Int16) {
        self.connection = connection
        self.site = site
        super.init(name: weir_str("next" as StaticString), worker: connection.worker)
    }

    override func accept(_ message: MessageRef) { worker.enter(message, connection, site: site, floor: site) }
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Lets a request into a chain behind a site, with the way back to where it is now.
    func enter(_ message: MessageRef, _ connection: ChainConnectionRef, site: Int16, floor: Int16) {
        let frame = pointee.returnFrames.take()
        frame.initialize(
            to: ReturnFrame(
                entered: connection, connection: message.pointee.connection, site: message.pointee.site,
                floor: message.pointee.floor, tags: message.pointee.tags, outer: message.pointee.outer))
        connection.pointee.pendingCount &+= 1
        message.pointee.outer = frame
        message.pointee.tags = nil
        message.pointee.connection = connection
        message.pointee.site = site
        message.pointee.floor = floor
        message.pointee.disposition = .moved
        pointee.moves.append(message)
    }
}

/// A target that several opens share, by site and reference.
struct SharedTarget {
    let site: Unmanaged<Site>
    let reference: String
    let address: String
    let target: Unmanaged<Target>
}
