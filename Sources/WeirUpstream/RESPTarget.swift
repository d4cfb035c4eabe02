// A Redis server as a target of one worker: its lanes, the connections of all of them, and what is known of it.

import CWeir
import WeirBase
import WeirChain
import WeirNet
import WeirRESP
import WeirWire

final class RESPTarget: Target {
    let plan: UpstreamPlan
    let name: String
    let codec: RESPCodec
    unowned let layer: RESPUpstreams
    /// Addresses that the names stand for, tried in turn.
    private var addresses: [SocketAddress] = []
    private var addressIndex = 0
    private var isResolving = false
    private var lanes: [LaneRef] = []
    private var identities: [Identity] = []
    private var firstConnection: ConnectionRef?
    private var ownCount = 0
    private var seed: SeededRandom
    /// Moving average of the time to an answer.
    var usualNanoseconds: UInt64 = 0
    /// The server has asked for a password.
    var wantsAuthentication = false
    /// Why the last attempt to connect failed.
    private(set) var lastFailure = "no connection yet"
    private var isUp = false
    private var wasFull = false

    // Cells of this worker.
    let upstreamTime: UnsafeMutablePointer<HistogramCells>
    let waitingTime: UnsafeMutablePointer<HistogramCells>
    let connects: UnsafeMutablePointer<UInt64>
    let connectFailures: UnsafeMutablePointer<UInt64>
    let losses: UnsafeMutablePointer<UInt64>
    let detaches: UnsafeMutablePointer<UInt64>
    let received: UnsafeMutablePointer<UInt64>
    private let sharedGauge: UnsafeMutablePointer<Int64>
    private let ownGauge: UnsafeMutablePointer<Int64>

    /// Kinds of sessions that may have shared connections.
    static let maximumLanes = 1024
    static let maximumIdentities = 4096
    /// Queued bytes above which `isFull`.
    static let fullByteCount = 16 << 20

    init(_ plan: UpstreamPlan, codec: RESPCodec, layer: RESPUpstreams, worker: WorkerRef, seed: UInt64) {
        self.plan = plan
        self.codec = codec
        self.layer = layer
        name = plan.addresses.first ?? "?"
        self.seed = SeededRandom(seed: seed)
        let metrics = worker.pointee.metrics
        let index = Int(worker.pointee.head.index)
        let labels = [("upstream", name)]
        upstreamTime = metrics.timeCells(
            "weir_upstream_seconds", help: "Time from writing a request to the upstream to reading its answer.",
            labels: labels, worker: index)
        waitingTime = metrics.timeCells(
            "weir_waiting_seconds", help: "Time from reading a request to having written it to the upstream.",
            labels: labels, worker: index)
        func counter(_ name: String, _ help: String) -> UnsafeMutablePointer<UInt64> {
            metrics.cell(name, help: help, labels: labels, worker: index)
        }
        connects = counter("weir_upstream_connects_total", "Connections made to the upstream.")
        connectFailures = counter("weir_upstream_connect_failures_total", "Failed attempts to connect to the upstream.")
        losses = counter("weir_upstream_losses_total", "Upstream connections lost while in use.")
        detaches = counter(
            "weir_upstream_detached_total", "Shared connections left to those who waited for a slow answer on them.")
        received = counter("weir_upstream_received_bytes_total", "Bytes read from the upstream.")
        func gauge(_ kind: String) -> UnsafeMutablePointer<Int64> {
            metrics.gaugeCell(
                "weir_upstream_connections", help: "Open upstream connections, shared by clients or of one client.",
                labels: labels + [("kind", kind)], worker: index)
        }
        sharedGauge = gauge("shared")
        ownGauge = gauge("own")
        super.init(name: immortalText(name), worker: worker)
    }

    override func accept(_ messages: UnsafeMutablePointer<MessageRef>, _ count: Int) {
        guard count > 0 else { return }
        if isOver(messages[0]) { return refuseAll(messages, count) }
        let route = self.route(of: messages[0].pointee.connection)
        route.pointee.site = messages[0].pointee.site
        for index in 0..<count { route.submit(messages[index]) }
    }

    override func accept(_ message: MessageRef) {
        if isOver(message) { return refuse(message) }
        let route = self.route(of: message.pointee.connection)
        route.pointee.site = message.pointee.site
        route.submit(message)
    }

