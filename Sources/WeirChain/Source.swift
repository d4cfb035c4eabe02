// A source on one worker: its listener and its clients.

import CWeir
public import WeirBase
import Glibc
public import WeirNet
import WeirWire

public typealias SourceStateRef = UnsafeMutablePointer<SourceState>

/// Counts the clients of one source over all workers.
public final class ConnectionCount: @unchecked Sendable {
    public let maximum: Int
    let cell: UnsafeMutablePointer<Int>
    private let lock: UnsafeMutablePointer<pthread_mutex_t>

    public init(maximum: Int) {
        self.maximum = maximum
        cell = .allocate(capacity: 1)
        cell.initialize(to: 0)
        lock = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
    }

    /// Takes one place; false when none is left.
    func take() -> Bool {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        guard cell.pointee < maximum else { return false }
        cell.pointee += 1
        return true
    }

    func giveBack() {
        pthread_mutex_lock(lock)
        cell.pointee -= 1
        pthread_mutex_unlock(lock)
    }
}

/// What a worker needs to know to serve a source.
public struct SourcePlan {
    public var name: String
    public var address: SocketAddress
    public var chain: ChainPlan
    public var connections: ConnectionCount
    /// Refuse above the limit with the protocol's error instead of letting clients wait to be accepted.
    public var refusesAboveLimit: Bool
    /// 0: never.
    public var idleNanoseconds: UInt64
    public var limits: FlowLimits

    public init(
        name: String, address: SocketAddress, chain: ChainPlan, connections: ConnectionCount, refusesAboveLimit: Bool,
        idleNanoseconds: UInt64, limits: FlowLimits = FlowLimits()
    ) {
        self.name = name
        self.address = address
        self.chain = chain
        self.connections = connections
        self.refusesAboveLimit = refusesAboveLimit
        self.idleNanoseconds = idleNanoseconds
        self.limits = limits
    }
}

/// Why a client connection ended; also the `reason` label of its counter.
public enum ClosingReason: String, CaseIterable {
    case endOfInput = "client"
    case finished = "finished"
    case reset = "reset"
    case protocolError = "protocol_error"
    case idle = "idle"
    case plugin = "plugin"
    case upstream = "upstream"
    case draining = "draining"
}

public struct SourceState {
    let plan: Unmanaged<PlanBox>
    let chain: ChainRef
    let worker: WorkerRef
    let limits: FlowLimits
    var listener: UnsafeMutablePointer<Listener>
    var firstClient: ClientRef?
    /// New clients get the smaller limits until they authenticate.
    public var restrictsNewClients = false
    // Cells of this worker.
    let accepted: UnsafeMutablePointer<UInt64>
    let refused: UnsafeMutablePointer<UInt64>
    let acceptFailures: UnsafeMutablePointer<UInt64>
    let open: UnsafeMutablePointer<Int64>
    let requests: UnsafeMutablePointer<UInt64>
    let errors: UnsafeMutablePointer<UInt64>
    let protocolErrors: UnsafeMutablePointer<UInt64>
    let received: UnsafeMutablePointer<UInt64>
    let sent: UnsafeMutablePointer<UInt64>
    let requestTime: UnsafeMutablePointer<HistogramCells>
    let closed: UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>
}

final class PlanBox {
    let plan: SourcePlan
    init(_ plan: SourcePlan) { self.plan = plan }
}

/// A listening socket of one worker.
struct Listener {
    var event = EventSource(kind: .listener)
    let descriptor: Int32
    let source: SourceStateRef
    var isPaused = false
}

extension MetricRegistry {
    /// A counter that is always there: one that cannot be registered counts for nobody.
    public func cell(_ name: String, help: String, labels: [(String, String)], worker: Int) -> UnsafeMutablePointer<
        UInt64
    > {
        if let cell = counter(name, help: help, labels: labels, worker: worker) { return cell }
        let unseen = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        unseen.initialize(to: 0)
        return unseen
    }

    public func gaugeCell(_ name: String, help: String, labels: [(String, String)], worker: Int)
        -> UnsafeMutablePointer<Int64>
    {
        if let cell = gauge(name, help: help, labels: labels, worker: worker) { return cell }
        let unseen = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
        unseen.initialize(to: 0)
        return unseen
    }

