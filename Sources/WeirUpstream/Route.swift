// A route: how the requests of one client reach one target.
//
//                     ┌── shared ◄───────────── plain session, nothing in flight on pinned
//     requests ──► place                                    ▲
//                     │                                     │ all answered, session plain
//                     └── waiting ──► (nothing in flight) ──┴─► pinned (a connection of its own)
//
// A client's requests take effect in their order: before it changes connections, everything it has in flight is
// awaited. While it is pinned everything streams over its own connection, in the server's order.

import CWeir
import WeirBase
import WeirChain
import WeirRESP
import WeirWire

typealias RouteRef = UnsafeMutablePointer<Route>

struct Route {
    /// nil for requests that plugins send on no connection's behalf.
    let connection: ChainConnectionRef?
    let target: Unmanaged<RESPTarget>
    /// Next in the connection's list.
    var next: RouteRef?
    var session = Session()
    var lane: LaneRef
    var shared: ConnectionRef?
    /// `shared` is the lane's connection for scripts.
    var isOnScripts = false
    var pinned: ConnectionRef?
    /// Requests that wait for the ones in flight.
    var waiting = MessageQueue()
    var inFlight: Int32 = 0
    /// A request that decides about the lane is in flight.
    var isChanging = false
    /// Everything that waits was sent behind a request that was refused.
    var refusesWaiting = false
    var isDue = false
    var isGone = false
    /// Subscribing or un-subscribing requests in flight, and confirmations that the oldest is owed.
    var subscriptionsInFlight: Int32 = 0
    var confirmationsLeft: Int32 = 0
    /// Most requests that may be in flight on a shared connection, from the sizes of recent answers.
    var window: Int32 = Route.firstWindow
    var answerByteCount = 0
    /// Where in its chain the requests come from.
    var site: Int16 = 0
    var nextDue: RouteRef?

    /// A client may have answers of about this many bytes in flight on a connection that it shares.
    static let windowByteCount = 4 << 20
    static let maximumWindow: Int32 = 128
    /// Before the size of any answer is known.
    static let firstWindow: Int32 = 8

    /// Frames without a request may come for it.
    var mayBePushed: Bool { subscriptionsInFlight > 0 || session.subscriptionCount > 0 }

    /// The route of a request that an upstream has.
    @inline(__always)
    static func of(_ message: MessageRef) -> RouteRef {
        // Safe: set when the request was placed; the route lives until nothing is in flight.
        RouteRef(bitPattern: UInt(message.pointee.upstreamWord)).unsafelyUnwrapped
    }

    static func effect(_ message: MessageRef) -> SessionEffect {
        message.pointee.head.flags & Frame.changesSession == 0
            ? .none : CommandTable.traits(message.pointee.command).effect
    }

    static func isSubscription(_ message: MessageRef) -> Bool {
        switch effect(message) {
        case .subscribe, .patternSubscribe, .shardSubscribe, .unsubscribe, .patternUnsubscribe, .shardUnsubscribe: true
        default: false
        }
    }

    /// The server may take its time over it.
    static func mayBlock(_ message: MessageRef) -> Bool {
        switch effect(message) {
        case .blocking, .blockingIfOption, .wait: true
        default: isSubscription(message)
        }
    }
}

extension UnsafeMutablePointer where Pointee == Route {
    var target: RESPTarget { pointee.target.takeUnretainedValue() }

    // MARK: placing requests

    /// Takes over a request.
    @inline(__always)
    func submit(_ message: MessageRef) {
        // Edits first: they may have made another command of it.
        if message.pointee.body != nil { message.encodeEdits() }
        if pointee.pinned == nil, message.pointee.head.flags & Frame.changesSession == 0,
            pointee.inFlight < pointee.window, pointee.waiting.isEmpty, !pointee.isChanging,
            let shared = pointee.shared, !shared.pointee.isDetached, !pointee.isOnScripts
        {
            send(message, on: shared)
        } else {
            submitSlowly(message)
        }
    }

    private func submitSlowly(_ message: MessageRef) {
        message.pointee.sentNanoseconds = message.pointee.worker.pointee.head.now_ns
        if !pointee.waiting.isEmpty || pointee.isChanging || !place(message) {
            pointee.waiting.append(message)
        }
    }