    deinit {
        for lane in lanes {
            lane.pointee.shared.deallocate()
            lane.deallocate()
        }
    }

    /// Closed, and nothing of it is left.
    var isOver: Bool {
        isClosed && firstConnection == nil && !isResolving && lanes.allSatisfy { $0.pointee.routeCount == 0 }
    }

    /// Closes what a closed target still has, as soon as nothing is in flight on it.
    private func wind() {
        var connection = firstConnection
        while let current = connection {
            connection = current.pointee.next
            if current.pointee.first == nil, current.pointee.route == nil, current.pointee.sharerCount == 0 {
                discard(current)
            }
        }
    }

    /// The target or the client of a request is closed: nothing is sent any more.
    @inline(__always)
    private func isOver(_ message: MessageRef) -> Bool {
        isClosed || message.pointee.connection.map { $0.pointee.head.flags & UInt32(WEIR_C_CLOSING) != 0 } == true
    }

    private func refuse(_ message: MessageRef) {
        worker.refuse(message, weir_status(WEIR_E_CANCELLED), "the connection is closed", flags: WEIR_M_UNSENT)
    }

    private func refuseAll(_ messages: UnsafeMutablePointer<MessageRef>, _ count: Int) {
        for index in 0..<count { refuse(messages[index]) }
    }

    override var isFull: Bool {
        var total = 0
        var connection = firstConnection
        while let current = connection {
            total += current.pointee.queuedByteCount
            connection = current.pointee.next
        }
        return total > RESPTarget.fullByteCount
    }

    // MARK: routes

    /// The route of a connection to this target, made with its first request.
    @inline(__always)
    func route(of connection: ChainConnectionRef?) -> RouteRef {
        guard let connection else { return layer.unattachedRoute(self) }
        if let raw = connection.pointee.routes {
            let route = raw.assumingMemoryBound(to: Route.self)
            if route.pointee.target.toOpaque() == Unmanaged.passUnretained(self).toOpaque() { return route }
        }
        return findRoute(connection)
    }

    private func findRoute(_ connection: ChainConnectionRef) -> RouteRef {
        var route = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        while let current = route {
            if current.pointee.target.toOpaque() == Unmanaged.passUnretained(self).toOpaque() { return current }
            route = current.pointee.next
        }
        let fresh = makeRoute(connection)
        fresh.pointee.next = connection.pointee.routes?.assumingMemoryBound(to: Route.self)
        connection.pointee.routes = UnsafeMutableRawPointer(fresh)
        restrictIfNeeded(fresh)
        return fresh
    }

    func makeRoute(_ connection: ChainConnectionRef?) -> RouteRef {
        let fresh = layer.routes.take()
        // Safe: the lane of a fresh session is the first, which is never freed.
        let lane = lane(LaneKey()).unsafelyUnwrapped
        lane.pointee.routeCount += 1
        fresh.initialize(to: Route(connection: connection, target: Unmanaged.passUnretained(self), lane: lane))
        return fresh
    }

    func free(_ route: RouteRef) {
        route.share(nil)
        route.pointee.lane.pointee.routeCount -= 1
        route.deinitialize(count: 1)
        layer.routes.give(route)
    }

    /// The server wants a password: clients without one get the smaller limits.
    func noteAuthentication() {
        guard !wantsAuthentication, let site = openedBy else { return }
        wantsAuthentication = true
        worker.restrictClients(of: site) { connection in
            guard let route = connection.pointee.routes?.assumingMemoryBound(to: Route.self) else { return false }
            return route.pointee.session.key.identity != 0
        }
    }

    /// Connects at once, so that a server that is not there is known before the first client comes, and one that wants a
    /// password is too.
    override func opened() {
        // Safe: the lane of a fresh session always is.
        let connection = sharedConnection(lane(LaneKey()).unsafelyUnwrapped)
        connection.connectIfDue()
    }

    func restrictIfNeeded(_ route: RouteRef) {
        if wantsAuthentication { route.pointee.connection?.pointee.client?.restrict(true) }
    }

    func refuseCommand(_ message: MessageRef) {
        let text = CommandTable.refusal(message.pointee.command) ?? "this command is not possible through a proxy"
        worker.refuse(message, weir_status(WEIR_E_REJECTED), text, flags: WEIR_M_UNSENT)
    }

