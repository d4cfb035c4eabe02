// How a connection comes up, and what becomes of its requests when it goes down.
//
// Written requests are answered honestly (they may have been executed); what was not written whole waits for the next
// connection until its deadline.

import CWeir
import Glibc
import WeirBase
import WeirChain
import WeirNet
import WeirRESP
import WeirWire

extension UnsafeMutablePointer where Pointee == Connection {
    // MARK: coming up

    /// Starts an attempt unless one is under way or the back-off forbids it.
    func connectIfDue() {
        let worker = self.worker
        guard pointee.state == .down, worker.pointee.head.now_ns >= pointee.nextAttempt else { return }
        let target = self.target
        pointee.connectDeadline = worker.pointee.head.now_ns &+ target.plan.connectNanoseconds
        guard let address = target.nextAddress() else {
            pointee.state = .resolving
            target.resolve()
            return
        }
        connect(address)
    }

    /// The names have been resolved, or not.
    func resolved(_ failure: String?) {
        guard pointee.state == .resolving else { return }
        if let failure { return attemptFailed(failure) }
        guard let address = target.nextAddress() else { return attemptFailed("its name has no address") }
        connect(address)
    }

    private func connect(_ address: SocketAddress) {
        let worker = self.worker
        let descriptor = worker.pointee.net.slow.connect(address)
        guard descriptor >= 0 else { return attemptFailed(errorText(-descriptor)) }
        pointee.descriptor = descriptor
        pointee.state = .connecting
        pointee.event.isClosed = false
        worker.pointee.net.slow.setNoDelay(descriptor)
        worker.pointee.net.slow.setKeepAlive(descriptor)
        if worker.pointee.net.watch(descriptor, UInt64(UInt(bitPattern: self)), .writable) < 0 {
            attemptFailed("cannot watch the socket")
        }
    }

    /// The socket is connected, or not.
    func connected() {
        let worker = self.worker
        let outcome = worker.pointee.net.slow.connectOutcome(pointee.descriptor)
        guard outcome == 0 else { return attemptFailed(errorText(outcome)) }
        let target = self.target
        target.codec.openResponses(&pointee.decoder)
        pointee.input = InputBuffer()
        pointee.isWriteWatched = false
        pointee.isReadPaused = false
        watch()
        let (bytes, count) = target.greeting(pointee.lane, probes: pointee.isShared)
        pointee.greetingCount = count
        guard count > 0 else { return becomeReady() }
        pointee.state = .greeting
        pointee.greeting = bytes.withUnsafeBytes { worker.pointee.slabs.copy($0) }
        pointee.greetingOffset = 0
        writeGreeting()
    }

    /// Writes what the socket takes of the greeting.
    func writeGreeting() {
        guard let greeting = pointee.greeting else { return }
        let worker = self.worker
        let count = greeting.pointee.filled - pointee.greetingOffset
        var vector = iovec(iov_base: greeting.start + pointee.greetingOffset, iov_len: count)
        let written = worker.pointee.net.write(pointee.descriptor, &vector, 1)
        if written < 0, written != -Int(EAGAIN) { return attemptFailed(errorText(Int32(-written))) }
        pointee.greetingOffset += Swift.max(0, written)
        if pointee.greetingOffset == greeting.pointee.filled {
            pointee.greeting = nil
            greeting.release()
        }
        if (pointee.greeting == nil) == pointee.isWriteWatched {
            pointee.isWriteWatched.toggle()
            watch()
        }
    }

    /// A reply to the greeting.
    /// - Returns: false when the server refuses and the attempt has ended.
    func greeted(_ frame: Frame, _ base: UnsafeMutablePointer<UInt8>) -> Bool {
        guard pointee.greeting == nil else {
            attemptFailed("answered before it was asked")
            return false
        }
        if frame.kind == UInt16(WEIR_PUSH) { return true }
        if frame.flags & UInt32(WEIR_M_ERROR) == 0 {
            pointee.greetingCount &-= 1
            return true
        }
        let reply = Array(UnsafeRawBufferPointer(start: base + frame.offset, count: frame.byteCount))
        if pointee.isShared, pointee.lane.pointee.key == LaneKey(), target.plan.password == nil {
            // The answer to PING: an error of a server that is there and will say the same to clients.
            if reply.starts(with: "-NOAUTH".utf8) { target.noteAuthentication() }
            if Connection.harmlessErrors.contains(where: { reply.starts(with: $0.utf8) }) {
                pointee.greetingCount &-= 1
                return true
            }
        }
        if mayAskInOtherOrder(reply) {
            pointee.lane.pointee.selectsFirst = true
            attemptFailed("refused the greeting", isOfServer: false)
            if pointee.first != nil { connectIfDue() }
            return false
        }
        Log.warn(
            "upstream.refused", ["upstream": target.name, "reply": String(decoding: reply.dropLast(2), as: UTF8.self)])
        refuseAll(reply)
        // What a client has asked for (a database, a user) says nothing of the server.
        attemptFailed("refused the greeting", isOfServer: pointee.lane.pointee.key == LaneKey())
        return false
    }

