// One connection to an upstream: a queue of requests of which the first part has been written.
//
//     first ──► … ──► firstUnsent ──► … ──► last
//     written, owed an answer       │ to be written
//
//     closed ─connect─► connecting ─► greeting (HELLO, AUTH, SELECT) ─► ready ─► closed
//
// A shared connection survives its socket: unsent requests wait for the next one. A pinned connection does not.

import CWeir
import Glibc
import WeirBase
import WeirChain
import WeirNet
import WeirRESP
import WeirWire

typealias ConnectionRef = UnsafeMutablePointer<Connection>

struct Connection {
    /// After waiting so long for an answer (and eight times the usual), a shared connection is left to those who are in
    /// flight on it. Redis itself calls a script slow after 5 s; other clients should not wait that long for one.
    static let slowNanoseconds: UInt64 = 50_000_000

    /// A connection that lasted so long was a good one.
    static let steadyNanoseconds: UInt64 = 1_000_000_000
    /// Answers to the greeting's PING of a server that is there.
    static let harmlessErrors = ["-NOAUTH", "-NOPERM", "-LOADING", "-BUSY", "-MASTERDOWN"]

    enum State: UInt8 { case down, resolving, connecting, greeting, ready, dead }

    var event = EventSource(kind: .upstream)
    var state = State.down
    var isShared: Bool
    /// Shared, but somebody has waited long for an answer on it: only those who are in flight on it stay.
    var isDetached = false
    /// Routes that stay with it.
    var sharerCount = 0
    var isDirty = false
    var isWriteWatched = false
    /// Its client does not read what came: nothing more is read until it does.
    var isReadPaused = false
    var descriptor: Int32 = -1
    let target: Unmanaged<RESPTarget>
    /// Whose handshake it has made; changes with the session of its owner.
    var lane: LaneRef
    /// The client that it belongs to, while it is pinned.
    var route: RouteRef?
    var first: MessageRef?
    var firstUnsent: MessageRef?
    var last: MessageRef?
    /// Bytes of `firstUnsent` that have been written.
    var unsentOffset = 0
    var queuedByteCount = 0
    var inFlightCount = 0
    var decoder = CodecState()
    var input = InputBuffer()
    /// What the socket has not taken of the greeting.
    var greeting: SlabRef?
    var greetingOffset = 0
    /// Replies to the greeting that are still missing.
    var greetingCount = 0
    /// When the connection attempt is given up.
    var connectDeadline: UInt64 = 0
    /// When it last became ready.
    var readySince: UInt64 = 0
    /// Failed attempts since the last connection that lasted.
    var failureCount: UInt32 = 0
    var nextAttempt: UInt64 = 0
    /// When it last became idle, or last gave an answer.
    var lastProgress: UInt64 = 0
    /// Replies that will come without a request of a client (those of the host itself), before the next ones.
    var nextDirty: ConnectionRef?
    /// Links of the target's list of all its connections.
    var previous: ConnectionRef?
    var next: ConnectionRef?
    /// Link of a lane's idle list.
    var nextIdle: ConnectionRef?
}

extension UnsafeMutablePointer where Pointee == Connection {
    var target: RESPTarget { pointee.target.takeUnretainedValue() }
    var worker: WorkerRef { pointee.target._withUnsafeGuaranteedRef { $0.worker } }

    /// Adds a request to the queue; it is written at the end of the turn.
    @inline(__always)
    func append(_ message: MessageRef) {
        message.pointee.next = nil
        if let last = pointee.last { last.pointee.next = message } else { pointee.first = message }
        pointee.last = message
        if pointee.firstUnsent == nil { pointee.firstUnsent = message }
        pointee.queuedByteCount &+= message.byteCount
        pointee.inFlightCount &+= 1
        if !pointee.isDirty { markDirty() }
    }

    func markDirty() {
        pointee.isDirty = true
        pointee.target._withUnsafeGuaranteedRef {
            // In the order of their first request: what one client sent before another leaves before it.
            pointee.nextDirty = nil
            if let last = $0.layer.lastDirty { last.pointee.nextDirty = self } else { $0.layer.firstDirty = self }
            $0.layer.lastDirty = self
        }
    }

    /// The oldest request that has been written whole and is owed an answer.
    @inline(__always)
    var oldestSent: MessageRef? { pointee.first == pointee.firstUnsent ? nil : pointee.first }

    @inline(__always)
    func popFirst() -> MessageRef? {
        guard let message = pointee.first else { return nil }
        if message == pointee.firstUnsent { pointee.firstUnsent = message.pointee.next }
        pointee.first = message.pointee.next
        if pointee.first == nil { pointee.last = nil }
        message.pointee.next = nil
        pointee.inFlightCount &-= 1
        return message
    }

