// All upstreams of one worker: opens targets, and does for all of them what the loop asks for once per turn.

public import CWeir
import WeirBase
public import WeirChain
public import WeirNet
public import WeirRESP

public final class RESPUpstreams: UpstreamLayer {
    let worker: WorkerRef
    let codec: RESPCodec
    var connections = FreeList<Connection>()
    var routes = FreeList<Route>()
    var firstDirty: ConnectionRef?
    var lastDirty: ConnectionRef?
    var firstDue: RouteRef?
    var lastDue: RouteRef?
    var connectionCount = 0
    private var targets: [RESPTarget] = []
    /// The sweep has to see to targets that were closed.
    var hasClosedTargets = false
    private var unattached: [(target: RESPTarget, route: RouteRef)] = []
    /// What `attribute` gave last; it lives until the next.
    private var attributeSlab: SlabRef?
    /// Closed connections: their memory is reused from the next turn on.
    private var retired: [ConnectionRef] = []
    private var seed: SeededRandom

    public init(worker: WorkerRef, codec: RESPCodec, seed: UInt64) {
        self.worker = worker
        self.codec = codec
        self.seed = SeededRandom(seed: seed)
    }

    public override func open(
        _ plan: AnyObject, address: String, connection: ChainConnectionRef?, isExclusive: Bool
    ) -> Target? {
        guard let plan = plan as? UpstreamPlan else { return nil }
        let addresses = address.isEmpty ? plan.addresses : [address]
        guard !addresses.isEmpty else { return nil }
        let own = UpstreamPlan(
            addresses: addresses, connectNanoseconds: plan.connectNanoseconds,
            requestNanoseconds: plan.requestNanoseconds,
            connectionCount: Swift.max(1, plan.connectionCount), user: plan.user, password: plan.password,
            maximumPinnedCount: plan.maximumPinnedCount)
        let target = RESPTarget(own, codec: codec, layer: self, worker: worker, seed: seed.next())
        targets.append(target)
        return target
    }

    public override func ready(_ source: UnsafeMutableRawPointer, _ readiness: Readiness) {
        source.assumingMemoryBound(to: Connection.self).ready(readiness)
    }

    public override func flush() {
        // What is due may queue requests, and a write that fails may make routes due.
        while firstDue != nil || firstDirty != nil {
            while let route = firstDue {
                firstDue = route.pointee.nextDue
                if firstDue == nil { lastDue = nil }
                route.proceed()
            }
            while let connection = firstDirty {
                firstDirty = connection.pointee.nextDirty
                if firstDirty == nil { lastDirty = nil }
                connection.pointee.isDirty = false
                if connection.pointee.state != .dead { connection.flush() }
            }
        }
        for connection in retired { connections.give(connection) }
        retired.removeAll(keepingCapacity: true)
    }

    public override var hasWork: Bool { firstDue != nil || firstDirty != nil }

    public override func sweep(_ now: UInt64) {
        if hasClosedTargets { forgetRoutes() }
        for target in targets { target.sweep(now) }
        guard hasClosedTargets else { return }
        targets.removeAll { $0.isOver }
        hasClosedTargets = targets.contains { $0.isClosed }
    }

    /// Frees the routes of closed targets that belong to no connection.
    private func forgetRoutes() {
        unattached.removeAll { entry in
            guard entry.target.isClosed, entry.route.pointee.inFlight == 0, !entry.route.pointee.isDue else {
                return false
            }
            entry.target.free(entry.route)
            return true
        }
    }

    /// Targets that are open, or still have something in flight.
    var targetCount: Int { targets.count }

    public override var needsSweep: Bool { connectionCount > 0 || hasClosedTargets }

    public override func connectionGone(_ connection: ChainConnectionRef) {
        var route = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        connection.pointee.routes = nil
        while let current = route {
            route = current.pointee.next
            current.pointee.isGone = true
            if let pinned = current.pointee.pinned {
                current.pointee.pinned = nil
                pinned.pointee.route = nil
                current.target.discard(pinned)
            }
            while let message = current.pointee.waiting.popFirst() {
                worker.refuse(message, weir_status(WEIR_E_CANCELLED), "the connection is closed", flags: WEIR_M_UNSENT)
            }
            current.due()
        }
    }

    public override func clientWritable(_ connection: ChainConnectionRef) {
        var route = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        while let current = route {
            if !current.pointee.waiting.isEmpty { current.due() }
            current.pointee.pinned?.pauseReading(false)
            route = current.pointee.next
        }
    }

    public override func isPinned(_ connection: ChainConnectionRef) -> Bool {
        var route = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        while let current = route {
            if current.pointee.pinned != nil { return true }
            route = current.pointee.next
        }
        return false
    }

    public override func mayBlock(_ connection: ChainConnectionRef) -> Bool {
        var route = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        while let current = route {
            var request = current.pointee.pinned?.pointee.first
            while let message = request {
                if Route.mayBlock(message) { return true }
                request = message.pointee.next
            }
            route = current.pointee.next
        }
        return false
    }

    public override func attribute(_ connection: ChainConnectionRef, _ name: String) -> weir_str {
        guard let raw = connection.pointee.routes else { return weir_str() }
        let route = raw.assumingMemoryBound(to: Route.self)
        let bytes: [UInt8]
        switch name {
        case "db": bytes = Array("\(route.pointee.session.key.database)".utf8)
        case "user": bytes = route.target.userName(route.pointee.session.key.identity)
        case "client.name": bytes = route.pointee.session.name
        default: return weir_str()
        }
        // An array's storage moves; what plugins are given must not.
        attributeSlab?.release()
        let slab = bytes.withUnsafeBytes { worker.pointee.slabs.copy($0) }
        attributeSlab = slab
        return weir_str(ptr: UnsafePointer(slab.start), len: bytes.count)
    }

    public override func session(_ connection: ChainConnectionRef) -> UnsafeRawPointer? {
        guard let routes = connection.pointee.routes else { return nil }
        let offset = (MemoryLayout<Route>.offset(of: \.session) ?? 0) + (MemoryLayout<Session>.offset(of: \.shown) ?? 0)
        return UnsafeRawPointer(routes) + offset
    }

    public override func stop() {
        for target in targets { target.stop() }
    }

    /// The route for requests of plugins that belong to no connection.
    func unattachedRoute(_ target: RESPTarget) -> RouteRef {
        if let known = unattached.first(where: { $0.target === target }) { return known.route }
        let route = target.makeRoute(nil)
        unattached.append((target, route))
        return route
    }

    /// Takes a closed connection; it may still be on the list of dirty ones, which is empty when `flush` ends.
    func retire(_ connection: ConnectionRef) { retired.append(connection) }
}
