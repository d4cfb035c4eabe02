// What the server sent, frame by frame, to whoever it is for.
//
// Answers come in the order of the requests; a frame without a request, on a connection that nobody has subscribed on,
// means that the two sides no longer agree on what is an answer to what, and the connection is given up: no client may
// ever get another's answer.

import CWeir
import WeirBase
import WeirChain
import WeirRESP
import WeirWire

extension UnsafeMutablePointer where Pointee == Connection {
    /// Hands out `count` frames of the worker that lie behind `base`.
    /// - Returns: false when the connection was given up.
    func handOut(_ slab: SlabRef, _ base: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
        let worker = self.worker
        let target = self.target
        let frames = worker.pointee.replyFrames
        let answers = worker.pointee.answers
        var index = 0
        if pointee.state == .greeting {
            while index < count, pointee.greetingCount > 0 {
                if !greeted(frames[index], base) { return false }
                index &+= 1
            }
            if pointee.greetingCount == 0 { becomeReady() }
        }
        let now = worker.pointee.head.now_ns
        let time = target.upstreamTime
        var gathered = 0
        while index < count {
            let frame = frames + index
            index &+= 1
            if oldestSent?.has(WEIR_M_NO_REPLY) == true { endOneWay() }
            if frame.pointee.kind == UInt16(WEIR_PUSH) || pointee.route?.pointee.mayBePushed == true {
                deliver(answers, &gathered)
                if !takeFromSubscriber(frame.pointee, slab, base) { return false }
                continue
            }
            guard let request = oldestSent else {
                deliver(answers, &gathered)
                lost("sent an answer that nobody had asked for")
                return false
            }
            _ = popFirst()
            slab.retain()
            let response = worker.makeMessage(
                kind: UInt16(WEIR_RESPONSE), protocolNumber: request.pointee.head.protocol, slab: slab,
                wire: base + frame.pointee.offset, byteCount: frame.pointee.byteCount)
            response.pointee.head.flags = frame.pointee.flags
            worker.link(response, to: request)
            let latency = now &- request.pointee.sentNanoseconds
            time.pointee.observe(latency)
            if gathered == 0 { target.noteLatency(latency) }
            let route = Route.of(request)
            if (request.pointee.head.flags & Frame.changesSession) | (frame.pointee.flags & UInt32(WEIR_M_ERROR)) != 0 {
                route.learn(request, response)
            }
            route.noteReply(frame.pointee.byteCount)
            route.answered()
            if gathered > 0,
                answers[0].pointee.connection != request.pointee.connection
                    || answers[0].pointee.site != request.pointee.site
                    || answers[0].pointee.floor != request.pointee.floor || request.pointee.connection == nil
            {
                deliver(answers, &gathered)
            }
            answers[gathered] = response
            gathered &+= 1
        }
        deliver(answers, &gathered)
        if pointee.first != nil, oldestSent?.has(WEIR_M_NO_REPLY) == true { endOneWay() }
        return true
    }

    /// Lets gathered answers of one connection go back through their chain.
    @inline(__always)
    private func deliver(_ answers: UnsafeMutablePointer<MessageRef>, _ count: inout Int) {
        guard count > 0 else { return }
        let worker = self.worker
        let floor = Int(answers[0].pointee.floor)
        if let connection = answers[0].pointee.connection {
            worker.deliver(connection, answers, count, from: Int(answers[0].pointee.site), floor: floor)
        } else {
            for index in 0..<count { worker.deliverUnattached(answers[index]) }
        }
        count = 0
    }

    /// A frame on a connection that may carry messages of subscriptions or other pushes.
    private func takeFromSubscriber(_ frame: Frame, _ slab: SlabRef, _ base: UnsafeMutablePointer<UInt8>) -> Bool {
        guard let route = pointee.route else {
            lost("sent a push that nobody had asked for")
            return false
        }
        let bytes = UnsafeRawBufferPointer(start: base + frame.offset, count: frame.byteCount)
        let event = PubSubReply(bytes)
        let head = oldestSent
        let isConfirmation = event.isConfirmation && head.map { Route.isSubscription($0) } == true
        if event.isConfirmation { route.noteSubscription(event) }
        if !isConfirmation, frame.kind == UInt16(WEIR_PUSH) || event.kind.isMessage || event.isConfirmation {
            if event.isConfirmation { route.pointee.confirmationsLeft = 0 }
            route.push(slab, bytes)
            return true
        }
        guard let request = head else {
            lost("sent an answer that nobody had asked for")
            return false
        }
        let worker = self.worker
        let more = isConfirmation && route.confirmed(request, event) > 0
        if more { request.pointee.holds &+= 1 } else { _ = popFirst() }
        slab.retain()
        var response = worker.makeMessage(
            kind: UInt16(WEIR_RESPONSE), protocolNumber: request.pointee.head.protocol, slab: slab,
            wire: base + frame.offset, byteCount: frame.byteCount)
        response.pointee.head.flags = frame.flags | (more ? UInt32(WEIR_M_MORE) : 0)
        worker.link(response, to: request)
        if !more {
            target.upstreamTime.pointee.observe(worker.pointee.head.now_ns &- request.pointee.sentNanoseconds)
            if Route.isSubscription(request) { route.subscriptionAnswered() }
            route.learn(request, response)
            route.answered()
        }
        withUnsafeMutablePointer(to: &response) {
            var count = 1
            deliver($0, &count)
        }
        return true
    }
}
