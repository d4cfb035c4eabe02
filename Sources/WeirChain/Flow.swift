// How messages move through the sites of a chain: requests down, responses up, a batch at a time.
//
// A hook disposes of messages by calls that only mark them (no call of the host calls back); what they set in motion
// is carried out here, after the hook has returned. What a hook did not touch goes on by itself.

public import CWeir
import WeirBase
import WeirNet
import WeirWire

extension UnsafeMutablePointer where Pointee == WorkerCore {
    // MARK: requests

    /// Runs requests of one connection through the sites from `first` on. `list` is overwritten.
    func run(_ connection: ChainConnectionRef, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int, from first: Int)
    {
        let chain = connection.pointee.chain
        let siteCount = chain.pointee.siteCount
        var count = count
        var index = first
        while index < siteCount, count > 0 {
            let site = chain.pointee.sites + index
            if let hook = site.pointee.onRequests {
                count = callRequests(hook, site, index, connection, list, count)
            }
            if count > 0, connection.pointee.sequencers != nil {
                count = queueBehindHeld(connection, index, list, count)
            }
            index &+= 1
        }
        for at in 0..<count {
            list[at].pointee.site = Int16(truncatingIfNeeded: siteCount)
            refuse(
                list[at], weir_status(WEIR_E_INTERNAL),
                "no sink took the request: the last site of the chain let it pass")
        }
    }

    /// Calls one request hook.
    /// - Returns: how many messages go on, moved to the front of `list`.
    @inline(__always)
    private func callRequests(
        _ hook: RequestHook, _ site: UnsafeMutablePointer<SiteState>, _ index: Int, _ connection: ChainConnectionRef,
        _ list: UnsafeMutablePointer<MessageRef>, _ count: Int
    ) -> Int {
        let at = Int16(truncatingIfNeeded: index)
        for position in 0..<count { list[position].pointee.site = at }
        var shown = list
        var shownCount = count
        if let interest = site.pointee.requestInterest {
            shown = pointee.filtered
            shownCount = pick(interest, list, count, shown)
            if shownCount == 0 { return count }
        }
        pointee.disposalCount = 0
        pointee.currentSite = at
        callHook(hook, site, "on_requests", connection, index, shown, shownCount, site.pointee.requestTime)
        if pointee.disposalCount == 0 { return count }
        return keepLent(connection, index, list, count)
    }

    /// Copies the messages whose verb a site has asked for.
    private func pick(
        _ interest: UnsafeMutablePointer<UInt64>, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int,
        _ into: UnsafeMutablePointer<MessageRef>
    ) -> Int {
        var picked = 0
        for position in 0..<count {
            let verb = Int(list[position].pointee.head.verb)
            if interest[verb >> 6] & (1 << UInt64(verb & 63)) != 0 {
                into[picked] = list[position]
                picked &+= 1
            }
        }
        return picked
    }

    /// Sets up the batch and calls a hook with the crumb set and the time taken.
    @inline(__always)
    private func callHook(
        _ hook: RequestHook, _ site: UnsafeMutablePointer<SiteState>, _ name: StaticString,
        _ connection: ChainConnectionRef, _ index: Int, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int,
        _ time: UnsafeMutablePointer<HistogramCells>?
    ) {
        let tags = site.pointee.wantsTags ? gatherTags(connection, index, list, count) : nil
        var batch = weir_batch(
            size: UInt32(truncatingIfNeeded: MemoryLayout<weir_batch>.size), count: UInt32(truncatingIfNeeded: count),
            conn: connection.handle,
            msgs: UnsafeRawPointer(list).assumingMemoryBound(to: UnsafeMutablePointer<weir_msg>.self), tags: tags)
        pointee.crumb.pointee.enter(site.pointee.crumb, hook: name)
        let start = pointee.head.now_ns
        pointee.currentConnection = connection
        hook(connection.pointee.states[index], &batch)
        pointee.currentConnection = nil
        refreshClock()
        time?.pointee.observe(pointee.head.now_ns &- start)
        pointee.crumb.pointee.leave()
        if tags != nil { scatterTags(connection, index, count) }
    }