    /// A user that may not SELECT got into its database before it authenticated; so does the greeting.
    private func mayAskInOtherOrder(_ reply: [UInt8]) -> Bool {
        let lane = pointee.lane.pointee
        return lane.key.identity > 0 && lane.key.database > 0 && !lane.selectsFirst
            && reply.starts(with: "-NOPERM".utf8)
    }

    func becomeReady() {
        let target = self.target
        let worker = self.worker
        pointee.state = .ready
        pointee.readySince = worker.pointee.head.now_ns
        pointee.lastProgress = worker.pointee.head.now_ns
        target.connects.pointee &+= 1
        target.noteUp()
        if pointee.firstUnsent != nil, !pointee.isDirty { markDirty() }
    }

    // MARK: going down

    /// An attempt to connect did not succeed: nothing was sent.
    /// - Parameter isOfServer: it tells that the server is not to be reached there.
    func attemptFailed(_ reason: String, isOfServer: Bool = true) {
        let target = self.target
        let worker = self.worker
        closeSocket()
        pointee.state = .down
        pointee.failureCount &+= 1
        pointee.nextAttempt = worker.pointee.head.now_ns &+ target.backoff(pointee.failureCount)
        target.connectFailures.pointee &+= 1
        if isOfServer { target.noteUnreachable(reason) }
        if pointee.first == nil, !pointee.isShared { target.discard(self) }
    }

    /// The connection broke while it was in use.
    func lost(_ reason: String) {
        let target = self.target
        let worker = self.worker
        if pointee.state != .ready { return attemptFailed(reason) }
        let now = worker.pointee.head.now_ns
        closeSocket()
        pointee.state = .down
        target.losses.pointee &+= 1
        if pointee.first != nil {
            Log.warn("upstream.lost", ["upstream": target.name, "reason": reason])
        }
        let text = "upstream \(target.name) \(reason) before it answered; the command may have been executed"
        var hasLostState = false
        withText(text) { text in
            while let request = oldestSent {
                _ = popFirst()
                let route = Route.of(request)
                route.failed(request)
                if !pointee.isShared { hasLostState = hasLostState || Route.shapesSession(request) }
                worker.refuse(request, weir_status(WEIR_E_UNAVAILABLE), text)
                route.answered()
            }
        }
        pointee.unsentOffset = 0
        pointee.queuedByteCount = 0
        var unsent = pointee.firstUnsent
        while let request = unsent {
            pointee.queuedByteCount &+= request.byteCount
            unsent = request.pointee.next
        }
        if now &- pointee.readySince > Connection.steadyNanoseconds {
            pointee.failureCount = 0
            pointee.nextAttempt = 0
        } else {
            // A server that accepts and closes at once is asked with a growing distance, too.
            pointee.failureCount &+= 1
            pointee.nextAttempt = now &+ target.backoff(pointee.failureCount)
        }
        if pointee.isShared {
            if pointee.firstUnsent != nil { connectIfDue() }
        } else {
            ownerLoses(hasLostState)
        }
    }

    /// A connection of one client is gone: what the server kept for the client is gone with it.
    /// - Parameter hasLostState: a request that was to change the state is among what was lost.
    private func ownerLoses(_ hasLostState: Bool) {
        let worker = self.worker
        guard let route = pointee.route else { return target.discard(self) }
        pointee.route = nil
        route.pointee.pinned = nil
        let hadState = hasLostState || !route.pointee.session.isPlain
        var unsent = MessageQueue()
        while let request = popFirst() {
            route.pointee.inFlight &-= 1
            if hadState {
                worker.refuse(
                    request, weir_status(WEIR_E_UNAVAILABLE), "the upstream connection of this client was lost",
                    flags: WEIR_M_UNSENT)
            } else {
                unsent.append(request)
            }
        }
        // Before whatever has been waiting behind them.
        while let request = route.pointee.waiting.popFirst() { unsent.append(request) }
        route.pointee.waiting = unsent
        if hadState { route.endClient() }
        route.reset()
        route.due()
        target.discard(self)
    }

