// What the flow calls of a plugin do: they mark messages and queue them; nothing of it runs before the hook has
// returned (Flow.swift carries it out).

import CWeir
import WeirBase
import WeirNet
import WeirWire

enum Flow {
    /// Marks a lent message as disposed of.
    private static func dispose(_ message: MessageRef, _ disposition: Disposition) {
        if message.pointee.disposition == .lent { message.pointee.worker.pointee.disposalCount &+= 1 }
        message.pointee.disposition = disposition
    }

    /// Sends a message on that is in nobody's hands any more.
    private static func go(_ message: MessageRef) {
        if message.pointee.isSequenced {
            message.pointee.disposition = .passing
            message.pointee.worker.drainExit(message)
        } else {
            message.pointee.disposition = .moved
            message.pointee.worker.pointee.moves.append(message)
        }
    }

    /// A request leaves the flow because it is answered where it is.
    private static func leave(_ request: MessageRef) {
        dispose(request, .moved)
        if request.pointee.isSequenced { request.pointee.worker.drainExit(request) }
    }

    static func take(_ message: MessageRef, _ flags: UInt32) {
        guard message.pointee.disposition == .lent else { return }
        dispose(message, .taken)
        guard message.isRequest, flags & UInt32(WEIR_TAKE_LOOSE) == 0, let connection = message.pointee.connection
        else {
            return
        }
        message.pointee.isSequenced = true
        guard connection.pointee.sequencers == nil else { return }
        let count = connection.pointee.chain.pointee.siteCount
        let queues = UnsafeMutablePointer<MessageQueue>.allocate(capacity: count)
        queues.initialize(repeating: MessageQueue(), count: count)
        connection.pointee.sequencers = queues
    }

    static func pass(_ message: MessageRef) {
        // A lent message goes on by itself.
        if message.pointee.disposition == .taken { go(message) }
    }

    static func pass(_ request: MessageRef, to target: TargetRef) {
        guard request.isRequest else { return }
        request.pointee.target = target
        switch request.pointee.disposition {
        case .lent: dispose(request, request.pointee.connection == nil ? .moved : .passing)
        case .taken: go(request)
        case .passing, .moved: break
        }
    }