    public func timeCells(
        _ name: String, help: String, labels: [(String, String)], worker: Int
    ) -> UnsafeMutablePointer<HistogramCells> {
        if let cells = histogram(name, help: help, labels: labels, worker: worker) { return cells }
        let unseen = UnsafeMutablePointer<HistogramCells>.allocate(capacity: 1)
        unseen.initialize(to: HistogramCells())
        return unseen
    }
}

/// Why a worker could not open a source.
public struct SourceError: Error {
    public var source: String
    public var text: String

    public init(source: String, text: String) {
        self.source = source
        self.text = text
    }
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Starts the chain of a source and listens.
    public func open(_ plan: SourcePlan) -> SourceError? {
        guard let codec = codec(plan.chain.protocolNumber) else {
            return SourceError(source: plan.name, text: "no codec for its protocol")
        }
        let chain: ChainRef
        switch startChain(plan.chain, codec: codec) {
        case .failure(let error):
            return SourceError(source: plan.name, text: "site \(error.site) did not start (status \(error.status))")
        case .success(let started): chain = started
        }
        let descriptor = pointee.net.slow.listen(plan.address, backlog: 4096)
        guard descriptor >= 0 else {
            return SourceError(
                source: plan.name,
                text: "cannot listen on \(plan.address): \(String(cString: strerror(-descriptor)))")
        }
        let source = makeSourceState(plan, chain)
        let listener = UnsafeMutablePointer<Listener>.allocate(capacity: 1)
        listener.initialize(to: Listener(descriptor: descriptor, source: source))
        source.pointee.listener = listener
        _ = pointee.net.watch(descriptor, UInt64(UInt(bitPattern: listener)), .readable)
        pointee.sources.append(source)
        return nil
    }

    private func makeSourceState(_ plan: SourcePlan, _ chain: ChainRef) -> SourceStateRef {
        let metrics = pointee.metrics
        let index = Int(pointee.head.index)
        let labels = [("source", plan.name)]
        func counter(_ name: String, _ help: String, _ more: [(String, String)] = []) -> UnsafeMutablePointer<UInt64> {
            metrics.cell(name, help: help, labels: labels + more, worker: index)
        }
        let closed = UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>.allocate(
            capacity: ClosingReason.allCases.count)
        for (at, reason) in ClosingReason.allCases.enumerated() {
            (closed + at).initialize(
                to: counter(
                    "weir_connections_closed_total", "Client connections that ended, by reason.",
                    [("reason", reason.rawValue)]))
        }
        let source = SourceStateRef.allocate(capacity: 1)
        source.initialize(
            to: SourceState(
                plan: Unmanaged.passRetained(PlanBox(plan)), chain: chain, worker: self, limits: plan.limits,
                listener: UnsafeMutablePointer<Listener>(bitPattern: 8).unsafelyUnwrapped,  // Safe: set by open().
                accepted: counter("weir_connections_accepted_total", "Client connections accepted."),
                refused: counter("weir_connections_refused_total", "Client connections refused by a limit."),
                acceptFailures: counter("weir_accept_failures_total", "Failed attempts to accept a client."),
                open: metrics.gaugeCell(
                    "weir_connections_open", help: "Client connections that are open.", labels: labels, worker: index),
                requests: counter("weir_requests_total", "Requests read from clients."),
                errors: counter("weir_error_responses_total", "Error responses written to clients."),
                protocolErrors: counter("weir_protocol_errors_total", "Connections whose client broke the protocol."),
                received: counter("weir_client_received_bytes_total", "Bytes read from clients."),
                sent: counter("weir_client_sent_bytes_total", "Bytes written to clients."),
                requestTime: metrics.timeCells(
                    "weir_request_seconds", help: "Time from reading a request to queueing its answer for the client.",
                    labels: labels, worker: index),
                closed: closed))
        return source
    }