    /// Copies the words of a site out of the exchanges.
    private func gatherTags(
        _ connection: ChainConnectionRef, _ index: Int, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int
    ) -> UnsafeMutablePointer<UInt64> {
        for position in 0..<count {
            let owner = list[position].isRequest ? list[position] : list[position].pointee.exchange
            // It is held until the words are written back: the hook may dispose of it.
            owner?.pointee.holds &+= 1
            pointee.tagOwners[position] = owner
            pointee.tagWords[position] = owner.flatMap { $0.tagWords(of: connection).pointee?[index] } ?? 0
        }
        return pointee.tagWords
    }

    private func scatterTags(_ connection: ChainConnectionRef, _ index: Int, _ count: Int) {
        for position in 0..<count {
            guard let owner = pointee.tagOwners[position] else { continue }
            let word = pointee.tagWords[position]
            let words = owner.tagWords(of: connection)
            if words.pointee == nil, word != 0 {
                let size = connection.pointee.chain.pointee.siteCount
                let fresh = UnsafeMutablePointer<UInt64>.allocate(capacity: size)
                fresh.initialize(repeating: 0, count: size)
                words.pointee = fresh
            }
            words.pointee?[index] = word
            owner.release()
        }
    }

    /// Keeps what a hook did not dispose of and sends on what it passed elsewhere.
    private func keepLent(
        _ connection: ChainConnectionRef, _ index: Int, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int
    ) -> Int {
        var kept = 0
        for position in 0..<count {
            let message = list[position]
            switch message.pointee.disposition {
            case .lent:
                list[kept] = message
                kept &+= 1
            case .taken:
                // Its place in the order is kept by queueBehindHeld, which needs to see it.
                if message.pointee.isSequenced {
                    list[kept] = message
                    kept &+= 1
                }
            case .passing:
                if connection.pointee.sequencers != nil {
                    list[kept] = message
                    kept &+= 1
                } else {
                    leave(message)
                }
            case .moved: break
            }
        }
        return kept
    }

    /// Hands a message that a hook has passed elsewhere to its target, before the next hook runs: what follows it may go
    /// to the same place.
    private func leave(_ message: MessageRef) {
        message.pointee.disposition = .moved
        guard pointee.released.isEmpty, let target = message.pointee.target, !message.has(WEIR_M_DEAD) else {
            return pointee.released.append(message)
        }
        message.pointee.target = nil
        target.object.accept(message)
    }

    /// Puts messages that a plugin holds in order, and those behind them, into the queue at a site's exit.
    /// - Returns: how many messages go on at once.
    private func queueBehindHeld(
        _ connection: ChainConnectionRef, _ index: Int, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int
    ) -> Int {
        guard let queue = connection.pointee.sequencers.map({ $0 + index }) else { return count }
        var free = 0
        for position in 0..<count {
            let message = list[position]
            if message.pointee.disposition == .lent, queue.pointee.isEmpty, !pointee.released.isEmpty {
                // The hook has let go what was held before it.
                message.pointee.disposition = .moved
                pointee.released.append(message)
            } else if message.pointee.disposition == .taken || !queue.pointee.isEmpty {
                message.pointee.isSequenced = true
                message.pointee.holds &+= 1
                if message.pointee.disposition == .lent { message.pointee.disposition = .passing }
                queue.pointee.append(message)
            } else if message.pointee.disposition == .passing {
                leave(message)
            } else {
                list[free] = message
                free &+= 1
            }
        }
        return free
    }