    /// The user behind an identity; empty: as configured, or the default user.
    func userName(_ identity: UInt32) -> [UInt8] {
        guard identity > 0, Int(identity) <= identities.count else { return (plan.user ?? "").utf8.map { $0 } }
        return identities[Int(identity) - 1].user ?? Array("default".utf8)
    }

    /// The number of a user and password; the same for the same.
    func identity(_ identity: Identity) -> UInt32 {
        if let index = identities.firstIndex(of: identity) { return UInt32(index + 1) }
        // Beyond the limit there is no lane: such clients keep connections of their own.
        guard identities.count < RESPTarget.maximumIdentities else { return UInt32.max }
        identities.append(identity)
        return UInt32(identities.count)
    }

    // MARK: lanes and connections

    /// The lane of a key, made when it is new; nil when there are too many.
    func lane(_ key: LaneKey) -> LaneRef? {
        if let lane = lanes.first(where: { $0.pointee.key == key }) { return lane }
        guard lanes.count < RESPTarget.maximumLanes, key.identity != UInt32.max else { return nil }
        let lane = LaneRef.allocate(capacity: 1)
        let shared = UnsafeMutablePointer<ConnectionRef?>.allocate(capacity: plan.connectionCount + 1)
        shared.initialize(repeating: nil, count: plan.connectionCount + 1)
        lane.initialize(
            to: Lane(
                key: key, target: Unmanaged.passUnretained(self), shared: shared, sharedCount: plan.connectionCount))
        lanes.append(lane)
        return lane
    }

    /// One of the lane's shared connections, for a client that will stay with it.
    func sharedConnection(_ lane: LaneRef, forScripts: Bool = false) -> ConnectionRef {
        let index = forScripts ? lane.pointee.sharedCount : lane.pointee.nextShared
        if !forScripts { lane.pointee.nextShared = (index + 1) % lane.pointee.sharedCount }
        if let connection = lane.pointee.shared[index] { return connection }
        let connection = makeConnection(lane, isShared: true)
        lane.pointee.shared[index] = connection
        return connection
    }

    /// A connection for one client: an idle one, or a new one; nil when there are too many.
    func ownConnection(_ lane: LaneRef) -> ConnectionRef? {
        if let idle = lane.pointee.idle {
            lane.pointee.idle = idle.pointee.nextIdle
            lane.pointee.idleCount -= 1
            idle.pointee.nextIdle = nil
            return idle
        }
        guard ownCount < plan.maximumPinnedCount else { return nil }
        // It connects when the request that it was made for is flushed.
        return makeConnection(lane, isShared: false)
    }

    /// A client does not need its own connection any more; its session is plain.
    func giveBack(_ connection: ConnectionRef) {
        let lane = connection.pointee.lane
        connection.pointee.lastProgress = worker.pointee.head.now_ns
        connection.pauseReading(false)
        guard connection.pointee.state == .ready, connection.pointee.first == nil,
            lane.pointee.idleCount < Lane.maximumIdle
        else { return discard(connection) }
        if let free = (0..<lane.pointee.sharedCount).first(where: { lane.pointee.shared[$0] == nil }) {
            // It has the session of the lane already: the clients of the lane share it.
            lane.pointee.shared[free] = connection
            connection.pointee.isShared = true
            sharedGauge.pointee += 1
            ownGauge.pointee -= 1
            ownCount -= 1
            return
        }
        connection.pointee.nextIdle = lane.pointee.idle
        lane.pointee.idle = connection
        lane.pointee.idleCount += 1
    }

    /// Somebody has waited long on a shared connection: the others get a fresh one.
    func detach(_ connection: ConnectionRef) {
        let lane = connection.pointee.lane
        guard lane.pointee.detachedCount < Lane.maximumDetached else { return }
        for index in 0..<lane.pointee.slotCount where lane.pointee.shared[index] == connection {
            lane.pointee.shared[index] = nil
            lane.pointee.detachedCount += 1
            connection.pointee.isDetached = true
            detaches.pointee &+= 1
        }
    }

    private func makeConnection(_ lane: LaneRef, isShared: Bool) -> ConnectionRef {
        let connection = layer.connections.take()
        connection.initialize(
            to: Connection(isShared: isShared, target: Unmanaged.passUnretained(self), lane: lane))
        connection.pointee.event.isClosed = true
        connection.pointee.next = firstConnection
        firstConnection?.pointee.previous = connection
        firstConnection = connection
        layer.connectionCount += 1
        if isShared { sharedGauge.pointee += 1 } else { ownGauge.pointee += 1; ownCount += 1 }
        return connection
    }