    /// Ends a client connection at once; what it is still owed is thrown away when it comes.
    func closeClient(_ client: ClientRef, _ reason: ClosingReason) {
        guard !client.pointee.event.isClosed else { return }
        client.pointee.event.isClosed = true
        let source = client.pointee.source
        source.pointee.open.pointee &-= 1
        source.pointee.closed[ClosingReason.allCases.firstIndex(of: reason) ?? 0].pointee &+= 1
        source.forget(client)
        pointee.clientCount -= 1
        if reason == .reset {
            pointee.net.slow.closeWithReset(client.pointee.descriptor)
        } else {
            pointee.net.close(client.pointee.descriptor)
        }
        client.pointee.input.clear()
        while let message = client.pointee.output.popFirst() { message.end() }
        client.pointee.outputByteCount = 0
        var owed = client.pointee.ledgerFirst
        client.pointee.ledgerFirst = nil
        client.pointee.ledgerLast = nil
        client.pointee.owedCount = 0
        while let request = owed {
            owed = request.pointee.ledgerNext
            request.set(WEIR_M_DEAD)
            request.pointee.isOwed = false
            request.release()
        }
        client.pointee.connection.close()
        source.plan.takeUnretainedValue().plan.connections.giveBack()
        if source.pointee.listener.pointee.isPaused { source.pointee.listener.resume() }
    }

    /// Returns the memory of a client whose connection has ended.
    func freeClient(_ client: ClientRef) {
        let codec = client.pointee.connection.pointee.chain.pointee.codec.takeUnretainedValue()
        codec.closeRequests(&client.pointee.decoder)
        client.pointee.names.deallocate()
        // An event of this turn may still name it, and the list of dirty clients too.
        client.pointee.next = pointee.endedClients
        pointee.endedClients = client
    }

    /// Accepts a connection.
    func openClient(_ descriptor: Int32, _ peer: SocketAddress, _ source: SourceStateRef) {
        pointee.nextConnectionID &+= 1
        let id = (pointee.nextConnectionID << 8) | UInt64(pointee.head.index & 0xff)
        let local = pointee.net.slow.localAddress(descriptor)
        let names = UnsafeMutablePointer<UInt8>.allocate(capacity: 128)
        let peerName = Self.place("\(peer)", names)
        let localName = Self.place("\(local)", names + 64)
        let client = pointee.clients.take()
        // Closed until it is open: a site may look at it in conn_open.
        client.initialize(
            to: Client(
                event: EventSource(kind: .client), descriptor: descriptor, source: source,
                connection: ChainConnectionRef(bitPattern: 64).unsafelyUnwrapped,  // Safe: set below, not read before.
                decoder: CodecState(), lastActivity: pointee.head.now_ns, names: names))
        client.pointee.event.isClosed = true
        pointee.net.slow.setNoDelay(descriptor)
        pointee.net.slow.setKeepAlive(descriptor)
        guard
            let connection = openConnection(
                source.pointee.chain, client: client, peer: peerName, local: localName, id: id)
        else {
            pointee.clients.give(client)
            names.deallocate()
            pointee.net.close(descriptor)
            source.plan.takeUnretainedValue().plan.connections.giveBack()
            source.pointee.acceptFailures.pointee &+= 1
            return
        }
        client.pointee.connection = connection
        client.pointee.event.isClosed = false
        let codec = source.pointee.chain.pointee.codec.takeUnretainedValue()
        codec.openRequests(&client.pointee.decoder)
        if source.pointee.restrictsNewClients { codec.restrict(&client.pointee.decoder, true) }
        source.remember(client)
        pointee.clientCount += 1
        source.pointee.open.pointee &+= 1
        source.pointee.accepted.pointee &+= 1
        if pointee.net.watch(descriptor, UInt64(UInt(bitPattern: client)), .readable) < 0 {
            closeClient(client, .reset)
        }
    }

    private static func place(_ text: String, _ at: UnsafeMutablePointer<UInt8>) -> weir_str {
        var count = 0
        for byte in text.utf8.prefix(63) {
            at[count] = byte
            count += 1
        }
        return weir_str(ptr: UnsafePointer(at), len: count)
    }
}

extension UnsafeMutablePointer where Pointee == Client {
    /// Tells the decoder whether the limits for clients that have not authenticated apply.
    public func restrict(_ isRestricted: Bool) {
        guard !pointee.event.isClosed else { return }
        let codec = pointee.connection.pointee.chain.pointee.codec.takeUnretainedValue()
        codec.restrict(&pointee.decoder, isRestricted)
    }

}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// The server behind a site wants authentication: clients of the site's source start with the smaller limits.
    /// - Parameter isExempt: whether a client that is connected already has authenticated.
    public func restrictClients(of site: Site, unless isExempt: (ChainConnectionRef) -> Bool) {
        for source in pointee.sources
        where source.pointee.chain.pointee.plan.takeUnretainedValue().sites.contains(where: { $0 === site }) {
            source.pointee.restrictsNewClients = true
            var client = source.pointee.firstClient
            while let current = client {
                client = current.pointee.next
                if !isExempt(current.pointee.connection) { current.restrict(true) }
            }
        }
    }
}

