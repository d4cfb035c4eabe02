// What becomes of a client when a request that shapes its session fails without the server's word: what it sent behind
// was meant for a session that does not come to be (the commands behind MULTI, the writes behind SELECT), so none of it
// may be executed, and the client is closed once it has been told.

import CWeir
import WeirBase
import WeirChain
import WeirRESP
import WeirWire

extension Route {
    /// Requests behind this one mean something else when it has failed.
    static func shapesSession(_ request: MessageRef) -> Bool {
        switch effect(request) {
        case .multi, .watch, .subscribe, .patternSubscribe, .shardSubscribe, .select, .auth, .hello, .clientSetname,
            .clientTracking, .clientReply, .readonlyMode, .scriptDebug:
            true
        default: false
        }
    }
}

extension UnsafeMutablePointer where Pointee == Route {
    /// The proxy itself has failed a request that an upstream had.
    func failed(_ request: MessageRef) {
        if Route.isSubscription(request) { subscriptionAnswered() }
        switch Route.effect(request) {
        case .select, .hello, .auth, .overtaking:
            pointee.isChanging = false
            due()
        default: break
        }
        guard Route.shapesSession(request) else { return }
        while let message = pointee.waiting.popFirst() { refuseBehind(message) }
        endClient()
    }

    /// Refuses a request that was sent behind one that failed.
    func refuseBehind(_ message: MessageRef) {
        message.pointee.worker.refuse(
            message, weir_status(WEIR_E_UNAVAILABLE),
            "not sent: a command before it, which decides about the session, has failed", flags: WEIR_M_UNSENT)
    }
}