    /// Answers everything that waits for this connection with the server's own refusal.
    private func refuseAll(_ reply: [UInt8]) {
        let worker = self.worker
        while let request = popFirst() {
            let route = Route.of(request)
            if Route.isSubscription(request) { route.subscriptionAnswered() }
            if request.has(WEIR_M_NO_REPLY) {
                worker.abandon(request)
            } else {
                let response = reply.withUnsafeBytes {
                    worker.makeResponse(to: request, copying: $0, flags: WEIR_M_ERROR | WEIR_M_UNSENT)
                }
                route.learn(request, response)
                response.pointee.disposition = .moved
                worker.pointee.moves.append(response)
            }
            route.answered()
        }
        pointee.queuedByteCount = 0
        pointee.unsentOffset = 0
    }

    /// Fails what has waited longer than a connection may take.
    func failOverdue(_ now: UInt64) {
        let worker = self.worker
        let target = self.target
        let limit = target.plan.connectNanoseconds
        var hasLostState = false
        while let request = pointee.first, request == pointee.firstUnsent,
            now &- request.pointee.sentNanoseconds > limit
        {
            _ = popFirst()
            pointee.queuedByteCount &-= request.byteCount
            let route = Route.of(request)
            route.failed(request)
            hasLostState = hasLostState || Route.shapesSession(request)
            withText("upstream \(target.name) is not reachable: \(target.lastFailure); nothing was sent") {
                worker.refuse(request, weir_status(WEIR_E_UNAVAILABLE), $0, flags: WEIR_M_UNSENT)
            }
            route.answered()
        }
        guard hasLostState, !pointee.isShared else { return }
        while let request = popFirst() {
            pointee.queuedByteCount &-= request.byteCount
            let route = Route.of(request)
            route.refuseBehind(request)
            route.answered()
        }
    }

    func closeSocket() {
        guard pointee.descriptor >= 0 else { return }
        worker.pointee.net.close(pointee.descriptor)
        pointee.descriptor = -1
        pointee.event.isClosed = true
        pointee.input.clear()
        pointee.greeting?.release()
        pointee.greeting = nil
        if pointee.state == .ready || pointee.state == .greeting { target.codec.closeResponses(&pointee.decoder) }
    }

    // MARK: deadlines

    func sweep(_ now: UInt64) {
        let target = self.target
        switch pointee.state {
        case .resolving, .connecting, .greeting:
            if now > pointee.connectDeadline {
                attemptFailed("did not answer within \(target.plan.connectNanoseconds / 1_000_000) ms")
            }
            failOverdue(now)
        case .down:
            failOverdue(now)
            if pointee.first != nil {
                connectIfDue()
            } else if pointee.isShared ? pointee.isDetached && pointee.sharerCount == 0 : pointee.route == nil {
                target.discard(self)
            }
        case .ready:
            if pointee.isShared { leaveIfSlow(now) }
            checkAnswers(now)
        case .dead: break
        }
    }

    /// An answer that takes long (a script, a huge range) holds up whoever shares the connection: only those in flight wait.
    private func leaveIfSlow(_ now: UInt64) {
        if pointee.isDetached {
            if pointee.first == nil, pointee.sharerCount == 0 { target.discard(self) }
        } else if let head = oldestSent,
            now &- head.pointee.sentNanoseconds > Swift.max(Connection.slowNanoseconds, 8 &* target.usualNanoseconds)
        {
            target.detach(self)
        }
    }

    private func checkAnswers(_ now: UInt64) {
        let limit = target.plan.requestNanoseconds
        guard limit > 0, !pointee.isReadPaused, let head = pointee.first else { return }
        if head != pointee.firstUnsent, Route.mayBlock(head) { return }
        let since = Swift.max(
            head.pointee.sentNanoseconds, Swift.min(pointee.lastProgress, head.pointee.sentNanoseconds &+ limit &* 9))
        if now > since, now - since > limit { lost("did not answer within \(limit / 1_000_000) ms") }
    }
}