    // MARK: writing

    /// Writes what the socket takes.
    func flush() {
        guard pointee.state == .ready else {
            if pointee.state == .down { connectIfDue() }
            return
        }
        let worker = self.worker
        while pointee.firstUnsent != nil {
            let (count, byteCount) = Gather.fill(
                worker.pointee.vectors, from: pointee.firstUnsent, skip: pointee.unsentOffset)
            let written = worker.pointee.net.write(pointee.descriptor, worker.pointee.vectors, Int32(count))
            if written < 0 {
                if written == -Int(EAGAIN) { break }
                return lost(errorText(Int32(-written)))
            }
            consume(written)
            if written < byteCount { break }
        }
        if (pointee.firstUnsent == nil) == pointee.isWriteWatched {
            pointee.isWriteWatched.toggle()
            watch()
        }
    }

    /// Marks written requests as sent.
    private func consume(_ written: Int) {
        pointee.queuedByteCount &-= written
        let now = worker.pointee.head.now_ns
        let waiting = target.waitingTime
        var left = written &+ pointee.unsentOffset
        var hasOneWay = false
        while let message = pointee.firstUnsent, left >= message.byteCount {
            left &-= message.byteCount
            message.pointee.sentNanoseconds = now
            waiting.pointee.observe(now &- message.pointee.head.received_ns)
            if message.byteCount > 16_384, !message.pointee.keepsBytes,
                message.pointee.head.flags & Frame.changesSession == 0
            {
                message.releaseBytes()
            }
            if message.has(WEIR_M_NO_REPLY) { hasOneWay = true }
            pointee.firstUnsent = message.pointee.next
        }
        pointee.unsentOffset = left
        if hasOneWay { endOneWay() }
    }

    /// Ends requests at the head of the queue that get no answer.
    func endOneWay() {
        while let message = oldestSent, message.has(WEIR_M_NO_REPLY) {
            _ = popFirst()
            let route = Route.of(message)
            worker.abandon(message)
            route.answered()
        }
    }

    func watch() {
        var interest: Readiness = pointee.isReadPaused ? [] : .readable
        if pointee.isWriteWatched { interest.insert(.writable) }
        _ = worker.pointee.net.rewatch(pointee.descriptor, UInt64(UInt(bitPattern: self)), interest)
    }

    // MARK: readiness

    func ready(_ readiness: Readiness) {
        switch pointee.state {
        case .connecting: connected()
        case .greeting, .ready:
            if readiness.contains(.readable) || readiness.contains(.failed) || readiness.contains(.hangup) { read() }
            guard readiness.contains(.writable) else { return }
            if pointee.state == .ready { flush() } else if pointee.state == .greeting { writeGreeting() }
        case .down, .resolving, .dead: break
        }
    }

    /// Reads and hands out what the server sent.
    private func read() {
        let worker = self.worker
        let (slab, at, room) = pointee.input.room(worker)
        let count = worker.pointee.net.read(pointee.descriptor, at, room)
        guard count > 0 else {
            slab.release()
            if count == -Int(EAGAIN) { return }
            return lost(count == 0 ? "closed the connection" : errorText(Int32(-count)))
        }
        slab.pointee.filled &+= count
        target.received.pointee &+= UInt64(count)
        pointee.lastProgress = worker.pointee.head.now_ns
        let (start, total) = pointee.input.take(at, count)
        cut(slab, start, total)
        slab.release()
        if let client = pointee.route?.pointee.connection?.pointee.client, client.isOutputFull { pauseReading(true) }
    }

    /// Leaves what comes to the server's buffers, or takes it again.
    func pauseReading(_ isPaused: Bool) {
        guard pointee.isReadPaused != isPaused, pointee.state == .ready else { return }
        pointee.isReadPaused = isPaused
        watch()
    }

    private func cut(_ slab: SlabRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) {
        let worker = self.worker
        let codec = target.codec
        var offset = 0
        var needed = 0
        while offset < count {
            let bytes = UnsafeRawBufferPointer(start: start + offset, count: count &- offset)
            let cut = codec.cutResponses(&pointee.decoder, bytes, worker.pointee.replyFrames, WorkerCore.batchCapacity)
            let base = start + offset
            offset &+= cut.consumedByteCount
            if cut.frameCount > 0, !handOut(slab, base, cut.frameCount) { return }
            if cut.isBroken {
                return lost("sent what is no RESP: \(cut.complaint.string)")
            }
            if cut.frameCount < WorkerCore.batchCapacity {
                needed = cut.neededByteCount
                break
            }
        }
        if offset < count, pointee.state == .ready || pointee.state == .greeting {
            pointee.input.keep(slab, start + offset, count &- offset, needed: needed, worker)
        }
    }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
