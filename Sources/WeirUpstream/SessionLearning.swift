// What answers teach about a session: it changes when the server says so, not when the client asks.

import CWeir
import WeirBase
import WeirChain
import WeirRESP
import WeirWire

extension UnsafeMutablePointer where Pointee == Route {
    /// Takes note of the answer to a request that concerns the session, or of an error.
    func learn(_ request: MessageRef, _ response: MessageRef) {
        let isError = response.has(WEIR_M_ERROR)
        let effect = Route.effect(request)
        if effect == .none {
            if isError { noteError(response) }
            return
        }
        let wasInTransaction = pointee.session.isInTransaction
        if wasInTransaction, effect != .exec, effect != .discard, effect != .unwatch, !isError {
            // Queued: it acts when EXEC does, and what it does then is not looked into. The connection is not
            // given to anybody else any more.
            if effect != .watch, effect != .blocking, effect != .blockingIfOption { pointee.session.isSticky = true }
            return
        }
        switch effect {
        case .multi: if !isError { pointee.session.isInTransaction = true }
        case .exec, .discard:
            pointee.session.isInTransaction = false
            pointee.session.isWatching = false
        case .watch: if !isError { pointee.session.isWatching = true }
        case .unwatch: if !isError, !wasInTransaction { pointee.session.isWatching = false }
        case .clientSetname:
            if !isError {
                pointee.session.name = RequestArguments.argument(2, of: request.wireBytes).map { Array($0) } ?? []
            }
        case .clientTracking: if !isError { pointee.session.isTracking = SessionArguments.isOn(2, request) }
        case .clientIdentity, .readonlyMode, .scriptDebug, .wait: pointee.session.isSticky = true
        case .select, .hello, .auth: learnLane(effect, request, isError)
        case .overtaking:
            pointee.isChanging = false
            due()
        default: break
        }
        if isError { noteError(response) }
        pointee.session.publish()
    }

    private func learnLane(_ effect: SessionEffect, _ request: MessageRef, _ isError: Bool) {
        pointee.isChanging = false
        due()
        if isError { return }
        var key = pointee.session.key
        switch effect {
        case .select:
            guard let argument = RequestArguments.argument(1, of: request.wireBytes),
                let database = SessionArguments.number(argument)
            else { return }
            key.database = UInt32(clamping: database)
        case .auth:
            key.identity = target.identity(SessionArguments.credentials(ofAuth: request.wireBytes))
        default:
            let hello = SessionArguments.Hello(request.wireBytes)
            if let version = hello.version { key.version = version }
            if let identity = hello.identity { key.identity = target.identity(identity) }
            if let name = hello.name { pointee.session.name = name }
        }
        if key.identity != pointee.session.key.identity { pointee.connection?.pointee.client?.restrict(false) }
        pointee.session.key = key
        moveToLane()
    }

    /// Uses the lane of the session's key from now on.
    func moveToLane() {
        pointee.connection?.pointee.protocolVersion = UInt32(pointee.session.key.version)
        pointee.session.publish()
        let target = self.target
        guard let lane = target.lane(pointee.session.key) else {
            // Too many lanes: the client keeps its own connection, or gets one with its next request.
            pointee.session.isSticky = true
            return
        }
        lane.pointee.routeCount += 1
        pointee.lane.pointee.routeCount -= 1
        pointee.lane = lane
        pointee.pinned?.pointee.lane = lane
        share(nil)
    }

    /// NOAUTH tells that the server wants a password: clients without one get the smaller limits.
    private func noteError(_ response: MessageRef) {
        guard response.byteCount > 7, pointee.session.key.identity == 0 else { return }
        let isNoAuth = response.wireBytes.prefix(7).elementsEqual("-NOAUTH".utf8)
        if isNoAuth { target.noteAuthentication() }
    }
}

/// Arguments of requests that concern the session.
enum SessionArguments {
    /// A decimal number without a sign, small enough to count with; nil otherwise.
    static func number(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count > 0, bytes.count < 10 else { return nil }
        var value = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    static func isOn(_ index: Int, _ request: MessageRef) -> Bool {
        guard let word = RequestArguments.argument(index, of: request.wireBytes) else { return false }
        return RequestArguments.isWord(word, "ON")
    }

    /// AUTH password, or AUTH user password.
    static func credentials(ofAuth frame: UnsafeRawBufferPointer) -> Identity {
        let first = RequestArguments.argument(1, of: frame).map { Array($0) } ?? []
        guard let second = RequestArguments.argument(2, of: frame) else { return Identity(user: nil, password: first) }
        return Identity(user: first, password: Array(second))
    }

    /// HELLO [version [AUTH user password] [SETNAME name]].
    struct Hello {
        var version: UInt8?
        var identity: Identity?
        var name: [UInt8]?

        init(_ frame: UnsafeRawBufferPointer) {
            var arguments = RequestArguments(frame)
            _ = arguments.next()
            if let argument = arguments.next(), let number = SessionArguments.number(argument) {
                version = UInt8(clamping: number)
            }
            while let word = arguments.next() {
                if RequestArguments.isWord(word, "AUTH"), let user = arguments.next(), let password = arguments.next() {
                    identity = Identity(user: Array(user), password: Array(password))
                } else if RequestArguments.isWord(word, "SETNAME"), let text = arguments.next() {
                    name = Array(text)
                }
            }
        }
    }
}