    /// A message in a queue at a site's exit was disposed of: lets go on what waited for it.
    func drainExit(_ message: MessageRef) {
        guard let connection = message.pointee.connection, message.pointee.site >= 0,
            let queue = connection.pointee.sequencers.map({ $0 + Int(message.pointee.site) })
        else { return }
        while let first = queue.pointee.first, first.pointee.disposition != .taken || first.has(WEIR_M_DEAD) {
            _ = queue.pointee.popFirst()
            first.pointee.isSequenced = false
            if first.pointee.disposition == .passing {
                first.pointee.disposition = .moved
                pointee.released.append(first)
            }
            first.release()
        }
    }

    // MARK: responses

    /// Takes over responses of one connection that come back to the site where their requests left the chain.
    /// `list` is overwritten.
    @inline(__always)
    public func deliver(
        _ connection: ChainConnectionRef, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int, from site: Int,
        floor: Int = -1
    ) {
        var count = count
        if connection.pointee.chain.pointee.hasResponseHooks {
            count = runResponses(connection, list, count, from: site, floor: floor)
        }
        for position in 0..<count { leaveChain(connection, list[position]) }
    }

    private func runResponses(
        _ connection: ChainConnectionRef, _ list: UnsafeMutablePointer<MessageRef>, _ count: Int, from site: Int,
        floor: Int
    ) -> Int {
        var count = count
        var index = Swift.min(site, connection.pointee.chain.pointee.siteCount - 1)
        while index > floor, count > 0 {
            let state = connection.pointee.chain.pointee.sites + index
            if let hook = state.pointee.onResponses {
                var shown = list
                var shownCount = count
                if let interest = state.pointee.responseInterest {
                    shown = pointee.filtered
                    shownCount = pick(interest, list, count, shown)
                }
                if shownCount > 0 {
                    for position in 0..<count { list[position].pointee.site = Int16(truncatingIfNeeded: index) }
                    pointee.disposalCount = 0
                    pointee.currentSite = Int16(truncatingIfNeeded: index)
                    callHook(
                        hook, state, "on_responses", connection, index, shown, shownCount,
                        state.pointee.responseTime)
                    if pointee.disposalCount > 0 {
                        var kept = 0
                        for position in 0..<count where list[position].pointee.disposition == .lent {
                            list[kept] = list[position]
                            kept &+= 1
                        }
                        count = kept
                    }
                }
            }
            index &-= 1
        }
        return count
    }

    /// A response has passed the first site of its chain: on to the outer chain, the operation or the client.
    @inline(__always)
    private func leaveChain(_ connection: ChainConnectionRef, _ response: MessageRef) {
        guard let request = response.pointee.exchange else {
            // A push.
            if let owner = connection.pointee.owner {
                response.pointee.connection = owner
                response.pointee.site = connection.pointee.ownerSite &+ 1
                response.pointee.disposition = .moved
                pointee.moves.append(response)
            } else if let client = connection.pointee.client, !client.pointee.event.isClosed {
                client.write(response)
            } else {
                response.end()
            }
            return
        }
        if request.pointee.outer != nil, let frame = request.frame(entering: connection) {
            return returnToOuter(frame, request, response)
        }
        if let operation = request.pointee.operation {
            return collect(operation, request, response)
        }
        if let client = connection.pointee.client {
            client.answered(response)
        } else {
            response.end()
        }
    }

    private func returnToOuter(_ frame: ReturnFrameRef, _ request: MessageRef, _ response: MessageRef) {
        response.pointee.connection = frame.pointee.connection
        // The site that sent it into the sub-chain sees the response first.
        response.pointee.site = frame.pointee.site &+ 1
        response.pointee.floor = frame.pointee.floor
        response.pointee.disposition = .moved
        pointee.moves.append(response)
        // The way back is needed until the last answer has gone it.
        guard !response.has(WEIR_M_MORE), frame == request.pointee.outer else { return }
        request.pointee.tags?.deallocate()
        request.pointee.tags = frame.pointee.tags
        request.pointee.outer = frame.pointee.outer
        request.pointee.connection = frame.pointee.connection
        request.pointee.site = frame.pointee.site
        request.pointee.floor = frame.pointee.floor
        let entered = frame.pointee.entered
        pointee.returnFrames.give(frame)
        entered.pendingEnded()
    }