    @inline(__always)
    func send(_ message: MessageRef, on connection: ConnectionRef) {
        message.pointee.upstreamWord = UInt64(UInt(bitPattern: self))
        message.pointee.sentNanoseconds = message.pointee.worker.pointee.head.now_ns
        pointee.inFlight &+= 1
        connection.append(message)
    }

    /// Finds the connection for a request and queues it there, or answers it here.
    /// - Returns: false when it has to wait for what is in flight.
    private func place(_ message: MessageRef) -> Bool {
        let effect = Route.effect(message)
        switch effect {
        case .quit:
            answer(message, "+OK\r\n")
            return true
        case .refused:
            target.refuseCommand(message)
            return true
        case .reset: return placeReset(message)
        default: break
        }
        if let pinned = pointee.pinned { return placePinned(message, effect, pinned) }
        switch effect {
        case .none, .exec, .discard, .unwatch, .clientSetinfo: return placeShared(message)
        case .blockingIfOption:
            return CommandTable.blocks(message.pointee.command, message.wireBytes)
                ? placeOnOwn(message, effect) : placeShared(message)
        case .overtaking: return placeOvertaking(message)
        case .select: return placeSelect(message)
        case .hello: return placeHello(message)
        default: return placeOnOwn(message, effect)
        }
    }

    private func placeShared(_ message: MessageRef) -> Bool {
        guard pointee.inFlight < pointee.window, !isHeldBack else { return false }
        let isScript = CommandTable.traits(message.pointee.command).flags & UInt32(WEIR_RESP_SCRIPT) != 0
        if isScript != pointee.isOnScripts {
            guard pointee.inFlight == 0 else { return false }
            share(nil)
            pointee.isOnScripts = isScript
        }
        if pointee.inFlight == 0, pointee.shared?.pointee.isDetached == true { share(nil) }
        let connection = pointee.shared ?? target.sharedConnection(pointee.lane, forScripts: isScript)
        share(connection)
        send(message, on: connection)
        return true
    }

    /// Stays with a shared connection from now on, or with none.
    func share(_ connection: ConnectionRef?) {
        if pointee.shared == connection { return }
        pointee.shared?.pointee.sharerCount -= 1
        connection?.pointee.sharerCount += 1
        pointee.shared = connection
    }

    /// A command that ends what others wait for goes over a connection where nobody waits. It concerns the server, not a
    /// database: without a SELECT before it, which a busy server would refuse.
    private func placeOvertaking(_ message: MessageRef) -> Bool {
        guard pointee.inFlight == 0 else { return placeShared(message) }
        var key = pointee.session.key
        key.database = 0
        guard let lane = target.lane(key), let own = target.ownConnection(lane) else { return placeShared(message) }
        own.pointee.route = self
        pointee.pinned = own
        pointee.isChanging = true
        return placePinned(message, .overtaking, own)
    }

    /// The client does not read its answers: nothing more is asked for on a shared connection.
    private var isHeldBack: Bool { pointee.connection?.pointee.client?.isOutputFull ?? false }

    private func placeOnOwn(_ message: MessageRef, _ effect: SessionEffect) -> Bool {
        guard pointee.inFlight == 0 else { return false }
        guard let own = target.ownConnection(pointee.lane) else {
            message.pointee.worker.refuse(
                message, weir_status(WEIR_E_FULL), "max number of upstream connections reached", flags: WEIR_M_UNSENT)
            if Route.shapesSession(message) {
                // What was read together with it was meant for its session; `proceed` refuses that.
                pointee.isChanging = true
                pointee.refusesWaiting = true
                due()
            }
            return true
        }
        own.pointee.route = self
        pointee.pinned = own
        return placePinned(message, effect, own)
    }

    private func placePinned(_ message: MessageRef, _ effect: SessionEffect, _ connection: ConnectionRef) -> Bool {
        if effect == .clientReply { noteReplyMode(message) }
        let isSkipped = pointee.session.isReplySkipped && effect != .clientReply
        if pointee.session.isReplyOff || isSkipped || (effect == .clientReply && pointee.session.isReplySkipped) {
            message.set(WEIR_M_NO_REPLY)
        }
        if isSkipped { pointee.session.isReplySkipped = false }
        if Route.isSubscription(message) { pointee.subscriptionsInFlight += 1 }
        send(message, on: connection)
        return true
    }