    /// Closes and frees a connection. Requests that it still has are given up: their clients have gone.
    func discard(_ connection: ConnectionRef) {
        guard connection.pointee.state != .dead else { return }
        if let route = connection.pointee.route {
            route.pointee.pinned = nil
            connection.pointee.route = nil
        }
        let lane = connection.pointee.lane
        if connection.pointee.isDetached { lane.pointee.detachedCount -= 1 }
        if connection.pointee.isShared {
            for index in 0..<lane.pointee.slotCount where lane.pointee.shared[index] == connection {
                lane.pointee.shared[index] = nil
            }
        } else {
            unlinkIdle(connection, lane)
        }
        connection.closeSocket()
        connection.pointee.state = .dead
        while let request = connection.popFirst() {
            let route = Route.of(request)
            route.pointee.isChanging = false
            worker.refuse(request, weir_status(WEIR_E_CANCELLED), "the upstream connection was closed")
            route.answered()
        }
        connection.pointee.previous?.pointee.next = connection.pointee.next
        if connection.pointee.previous == nil { firstConnection = connection.pointee.next }
        connection.pointee.next?.pointee.previous = connection.pointee.previous
        connection.pointee.next = nil
        connection.pointee.previous = nil
        layer.connectionCount -= 1
        if connection.pointee.isShared { sharedGauge.pointee -= 1 } else { ownGauge.pointee -= 1; ownCount -= 1 }
        layer.retire(connection)
    }

    private func unlinkIdle(_ connection: ConnectionRef, _ lane: LaneRef) {
        var link = lane.pointee.idle
        if link == connection {
            lane.pointee.idle = connection.pointee.nextIdle
            lane.pointee.idleCount -= 1
            return
        }
        while let current = link {
            if current.pointee.nextIdle == connection {
                current.pointee.nextIdle = connection.pointee.nextIdle
                lane.pointee.idleCount -= 1
                return
            }
            link = current.pointee.nextIdle
        }
    }

    // MARK: connecting

    /// The next address to try; nil while names have to be resolved.
    func nextAddress() -> SocketAddress? {
        if addresses.isEmpty {
            addresses = plan.addresses.compactMap { SocketAddress($0) }
            if addresses.count != plan.addresses.count { addresses = [] }
        }
        guard !addresses.isEmpty else { return nil }
        return addresses[addressIndex % addresses.count]
    }

    /// Resolves the names off the worker; connections in state `resolving` go on when it is done.
    func resolve() {
        guard !isResolving else { return }
        isResolving = true
        let names = plan.addresses
        worker.runBlocking { () -> Result<[SocketAddress], ResolutionError> in
            var found: [SocketAddress] = []
            var failure: ResolutionError?
            for name in names {
                do throws(ResolutionError) { found += try NameResolver.resolve(name) } catch { failure = error }
            }
            if found.isEmpty, let failure { return .failure(failure) }
            return .success(found)
        } then: { [unowned self] result in
            isResolving = false
            var failure: String?
            switch result {
            case .success(let found): addresses = found
            case .failure(let error): failure = error.reason
            }
            var connection = firstConnection
            while let current = connection {
                connection = current.pointee.next
                current.resolved(failure)
            }
        }
    }

    /// What a fresh connection says before anything else, and how many replies that gets.
    func greeting(_ lane: LaneRef, probes: Bool) -> ([UInt8], Int) {
        let key = lane.pointee.key
        var user = plan.user.map { Array($0.utf8) }
        var password = plan.password.map { Array($0.utf8) }
        if key.identity > 0, Int(key.identity) <= identities.count {
            user = identities[Int(key.identity) - 1].user
            password = identities[Int(key.identity) - 1].password
        }
        var bytes: [UInt8] = []
        var count = 0
        if key.version == 3 {
            var words: [[UInt8]] = [Array("HELLO".utf8), Array("3".utf8)]
            if let password { words += [Array("AUTH".utf8), user ?? Array("default".utf8), password] }
            bytes += Self.command(words)
            count += 1
        } else if let password {
            bytes += Self.command([Array("AUTH".utf8)] + (user.map { [$0] } ?? []) + [password])
            count += 1
        }
        if probes, key == LaneKey(), count == 0 {
            // Changes nothing; NOAUTH in its answer tells that clients will have to authenticate.
            bytes += Self.command([Array("PING".utf8)])
            count += 1
        }
        if key.database > 0 {
            let select = Self.command([Array("SELECT".utf8), Array("\(key.database)".utf8)])
            bytes = lane.pointee.selectsFirst ? select + bytes : bytes + select
            count += 1
        }
        return (bytes, count)
    }