    // MARK: moves

    /// Lets a message go on that was disposed of earlier.
    func move(_ message: MessageRef) {
        var message = message
        message.pointee.disposition = .lent
        guard let connection = message.pointee.connection else { return moveUnattached(message) }
        if !message.isRequest {
            let floor = Int(message.pointee.floor)
            let site = Int(message.pointee.site) - 1
            withUnsafeMutablePointer(to: &message) { deliver(connection, $0, 1, from: site, floor: floor) }
        } else if message.has(WEIR_M_DEAD) {
            message.pointee.target = nil
            abandon(message)
        } else if let target = message.pointee.target {
            message.pointee.target = nil
            message.pointee.disposition = .moved
            target.object.accept(message)
        } else {
            let site = Int(message.pointee.site) + 1
            withUnsafeMutablePointer(to: &message) { run(connection, $0, 1, from: site) }
        }
    }

    /// Lets a message go on that is in no chain: a request of an operation, or its answer.
    private func moveUnattached(_ message: MessageRef) {
        if message.isRequest, let target = message.pointee.target {
            message.pointee.target = nil
            message.pointee.disposition = .moved
            target.object.accept(message)
        } else if let request = message.pointee.exchange, let operation = request.pointee.operation {
            collect(operation, request, message)
        } else {
            message.end()
        }
    }

    /// Takes over the answer of an upstream to a request that is in no chain.
    public func deliverUnattached(_ response: MessageRef) { moveUnattached(response) }

    /// Ends what is under way for a request without an answer: nobody waits, or none was asked for.
    public func abandon(_ request: MessageRef) {
        request.pointee.disposition = .moved
        if request.has(WEIR_M_NO_REPLY), request.pointee.isOwed, let client = request.client {
            client.endedWithoutAnswer(request)
        } else if let operation = request.pointee.operation {
            collectNothing(operation, request, weir_status(WEIR_E_CANCELLED), isUnsent: true)
        } else {
            request.release()
        }
    }

    /// Answers a request with an error made here; it goes back through the sites before the one it is at.
    /// - Parameter flags: more WEIR_M_* for the response (WEIR_M_UNSENT).
    public func refuse(_ request: MessageRef, _ status: weir_status, _ text: weir_str, flags: Int = 0) {
        if request.has(WEIR_M_NO_REPLY) { return abandon(request) }
        let response = errorResponse(to: request, status, text, flags)
        request.pointee.disposition = .moved
        response.pointee.disposition = .moved
        pointee.moves.append(response)
    }

    public func refuse(_ request: MessageRef, _ status: weir_status, _ text: StaticString, flags: Int = 0) {
        refuse(request, status, weir_str(text), flags: flags)
    }

    /// An error response in the words of the request's protocol; takes over one hold on the request.
    func errorResponse(to request: MessageRef, _ status: weir_status, _ text: weir_str, _ flags: Int) -> MessageRef {
        let bytes = codec(request.pointee.head.protocol)?.errorResponse(status, text) ?? []
        let response = bytes.withUnsafeBytes {
            makeResponse(to: request, copying: $0, flags: flags | WEIR_M_LOCAL | WEIR_M_ERROR)
        }
        response.pointee.head.status = status
        return response
    }

    /// A plugin has kept a request for too long: its client gets an error, the plugin keeps a dead message.
    func answerForPlugin(_ request: MessageRef) {
        request.set(WEIR_M_DEAD)
        request.pointee.holds &+= 1
        let response = errorResponse(
            to: request, weir_status(WEIR_E_TIMEOUT), weir_str("a transform did not answer in time" as StaticString), 0)
        // What waits behind it at the exit of the transform goes on.
        if request.pointee.isSequenced { drainExit(request) }
        if let client = request.client { client.answered(response) } else { response.end() }
    }
}