    /// CLIENT REPLY acts when the server reads it, and OFF and SKIP have no answer.
    private func noteReplyMode(_ message: MessageRef) {
        guard let mode = RequestArguments.argument(2, of: message.wireBytes) else { return }
        if RequestArguments.isWord(mode, "OFF") {
            pointee.session.isReplyOff = true
        } else if RequestArguments.isWord(mode, "ON") {
            pointee.session.isReplyOff = false
            pointee.session.isReplySkipped = false
        } else if RequestArguments.isWord(mode, "SKIP"), !pointee.session.isReplyOff {
            pointee.session.isReplySkipped = true
        }
    }

    /// SELECT n goes over the lane of database n, where it changes nothing.
    private func placeSelect(_ message: MessageRef) -> Bool {
        guard pointee.inFlight == 0 else { return false }
        guard let argument = RequestArguments.argument(1, of: message.wireBytes),
            let database = SessionArguments.number(argument), database <= 4095
        else { return placeOnOwn(message, .select) }
        var key = pointee.session.key
        key.database = UInt32(database)
        return placeOnLane(message, key)
    }

    /// HELLO n without credentials goes over the lane of that version, where it changes nothing.
    private func placeHello(_ message: MessageRef) -> Bool {
        guard pointee.inFlight == 0 else { return false }
        guard let argument = RequestArguments.argument(1, of: message.wireBytes) else { return placeShared(message) }
        guard RequestArguments.argument(2, of: message.wireBytes) == nil,
            let version = SessionArguments.number(argument),
            version == 2 || version == 3
        else { return placeOnOwn(message, .hello) }
        var key = pointee.session.key
        key.version = UInt8(version)
        return placeOnLane(message, key)
    }

    private func placeOnLane(_ message: MessageRef, _ key: LaneKey) -> Bool {
        guard let lane = target.lane(key) else { return placeOnOwn(message, Route.effect(message)) }
        pointee.isChanging = true
        send(message, on: target.sharedConnection(lane))
        return true
    }

    /// RESET is answered here: the client gets a fresh session, its own connection is closed.
    private func placeReset(_ message: MessageRef) -> Bool {
        guard pointee.inFlight == 0 else { return false }
        if let pinned = pointee.pinned {
            pointee.pinned = nil
            pinned.pointee.route = nil
            target.discard(pinned)
        }
        reset()
        target.restrictIfNeeded(self)
        answer(message, "+RESET\r\n")
        return true
    }

    private func answer(_ message: MessageRef, _ text: StaticString) {
        let worker = message.pointee.worker
        let bytes = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        message.pointee.disposition = .moved
        let response = worker.makeResponse(to: message, copying: bytes, flags: WEIR_M_LOCAL)
        response.pointee.disposition = .moved
        worker.pointee.moves.append(response)
    }

    /// Starts the session anew, as a fresh connection would.
    func reset() {
        pointee.session = Session()
        pointee.isChanging = false
        pointee.confirmationsLeft = 0
        pointee.subscriptionsInFlight = 0
        moveToLane()
    }

    // MARK: answers

    /// One request in flight less.
    @inline(__always)
    func answered() {
        pointee.inFlight &-= 1
        if !pointee.waiting.isEmpty || pointee.isGone || (pointee.inFlight == 0 && pointee.pinned != nil) { due() }
    }

    /// Sees to it that `proceed` is called at the end of the turn.
    func due() {
        guard !pointee.isDue else { return }
        pointee.isDue = true
        pointee.target._withUnsafeGuaranteedRef {
            pointee.nextDue = nil
            if let last = $0.layer.lastDue { last.pointee.nextDue = self } else { $0.layer.firstDue = self }
            $0.layer.lastDue = self
        }
    }

    /// Gives an own connection back when it is not needed any more, and places what waited.
    func proceed() {
        pointee.isDue = false
        if pointee.isGone {
            if pointee.inFlight == 0 { target.free(self) }
            return
        }
        if pointee.refusesWaiting {
            pointee.refusesWaiting = false
            pointee.isChanging = false
            while let message = pointee.waiting.popFirst() { refuseBehind(message) }
        }
        if pointee.inFlight == 0, let pinned = pointee.pinned, pointee.session.isPlain,
            pointee.subscriptionsInFlight == 0
        {
            let next = pointee.waiting.first.map { Route.effect($0) } ?? SessionEffect.none
            if !next.needsOwnConnection {
                pointee.pinned = nil
                pinned.pointee.route = nil
                target.giveBack(pinned)
            }
        }
        while !pointee.isChanging, let message = pointee.waiting.popFirst() {
            if !place(message) {
                pointee.waiting.prepend(message)
                break
            }
        }
    }

