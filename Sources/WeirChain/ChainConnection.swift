// One client connection as seen by one chain: plugins know it as `weir_conn` (at offset 0). The same client has
// one of these for its source's chain and one for each sub-chain that was opened for it.
//
// It ends in this order: the client goes, every message and operation of it ends, then conn_close.

public import CWeir
import WeirBase
import WeirWire

public typealias ChainConnectionRef = UnsafeMutablePointer<ChainConnection>

public struct ChainConnection {
    public var head: weir_conn
    public let chain: ChainRef
    /// What the hooks of each site get.
    let states: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    /// The socket behind it; nil for a sub-chain shared by the worker.
    public let client: ClientRef?
    /// For a sub-chain of one client: the connection that it was opened for, which ends after it, and the site there.
    let owner: ChainConnectionRef?
    let ownerSite: Int16
    /// One for each site, once a plugin took a message in order.
    var sequencers: UnsafeMutablePointer<MessageQueue>?
    /// What upstreams keep about it, a list that belongs to them.
    public var routes: UnsafeMutableRawPointer?
    /// Targets that plugins opened for it.
    var boundTargets: TargetRef?
    /// Messages and operations that refer to it.
    public var pendingCount: Int
    /// Version of the protocol that its client speaks (RESP 2 or 3).
    public var protocolVersion: UInt32
    var isClosed: Bool
    /// On the list of those whose conn_close is due.
    var isScheduled: Bool
    var nextClosing: ChainConnectionRef?
}

extension UnsafeMutablePointer where Pointee == ChainConnection {
    @inlinable public var handle: UnsafeMutablePointer<weir_conn> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: weir_conn.self)
    }

    @inlinable public init(_ handle: UnsafeMutablePointer<weir_conn>) {
        self = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: ChainConnection.self)
    }

    @inlinable public var worker: WorkerRef { WorkerRef(pointee.head.worker) }

    /// Ends one of the things that keep a closed connection alive.
    @inlinable @inline(__always)
    public func pendingEnded() {
        pointee.pendingCount &-= 1
        if pointee.pendingCount == 0, pointee.isGone, !pointee.hasClosingScheduled { worker.scheduleClosing(self) }
    }

    /// Nothing new will come for it.
    func close() {
        guard !pointee.isClosed else { return }
        pointee.isClosed = true
        pointee.head.flags |= UInt32(WEIR_C_CLOSING)
        var target = pointee.boundTargets
        while let bound = target {
            target = bound.pointee.nextBound
            bound.object.closeOnce()
        }
        worker.pointee.upstreams._withUnsafeGuaranteedRef { $0.connectionGone(self) }
        if pointee.pendingCount == 0, !pointee.isScheduled { worker.scheduleClosing(self) }
    }

    /// Tells the sites of an event.
    func tell(_ event: UInt32) {
        guard pointee.chain.pointee.hasEventHooks else { return }
        for index in 0..<pointee.chain.pointee.siteCount {
            let site = pointee.chain.pointee.sites + index
            guard let hook = site.pointee.transform.pointee.on_event else { continue }
            worker.pointee.currentSite = Int16(truncatingIfNeeded: index)
            worker.pointee.currentConnection = self
            worker.withCrumb(site.pointee.crumb, "on_event") { hook(pointee.states[index], handle, event) }
            worker.pointee.currentConnection = nil
        }
    }
}

extension ChainConnection {
    @usableFromInline var isGone: Bool { isClosed }
    @usableFromInline var hasClosingScheduled: Bool { isScheduled }
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Opens `chain` for a client (or, without one, for the worker itself).
    /// - Returns: nil when a site refused; sites opened before are closed again.
    func openConnection(
        _ chain: ChainRef, client: ClientRef?, peer: weir_str, local: weir_str, id: UInt64,
        owner: ChainConnectionRef? = nil, ownerSite: Int16 = 0
    ) -> ChainConnectionRef? {
        let connection = pointee.connections.take()
        let count = chain.pointee.siteCount
        var states = chain.pointee.sharedStates
        if chain.pointee.hasConnectionStates {
            states = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: count)
            states.update(from: chain.pointee.sharedStates, count: count)
        }
        connection.initialize(
            to: ChainConnection(
                head: weir_conn(
                    size: UInt32(MemoryLayout<weir_conn>.size),
                    flags: client == nil ? UInt32(WEIR_C_INTERNAL) : 0, id: id,
                    protocol: chain.pointee.codec.takeUnretainedValue().number, reserved: 0, in_flight: 0,
                    worker: handle, peer: peer, local: local),
                chain: chain, states: states, client: client, owner: owner, ownerSite: ownerSite, sequencers: nil,
                routes: nil, boundTargets: nil,
                pendingCount: 0, protocolVersion: 2, isClosed: false, isScheduled: false,
                nextClosing: nil))
        owner?.pointee.pendingCount &+= 1
        guard chain.pointee.hasConnectionStates else { return connection }
        for index in 0..<count {
            let site = chain.pointee.sites + index
            guard let open = site.pointee.transform.pointee.conn_open else { continue }
            states[index] = nil
            let status = withCrumb(site.pointee.crumb, "conn_open") {
                open(site.pointee.workerState, connection.handle, states + index)
            }
            if status != WEIR_OK {
                abandonOpening(connection, siteCount: index)
                return nil
            }
        }
        return connection
    }

    /// A site has refused: nothing has gone through the connection yet.
    private func abandonOpening(_ connection: ChainConnectionRef, siteCount: Int) {
        connection.pointee.isScheduled = true
        connection.close()
        closeSites(connection, count: siteCount)
        freeConnection(connection)
    }

    /// Calls conn_close of the first `count` sites.
    private func closeSites(_ connection: ChainConnectionRef, count: Int) {
        for index in 0..<count {
            let site = connection.pointee.chain.pointee.sites + index
            guard site.pointee.transform.pointee.conn_open != nil,
                let close = site.pointee.transform.pointee.conn_close
            else { continue }
            withCrumb(site.pointee.crumb, "conn_close") { close(connection.pointee.states[index]) }
        }
    }

    private func freeConnection(_ connection: ChainConnectionRef) {
        if connection.pointee.chain.pointee.hasConnectionStates { connection.pointee.states.deallocate() }
        connection.pointee.sequencers?.deallocate()
        while let bound = connection.pointee.boundTargets {
            connection.pointee.boundTargets = bound.pointee.nextBound
            bound.object.free()
        }
        let owner = connection.pointee.owner
        pointee.connections.give(connection)
        owner?.pendingEnded()
    }

    /// Puts a connection on the list of those whose conn_close is due.
    @usableFromInline
    func scheduleClosing(_ connection: ChainConnectionRef) {
        connection.pointee.isScheduled = true
        connection.pointee.nextClosing = pointee.closing
        pointee.closing = connection
    }

    /// Calls conn_close for the connections that nothing refers to any more.
    func finishClosing() {
        while let connection = pointee.closing {
            pointee.closing = connection.pointee.nextClosing
            if connection.pointee.pendingCount > 0 {
                // A completion has started something new for it.
                connection.pointee.isScheduled = false
                continue
            }
            closeSites(connection, count: connection.pointee.chain.pointee.siteCount)
            if let client = connection.pointee.client, client.pointee.connection == connection { freeClient(client) }
            freeConnection(connection)
        }
    }
}