    static func route(_ batch: UnsafePointer<weir_batch>, to target: TargetRef) {
        let count = Int(batch.pointee.count)
        let list = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(batch.pointee.msgs))
            .assumingMemoryBound(to: MessageRef.self)
        let connection = ChainConnectionRef(batch.pointee.conn)
        let worker = connection.worker
        if connection.pointee.sequencers != nil || worker.pointee.disposalCount > 0 {
            for index in 0..<count where list[index].pointee.disposition == .lent { pass(list[index], to: target) }
            return
        }
        worker.pointee.disposalCount &+= count
        for index in 0..<count { list[index].pointee.disposition = .moved }
        target.pointee.target._withUnsafeGuaranteedRef { $0.accept(list, count) }
    }

    static func reply(_ message: MessageRef, _ response: MessageRef) {
        let worker = message.pointee.worker
        if response.pointee.disposition == .lent { dispose(response, .moved) }
        // The answer to something else may be given again: it forgets what it was.
        if let old = response.pointee.exchange {
            response.pointee.exchange = nil
            old.release()
        }
        if message.isRequest {
            if message.has(WEIR_M_NO_REPLY) {
                response.end()
                leave(message)
                return worker.abandon(message)
            }
            link(response, to: message)
            leave(message)
        } else {
            guard let exchange = message.pointee.exchange else { return response.end() }
            let site = message.pointee.site
            link(response, to: exchange)
            response.pointee.connection = message.pointee.connection
            response.pointee.site = site
            message.pointee.exchange = nil
            dispose(message, .moved)
            message.end()
        }
        response.pointee.disposition = .moved
        worker.pointee.moves.append(response)
    }

    private static func link(_ response: MessageRef, to request: MessageRef) {
        let wasLocal = response.has(WEIR_M_LOCAL)
        response.pointee.head.kind = UInt16(WEIR_RESPONSE)
        request.pointee.worker.link(response, to: request)
        if !wasLocal { response.set(WEIR_M_LOCAL) }
    }

    static func fail(_ message: MessageRef, _ status: weir_status, _ text: weir_str) {
        let worker = message.pointee.worker
        let status = status == WEIR_OK ? weir_status(WEIR_E_INTERNAL) : status
        if message.isRequest {
            if message.pointee.connection == nil { return message.end() }
            leave(message)
            worker.refuse(message, status, text)
            return
        }
        guard let exchange = message.pointee.exchange else {
            dispose(message, .moved)
            return message.end()
        }
        exchange.pointee.holds &+= 1
        let response = worker.errorResponse(to: exchange, status, text, 0)
        exchange.pointee.holds &-= 1
        replaceResponse(message, by: response)
    }

    private static func replaceResponse(_ message: MessageRef, by response: MessageRef) {
        response.pointee.connection = message.pointee.connection
        response.pointee.site = message.pointee.site
        // The hold on the exchange passes to the new response.
        message.pointee.exchange = nil
        dispose(message, .moved)
        message.end()
        response.pointee.disposition = .moved
        response.pointee.worker.pointee.moves.append(response)
    }

    static func drop(_ message: MessageRef) {
        let worker = message.pointee.worker
        if message.isRequest {
            if message.pointee.connection == nil { return message.end() }
            if !message.has(WEIR_M_NO_REPLY), !message.has(WEIR_M_DEAD) {
                return fail(
                    message, weir_status(WEIR_E_REJECTED),
                    weir_str("the request was dropped by a transform" as StaticString))
            }
            leave(message)
            return worker.abandon(message)
        }
        guard message.pointee.exchange != nil, !message.has(WEIR_M_DEAD) else {
            dispose(message, .moved)
            return message.end()
        }
        fail(message, weir_status(WEIR_E_REJECTED), weir_str("the response was dropped by a transform" as StaticString))
    }

    static func retry(_ response: MessageRef, _ target: TargetRef) {
        guard let request = response.pointee.exchange, request.pointee.keepsBytes else {
            return fail(
                response, weir_status(WEIR_E_INTERNAL),
                weir_str("a transform without WEIR_F_KEEP_REQUESTS asked for a retry" as StaticString))
        }
        request.pointee.connection = response.pointee.connection
        request.pointee.site = response.pointee.site
        response.pointee.exchange = nil
        dispose(response, .moved)
        response.end()
        request.pointee.target = target
        request.pointee.disposition = .moved
        request.pointee.worker.pointee.moves.append(request)
    }

    static func clone(_ message: MessageRef) -> MessageRef {
        let worker = message.pointee.worker
        if message.pointee.body != nil { Body.encode(message) }
        message.pointee.slab?.retain()
        let copy = worker.makeMessage(
            kind: message.pointee.head.kind, protocolNumber: message.pointee.head.protocol, slab: message.pointee.slab,
            wire: message.pointee.wire, byteCount: message.byteCount)
        copy.pointee.head.verb = message.pointee.head.verb
        copy.pointee.head.flags =
            message.pointee.head.flags
            & (UInt32(WEIR_M_NO_REPLY | WEIR_M_TXN | WEIR_M_PINNED | WEIR_M_ERROR) | Frame.changesSession)
        copy.pointee.command = message.pointee.command
        copy.pointee.keepsBytes = message.pointee.keepsBytes
        copy.pointee.disposition = .taken
        return copy
    }

    static func send(
        _ target: TargetRef, _ messages: UnsafePointer<UnsafeMutablePointer<weir_msg>>, _ count: UInt32,
        _ options: UnsafePointer<weir_send_opts>?, _ done: weir_done_fn?, _ context: UnsafeMutableRawPointer?
    ) -> UInt64 {
        let worker = target.object.worker
        let options = options?.pointee ?? weir_send_opts(size: 0, flags: 0, timeout_ns: 0)
        return worker.startOperation(
            target, messages, Int(count), options: options, done: done, context: context,
            connection: (target.object as? NextTarget)?.connection)
    }

    static func push(_ connection: ChainConnectionRef, _ message: MessageRef) {
        if message.pointee.disposition == .lent { dispose(message, .moved) }
        if let exchange = message.pointee.exchange {
            // The answer to something else is no answer any more.
            message.pointee.exchange = nil
            exchange.release()
        }
        message.pointee.head.kind = UInt16(WEIR_PUSH)
        message.pointee.connection = connection
        message.pointee.site = Int16(truncatingIfNeeded: connection.worker.pointee.currentSite)
        message.pointee.disposition = .moved
        connection.worker.pointee.moves.append(message)
    }

    // MARK: targets

    static func openTarget(
        _ spec: UnsafePointer<weir_target_spec>, _ out: UnsafeMutablePointer<UnsafeMutablePointer<weir_target>?>?
    ) -> weir_status {
        let worker = WorkerRef(spec.pointee.worker)
        let site = Site.from(spec.pointee.site)
        let reference = String(cString: spec.pointee.ref)
        let address = spec.pointee.address.string
        let connection = spec.pointee.conn.map { ChainConnectionRef($0) }
        let isExclusive = spec.pointee.flags & UInt32(WEIR_TG_EXCLUSIVE) != 0
        if connection == nil, !isExclusive,
            let shared = worker.pointee.sharedTargets.first(where: {
                $0.site.toOpaque() == UnsafeRawPointer(spec.pointee.site) && $0.reference == reference
                    && $0.address == address
            })
        {
            let target = shared.target.takeUnretainedValue()
            target.openCount += 1
            target.addObserver(spec.pointee.on_event, spec.pointee.ctx)
            out?.pointee = target.handle.handle
            return weir_status(WEIR_OK)
        }
        let target: Target
        if let plan = site.upstreams.first(where: { $0.pointer == reference })?.plan {
            let layer = worker.pointee.upstreams.takeUnretainedValue()
            guard
                let opened = layer.open(plan, address: address, connection: connection, isExclusive: isExclusive)
            else { return weir_status(WEIR_E_INVALID) }
            target = opened
        } else if let plan = site.subchains.first(where: { $0.pointer == reference })?.chain {
            guard let opened = worker.openSubchain(plan, connection, from: site) else {
                return weir_status(WEIR_E_UNAVAILABLE)
            }
            target = opened
        } else {
            return weir_status(WEIR_E_NOT_FOUND)
        }
        if let connection {
            target.handle.pointee.nextBound = connection.pointee.boundTargets
            connection.pointee.boundTargets = target.handle
        } else if !isExclusive {
            worker.pointee.sharedTargets.append(
                SharedTarget(
                    site: Unmanaged.passUnretained(site), reference: reference, address: address,
                    target: Unmanaged.passUnretained(target)))
        }
        target.openedBy = site
        target.addObserver(spec.pointee.on_event, spec.pointee.ctx)
        target.opened()
        out?.pointee = target.handle.handle
        return weir_status(WEIR_OK)
    }

    static func closeTarget(_ target: TargetRef) {
        let object = target.object
        object.openCount -= 1
        object.removeObserver()
        guard object.openCount == 0 else { return }
        let worker = object.worker
        worker.pointee.sharedTargets.removeAll { $0.target.toOpaque() == Unmanaged.passUnretained(object).toOpaque() }
        object.closeOnce()
    }

    static func next(_ connection: ChainConnectionRef, _ site: Site) -> TargetRef {
        var bound = connection.pointee.boundTargets
        let index = Int16(truncatingIfNeeded: connection.pointee.chain.pointee.index(of: site))
        while let current = bound {
            if let next = current.object as? NextTarget, next.site == index { return current }
            bound = current.pointee.nextBound
        }
        let target = NextTarget(connection: connection, site: index)
        target.handle.pointee.nextBound = connection.pointee.boundTargets
        connection.pointee.boundTargets = target.handle
        return target.handle
    }
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Starts a chain on this worker, or gives the one that runs already.
    func startChain(_ plan: ChainPlan, codec: WireCodec) -> Result<ChainRef, ChainStartError> {
        if let running = pointee.chains.first(where: { $0.plan.toOpaque() == Unmanaged.passUnretained(plan).toOpaque() }
        ) {
            return .success(running.chain)
        }
        let result = Chain.start(plan, codec: codec, on: self)
        if case .success(let chain) = result {
            pointee.chains.append((plan: Unmanaged.passRetained(plan), chain: chain))
        }
        return result
    }

    /// A target that runs a sub-chain, for one client or for the whole worker.
    func openSubchain(_ plan: ChainPlan, _ connection: ChainConnectionRef?, from site: Site) -> SubchainTarget? {
        guard let codec = codec(plan.protocolNumber), case .success(let chain) = startChain(plan, codec: codec) else {
            return nil
        }
        pointee.nextConnectionID &+= 1
        guard
            let inner = openConnection(
                chain, client: connection?.pointee.client, peer: connection?.pointee.head.peer ?? weir_str(),
                local: connection?.pointee.head.local ?? weir_str(),
                id: connection?.pointee.head.id ?? pointee.nextConnectionID, owner: connection,
                ownerSite: Int16(truncatingIfNeeded: connection?.pointee.chain.pointee.index(of: site) ?? 0))
        else { return nil }
        let target = SubchainTarget(name: plan.nameText, connection: inner, worker: self)
        if connection == nil { pointee.unboundSubchains.append(target) }
        return target
    }

    /// A message from a tape.
    func build(_ number: UInt16, _ kind: UInt16, _ items: UnsafePointer<weir_item>, _ count: Int) -> MessageRef? {
        guard let codec = codec(number), count > 0 else { return nil }
        let byteCount = codec.encodedByteCount(items, count, kind: kind, version: 2)
        guard byteCount > 0, byteCount <= Int(UInt32.max) else { return nil }
        let slab = pointee.slabs.exact(byteCount)
        codec.encode(
            items, count, kind: kind, version: 2, UnsafeMutableRawBufferPointer(start: slab.start, count: byteCount))
        slab.pointee.filled = byteCount
        return adopt(codec, number, kind, slab, byteCount)
    }

    /// A message from wire bytes.
    func buildRaw(_ number: UInt16, _ kind: UInt16, _ wire: weir_str) -> MessageRef? {
        guard let codec = codec(number), wire.len > 0, wire.len <= Int(UInt32.max) else { return nil }
        guard isOneMessage(wire.bytes, kind, codec) else { return nil }
        let slab = pointee.slabs.copy(wire.bytes)
        return adopt(codec, number, kind, slab, wire.len)
    }

    /// True for the bytes of exactly one message; a second one in them would get an answer that nobody waits for.
    private func isOneMessage(_ bytes: UnsafeRawBufferPointer, _ kind: UInt16, _ codec: WireCodec) -> Bool {
        withUnsafeTemporaryAllocation(of: Frame.self, capacity: 2) { frames in
            guard let frames = frames.baseAddress else { return false }
            var state = CodecState()
            let cut: Cut
            if kind == UInt16(WEIR_REQUEST) {
                codec.openRequests(&state)
                cut = codec.cutRequests(&state, bytes, frames, 2, pointee.slabs)
                codec.closeRequests(&state)
                for index in 0..<cut.frameCount {
                    guard let replacement = frames[index].replacement else { continue }
                    // Bytes that must not be sent as they are.
                    replacement.release()
                    return false
                }
            } else {
                codec.openResponses(&state)
                cut = codec.cutResponses(&state, bytes, frames, 2)
                codec.closeResponses(&state)
            }
            return cut.frameCount == 1 && cut.consumedByteCount == bytes.count && !cut.isBroken
        }
    }

    private func adopt(
        _ codec: WireCodec, _ number: UInt16, _ kind: UInt16, _ slab: SlabRef, _ byteCount: Int
    ) -> MessageRef {
        let message = makeMessage(
            kind: kind, protocolNumber: number, slab: slab, wire: slab.start, byteCount: byteCount)
        if kind == UInt16(WEIR_REQUEST) {
            let frame = codec.classify(message.wireBytes)
            message.pointee.head.verb = frame.verb
            message.pointee.head.flags = frame.flags
            message.pointee.command = frame.command
        } else {
            message.pointee.head.flags = UInt32(WEIR_M_LOCAL)
        }
        message.pointee.disposition = .taken
        return message
    }

    /// Cancels an operation or a timer.
    func cancel(_ id: UInt64) {
        if id & 1 == 1 {
            cancelOperation(id, weir_status(WEIR_E_CANCELLED))
        } else {
            _ = pointee.timers.pointee.cancel(id >> 1)
        }
    }

    func fillRandom(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
        for offset in 0..<count {
            bytes.storeBytes(
                of: UInt8(truncatingIfNeeded: pointee.random.next() >> 32), toByteOffset: offset, as: UInt8.self)
        }
    }

    /// Reads nothing more from a client and closes it when what it is owed has been written.
    public func finishClient(_ client: ClientRef) {
        guard !client.pointee.event.isClosed else { return }
        client.pointee.isFinishing = true
        client.updateReading()
        client.markDirty()
    }
}