    /// Keeps the window in step with the size of answers.
    @inline(__always)
    func noteReply(_ byteCount: Int) {
        let decayed = pointee.answerByteCount &- pointee.answerByteCount &>> 6
        let size = Swift.max(byteCount, decayed)
        if size == pointee.answerByteCount { return }
        pointee.answerByteCount = size
        pointee.window =
            size <= Route.windowByteCount / Int(Route.maximumWindow)
            ? Route.maximumWindow : Int32(truncatingIfNeeded: Swift.max(1, Route.windowByteCount / size))
    }

    /// The client cannot go on: the state that the server kept for it is lost.
    func endClient() {
        if let client = pointee.connection?.pointee.client { client.worker.finishClient(client) }
    }

    // MARK: subscriptions

    /// A push for the client.
    func push(_ slab: SlabRef, _ bytes: UnsafeRawBufferPointer) {
        guard let connection = pointee.connection, !pointee.isGone, let start = bytes.baseAddress else { return }
        let worker = target.worker
        slab.retain()
        var message = worker.makeMessage(
            kind: UInt16(WEIR_PUSH), protocolNumber: connection.pointee.head.protocol, slab: slab,
            wire: UnsafeMutablePointer<UInt8>(mutating: start.assumingMemoryBound(to: UInt8.self)),
            byteCount: bytes.count)
        message.pointee.connection = connection
        message.pointee.head.conn = connection.handle
        message.pointee.site = pointee.site
        withUnsafeMutablePointer(to: &message) { worker.deliver(connection, $0, 1, from: Int(pointee.site)) }
    }

    /// Keeps count of subscriptions from what the server says.
    func noteSubscription(_ event: PubSubReply) {
        switch event.kind {
        case .subscribe, .unsubscribe:
            if event.kind == .unsubscribe, pointee.confirmationsLeft == 0 { startConfirmations(.unsubscribe) }
            pointee.session.channelCount = Swift.max(0, Int32(clamping: event.remaining) - pointee.session.patternCount)
        case .patternSubscribe, .patternUnsubscribe:
            if event.kind == .patternUnsubscribe, pointee.confirmationsLeft == 0 {
                startConfirmations(.patternUnsubscribe)
            }
            pointee.session.patternCount = Swift.max(0, Int32(clamping: event.remaining) - pointee.session.channelCount)
        case .shardSubscribe, .shardUnsubscribe:
            if event.kind == .shardUnsubscribe, pointee.confirmationsLeft == 0 { startConfirmations(.shardUnsubscribe) }
            pointee.session.shardCount = Int32(clamping: event.remaining)
        case .message, .patternMessage, .shardMessage, .invalidate, .pong, .other: break
        }
        pointee.session.publish()
    }

    /// Before the counts change: how many confirmations an un-subscription of everything will get.
    private func startConfirmations(_ effect: SessionEffect) {
        let count: Int32 =
            switch effect {
            case .unsubscribe: pointee.session.channelCount
            case .patternUnsubscribe: pointee.session.patternCount
            default: pointee.session.shardCount
            }
        pointee.confirmationsLeft = -Swift.max(1, count)
    }

    /// A confirmation has come for the oldest request.
    /// - Returns: how many more it will get.
    func confirmed(_ request: MessageRef, _ event: PubSubReply) -> Int32 {
        if pointee.confirmationsLeft <= 0 {
            var arguments = RequestArguments(request.wireBytes)
            var count: Int32 = -1
            while arguments.next() != nil { count += 1 }
            pointee.confirmationsLeft = count > 0 ? count : Swift.max(1, -pointee.confirmationsLeft)
        }
        pointee.confirmationsLeft -= 1
        return pointee.confirmationsLeft
    }

    func subscriptionAnswered() {
        pointee.subscriptionsInFlight = Swift.max(0, pointee.subscriptionsInFlight - 1)
        pointee.confirmationsLeft = 0
    }
}

extension PubSubReply.Kind {
    /// A message that somebody has published.
    var isMessage: Bool { self == .message || self == .patternMessage || self == .shardMessage }
}