extension UnsafeMutablePointer where Pointee == SourceState {
    var plan: Unmanaged<PlanBox> { pointee.plan }

    func remember(_ client: ClientRef) {
        client.pointee.next = pointee.firstClient
        pointee.firstClient?.pointee.previous = client
        pointee.firstClient = client
    }

    func forget(_ client: ClientRef) {
        if let previous = client.pointee.previous {
            previous.pointee.next = client.pointee.next
        } else {
            pointee.firstClient = client.pointee.next
        }
        client.pointee.next?.pointee.previous = client.pointee.previous
        client.pointee.previous = nil
        client.pointee.next = nil
    }

    /// Closes idle clients, answers for plugins that keep a request too long, and resumes accepting.
    func sweep(_ now: UInt64) {
        let worker = pointee.worker
        if pointee.listener.pointee.isPaused { pointee.listener.resume() }
        let idle = plan.takeUnretainedValue().plan.idleNanoseconds
        let hold = worker.pointee.holdLimitNanoseconds
        var client = pointee.firstClient
        while let current = client {
            client = current.pointee.next
            if let request = current.pointee.ledgerFirst {
                if request.pointee.disposition == .taken, !request.pointee.isAnswered,
                    now &- request.pointee.head.received_ns > hold
                {
                    worker.answerForPlugin(request)
                }
            } else if idle > 0, current.pointee.output.isEmpty, now &- current.pointee.lastActivity > idle,
                !worker.pointee.upstreams._withUnsafeGuaranteedRef({ $0.isPinned(current.pointee.connection) })
            {
                worker.closeClient(current, .idle)
            }
        }
    }
}

extension UnsafeMutablePointer where Pointee == Listener {
    /// Accepts what waits, up to a share of the turn.
    func acceptAll() {
        let worker = pointee.source.pointee.worker
        let plan = pointee.source.plan.takeUnretainedValue().plan
        for _ in 0..<64 {
            if !plan.refusesAboveLimit, !plan.connections.take() {
                pause()
                return
            }
            var peer = SocketAddress()
            let descriptor = worker.pointee.net.slow.accept(pointee.descriptor, &peer)
            if descriptor < 0 {
                if !plan.refusesAboveLimit { plan.connections.giveBack() }
                if descriptor != -EAGAIN {
                    pointee.source.pointee.acceptFailures.pointee &+= 1
                    // Out of descriptors or memory: the sweep tries again.
                    if descriptor == -EMFILE || descriptor == -ENFILE || descriptor == -ENOMEM || descriptor == -ENOBUFS
                    {
                        pause()
                    }
                }
                return
            }
            if plan.refusesAboveLimit, !plan.connections.take() {
                refuse(descriptor)
            } else {
                worker.openClient(descriptor, peer, pointee.source)
            }
        }
    }

    /// Tells a client that there are too many, in its protocol, and closes.
    private func refuse(_ descriptor: Int32) {
        let source = pointee.source
        let worker = source.pointee.worker
        source.pointee.refused.pointee &+= 1
        let text: StaticString = "max number of clients reached"
        let codec = source.pointee.chain.pointee.codec.takeUnretainedValue()
        var bytes = codec.errorResponse(weir_status(WEIR_E_UNAVAILABLE), weir_str(text))
        bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            _ = worker.pointee.net.write(descriptor, &vector, 1)
        }
        worker.pointee.net.close(descriptor)
    }

    func pause() {
        guard !pointee.isPaused else { return }
        pointee.isPaused = true
        pointee.source.pointee.worker.pointee.pausedListenerCount += 1
        _ = pointee.source.pointee.worker.pointee.net.rewatch(
            pointee.descriptor, UInt64(UInt(bitPattern: self)), [])
    }

    func resume() {
        guard pointee.isPaused, !pointee.event.isClosed else { return }
        pointee.isPaused = false
        pointee.source.pointee.worker.pointee.pausedListenerCount -= 1
        _ = pointee.source.pointee.worker.pointee.net.rewatch(
            pointee.descriptor, UInt64(UInt(bitPattern: self)), .readable)
    }
}