    private static func command(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8) }
        return bytes
    }

    /// Time until the next attempt: doubling from 50 ms to 2 s, with half of it at random.
    func backoff(_ failureCount: UInt32) -> UInt64 {
        if failureCount <= 1 { return 0 }
        let full = Swift.min(UInt64(50_000_000) << UInt64(Swift.min(failureCount - 2, 6)), 2_000_000_000)
        return full / 2 + seed.next() % (full / 2)
    }

    @inline(__always)
    func noteLatency(_ nanoseconds: UInt64) {
        usualNanoseconds =
            usualNanoseconds == 0 ? nanoseconds : usualNanoseconds &- usualNanoseconds / 8 &+ nanoseconds / 8
    }

    func noteUp() {
        handle.pointee.head.state = UInt32(WEIR_TS_UP)
        if !isUp {
            Log.info("upstream.up", ["upstream": name])
            announce(WEIR_TE_UP)
        }
        isUp = true
    }

    /// An attempt to connect has failed.
    func noteUnreachable(_ reason: String) {
        lastFailure = reason
        addressIndex += 1
        handle.pointee.head.state = UInt32(WEIR_TS_DOWN)
        if isUp {
            Log.warn("upstream.down", ["upstream": name, "reason": reason])
            announce(WEIR_TE_DOWN)
        }
        isUp = false
        // Names may stand for other addresses by now.
        if addressIndex % Swift.max(addresses.count, 1) == 0 { addresses = [] }
    }

    // MARK: sweeping

    func sweep(_ now: UInt64) {
        if isClosed { wind() }
        var inFlight = 0
        var queued = 0
        var connection = firstConnection
        while let current = connection {
            connection = current.pointee.next
            inFlight += current.pointee.inFlightCount
            queued += current.pointee.queuedByteCount
            current.sweep(now)
        }
        handle.pointee.head.latency_us = UInt32(clamping: usualNanoseconds / 1000)
        handle.pointee.head.in_flight = UInt32(clamping: inFlight)
        handle.pointee.head.queued_bytes = UInt64(queued)
        if (queued > RESPTarget.fullByteCount) != wasFull {
            wasFull.toggle()
            announce(wasFull ? WEIR_TE_FULL : WEIR_TE_WRITABLE)
        }
        for lane in lanes { closeIdle(lane, now) }
        lanes.removeAll { freeIfUnused($0, now) }
    }

    private func closeIdle(_ lane: LaneRef, _ now: UInt64) {
        var connection = lane.pointee.idle
        while let current = connection {
            connection = current.pointee.nextIdle
            if now &- current.pointee.lastProgress > Lane.idleNanoseconds { discard(current) }
        }
    }

    /// Lanes that nobody uses end with their connections; the first one stays.
    private func freeIfUnused(_ lane: LaneRef, _ now: UInt64) -> Bool {
        guard lane.pointee.key != LaneKey(), lane.pointee.routeCount == 0, lane.pointee.idle == nil else {
            return false
        }
        for index in 0..<lane.pointee.slotCount {
            guard let connection = lane.pointee.shared[index] else { continue }
            if connection.pointee.first != nil || now &- connection.pointee.lastProgress < Lane.idleNanoseconds {
                return false
            }
        }
        for index in 0..<lane.pointee.slotCount {
            if let connection = lane.pointee.shared[index] { discard(connection) }
        }
        var connection = firstConnection
        while let current = connection {
            if current.pointee.lane == lane { return false }
            connection = current.pointee.next
        }
        lane.pointee.shared.deallocate()
        lane.deallocate()
        return true
    }

    /// What is in flight comes back; the sweep closes connections as they become idle.
    override func close() { layer.hasClosedTargets = true }

    func stop() {
        while let connection = firstConnection { discard(connection) }
    }
}
