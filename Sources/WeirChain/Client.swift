// The client edge: one socket of an application. Bytes become requests here and answers become bytes; the ledger
// puts answers in the order of the requests.
//
//        read ─► cut ─► requests ─► ledger (owed, in order) ─► chain …
//        write ◄─ output ◄─ ledger ◄─ answers … chain
//
// Back-pressure: a client whose owed requests, unread answers or number of owed requests are above the high mark is
// not read from until they are below the low mark. No client waits for another's socket.

import CWeir
import WeirBase
import Glibc
import WeirNet
import WeirWire

public typealias ClientRef = UnsafeMutablePointer<Client>

/// What a readiness event belongs to; stands at offset 0 of everything that is watched.
public struct EventSource {
    public enum Kind: UInt8 { case client, listener, upstream }
    public var kind: Kind
    public var isClosed: Bool
    @inlinable public init(kind: Kind) {
        self.kind = kind
        isClosed = false
    }
}

public struct Client {
    var event: EventSource
    var isReadPaused = false
    var isWriteWatched = false
    var isDirty = false
    /// Nothing more is read; the connection closes when what is owed has been written.
    var isFinishing = false
    /// The other side has closed its half.
    var isEndOfInput = false
    var isFull = false
    /// Its unread answers are above the mark: nothing more is asked for it until they have been written.
    var isStalling = false
    let descriptor: Int32
    let source: SourceStateRef
    var connection: ChainConnectionRef
    var decoder: CodecState
    var input = InputBuffer()
    var ledgerFirst: MessageRef?
    var ledgerLast: MessageRef?
    /// Requests that are owed an answer.
    public var owedCount = 0
    var owedByteCount = 0
    var output = MessageQueue()
    /// Bytes of the first message of `output` that have been written.
    var outputOffset = 0
    public var outputByteCount = 0
    var lastActivity: UInt64
    var nextDirty: ClientRef?
    var previous: ClientRef?
    var next: ClientRef?
    /// "10.1.2.3:51234", 64 bytes that belong to the client.
    let names: UnsafeMutablePointer<UInt8>
}

/// Marks of back-pressure, per client.
public struct FlowLimits: Sendable {
    /// Owed request bytes above which a client is not read from.
    public var owedBytesHigh = 1 << 20
    /// Unread answer bytes above which a client is not read from.
    public var outputBytesHigh = 1 << 20
    /// Owed requests above which a client is not read from.
    public var owedCountHigh = 16_384
    /// Reading goes on when everything is below half of its high mark.
    public init() {}
}

extension UnsafeMutablePointer where Pointee == Client {
    public var worker: WorkerRef { WorkerRef(pointee.connection.pointee.head.worker) }

    // MARK: requests

    /// The socket has something to read.
    func readable() {
        let worker = self.worker
        let (slab, at, room) = pointee.input.room(worker)
        let count = worker.pointee.net.read(pointee.descriptor, at, room)
        guard count > 0 else {
            slab.release()
            return ended(count)
        }
        pointee.lastActivity = worker.pointee.head.now_ns
        pointee.source.pointee.received.pointee &+= UInt64(count)
        slab.pointee.filled &+= count
        let (start, total) = pointee.input.take(at, count)
        cut(slab, start, total)
        slab.release()
        updateReading()
    }

    /// Cuts requests out of `count` bytes and hands them to the chain.
    private func cut(_ slab: SlabRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) {
        let worker = self.worker
        let codec = pointee.connection.pointee.chain.pointee.codec
        var offset = 0
        var needed = 0
        while offset < count, !pointee.isFinishing {
            let bytes = UnsafeRawBufferPointer(start: start + offset, count: count &- offset)
            let cut = codec._withUnsafeGuaranteedRef {
                $0.cutRequests(
                    &pointee.decoder, bytes, worker.pointee.frames, WorkerCore.batchCapacity, worker.pointee.slabs)
            }
            if cut.frameCount > 0 { submit(slab, start + offset, cut.frameCount, codec) }
            offset &+= cut.consumedByteCount
            if cut.isBroken {
                if !pointee.isFinishing { complain(cut.complaint) }
                return
            }
            if cut.frameCount < WorkerCore.batchCapacity {
                needed = cut.neededByteCount
                break
            }
        }
        if offset < count, !pointee.isFinishing, !pointee.event.isClosed {
            pointee.input.keep(slab, start + offset, count &- offset, needed: needed, worker)
        }
    }

    /// Makes messages of the worker's frames, enters them into the ledger and runs them through the chain.
    private func submit(
        _ slab: SlabRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ codec: Unmanaged<WireCodec>
    ) {
        let worker = self.worker
        let connection = pointee.connection
        let chain = connection.pointee.chain
        let batch = worker.pointee.batch
        let number = connection.pointee.head.protocol
        let keeps = chain.pointee.keepsRequests
        var made = 0
        for index in 0..<count {
            let frame = worker.pointee.frames + index
            let holder = frame.pointee.replacement ?? slab
            if frame.pointee.replacement == nil { slab.retain() }
            let wire = (frame.pointee.replacement == nil ? start : holder.start) + frame.pointee.offset
            let message = worker.makeMessageInline(
                kind: UInt16(WEIR_REQUEST), protocolNumber: number, slab: holder, wire: wire,
                byteCount: frame.pointee.byteCount)
            message.pointee.head.verb = frame.pointee.verb
            message.pointee.head.flags = frame.pointee.flags
            message.pointee.head.conn = connection.handle
            message.pointee.command = frame.pointee.command
            message.pointee.connection = connection
            message.pointee.holds = 2
            message.pointee.isOwed = true
            message.pointee.keepsBytes = keeps
            pointee.owedByteCount &+= frame.pointee.byteCount
            if let last = pointee.ledgerLast {
                last.pointee.ledgerNext = message
            } else {
                pointee.ledgerFirst = message
            }
            pointee.ledgerLast = message
            batch[made] = message
            made &+= 1
            if frame.pointee.flags & Frame.changesSession != 0,
                codec._withUnsafeGuaranteedRef({ $0.closesConnection(frame.pointee.command) })
            {
                pointee.isFinishing = true
                for rest in (index + 1)..<count { worker.pointee.frames[rest].replacement?.release() }
                break
            }
        }
        pointee.owedCount &+= made
        connection.pointee.pendingCount &+= made
        connection.pointee.head.in_flight = UInt32(truncatingIfNeeded: pointee.owedCount)
        pointee.source.pointee.requests.pointee &+= UInt64(made)
        worker.run(connection, batch, made, from: 0)
    }

    /// The client broke the protocol: tell it, after what it is owed, and close.
    private func complain(_ text: weir_str) {
        pointee.isFinishing = true
        pointee.source.pointee.protocolErrors.pointee &+= 1
        guard text.len > 0 else {
            if pointee.ledgerFirst == nil, pointee.output.isEmpty { worker.closeClient(self, .protocolError) }
            return
        }
        // An answer that stands in the ledger behind everything that is owed.
        let worker = self.worker
        let request = worker.makeMessage(
            kind: UInt16(WEIR_REQUEST), protocolNumber: pointee.connection.pointee.head.protocol, slab: nil, wire: nil,
            byteCount: 0)
        request.pointee.head.conn = pointee.connection.handle
        request.pointee.connection = pointee.connection
        request.pointee.holds = 2
        request.pointee.isOwed = true
        pointee.connection.pointee.pendingCount &+= 1
        pointee.owedCount &+= 1
        if let last = pointee.ledgerLast { last.pointee.ledgerNext = request } else { pointee.ledgerFirst = request }
        pointee.ledgerLast = request
        let answer = worker.makeResponse(to: request, copying: text.bytes, flags: WEIR_M_LOCAL | WEIR_M_ERROR)
        answered(answer)
    }

    /// The read gave no bytes.
    private func ended(_ count: Int) {
        if count == -Int(EAGAIN) { return }
        if count < 0 { return worker.closeClient(self, .reset) }
        pointee.isEndOfInput = true
        pointee.connection.tell(UInt32(WEIR_EV_CLIENT_EOF))
        if pointee.event.isClosed { return }
        // What was asked before the end is answered, unless that may take for ever (the client may have closed both
        // halves, and then nobody waits for what BLPOP would take out of its list).
        let mayBlock = worker.pointee.upstreams._withUnsafeGuaranteedRef { $0.mayBlock(pointee.connection) }
        if mayBlock || (pointee.ledgerFirst == nil && pointee.output.isEmpty) {
            return worker.closeClient(self, .endOfInput)
        }
        pointee.isFinishing = true
        updateReading()
    }

    // MARK: answers

    /// Takes an answer (its `exchange` is a request of this ledger).
    @inline(__always)
    func answered(_ answer: MessageRef) {
        // Safe: only answers of exchanges come here.
        let request = answer.pointee.exchange.unsafelyUnwrapped
        if !request.pointee.isOwed || request.pointee.isAnswered {
            answer.end()
            return
        }
        answer.pointee.next = nil
        if let last = request.pointee.lastAnswer {
            last.pointee.next = answer
        } else {
            request.pointee.firstAnswer = answer
        }
        request.pointee.lastAnswer = answer
        // The answer's hold on its request ends here: the ledger holds it.
        answer.pointee.exchange = nil
        request.pointee.holds &-= 1
        if !answer.has(WEIR_M_MORE) { request.pointee.isAnswered = true }
        if request == pointee.ledgerFirst { settleLedger() }
    }

    /// An exchange that ends without an answer (one-way requests).
    func endedWithoutAnswer(_ request: MessageRef) {
        request.pointee.isAnswered = true
        request.release()
        if request == pointee.ledgerFirst { settleLedger() }
    }

    /// Moves answers whose turn it is to the output.
    private func settleLedger() {
        let worker = self.worker
        let now = worker.pointee.head.now_ns
        var settled = 0
        while let request = pointee.ledgerFirst {
            var answer = request.pointee.firstAnswer
            request.pointee.firstAnswer = nil
            request.pointee.lastAnswer = nil
            while let message = answer {
                answer = message.pointee.next
                write(message)
            }
            guard request.pointee.isAnswered else { break }
            pointee.ledgerFirst = request.pointee.ledgerNext
            if pointee.ledgerFirst == nil { pointee.ledgerLast = nil }
            settled &+= 1
            pointee.owedByteCount &-= request.byteCount
            request.pointee.isOwed = false
            pointee.source.pointee.requestTime.pointee.observe(now &- request.pointee.head.received_ns)
            request.release()
        }
        guard settled > 0 else { return }
        pointee.owedCount &-= settled
        pointee.connection.pointee.head.in_flight = UInt32(truncatingIfNeeded: pointee.owedCount)
        markDirty()
    }

    /// Queues a message for the socket; it is the output's from here on.
    @inline(__always)
    func write(_ message: MessageRef) {
        if message.pointee.body != nil { Body.encode(message) }
        if message.byteCount == 0 {
            message.end()
            return
        }
        if message.has(WEIR_M_ERROR) { pointee.source.pointee.errors.pointee &+= 1 }
        pointee.output.append(message)
        pointee.outputByteCount &+= message.byteCount
        markDirty()
    }

    /// Sees to it that the output is flushed at the end of the turn.
    @inline(__always)
    func markDirty() {
        guard !pointee.isDirty else { return }
        pointee.isDirty = true
        let worker = self.worker
        pointee.nextDirty = worker.pointee.dirtyClients
        worker.pointee.dirtyClients = self
    }

    /// Writes what the socket takes.
    func flush() {
        guard !pointee.event.isClosed else { return }
        let worker = self.worker
        while !pointee.output.isEmpty {
            let vectors = worker.pointee.vectors
            let (count, byteCount) = Gather.fill(vectors, from: pointee.output.first, skip: pointee.outputOffset)
            let written = worker.pointee.net.write(pointee.descriptor, vectors, Int32(count))
            if written < 0 {
                if written == -Int(EAGAIN) { break }
                return worker.closeClient(self, .reset)
            }
            pointee.source.pointee.sent.pointee &+= UInt64(written)
            consume(written)
            if written < byteCount { break }
        }
        if pointee.output.isEmpty == pointee.isWriteWatched {
            pointee.isWriteWatched.toggle()
            watch()
        }
        if pointee.isWriteWatched {
            compactOutput()
        } else if pointee.isStalling, pointee.outputByteCount == 0 {
            pointee.isStalling = false
            worker.pointee.upstreams._withUnsafeGuaranteedRef { $0.clientWritable(pointee.connection) }
        }
        if pointee.output.isEmpty, pointee.isFinishing, pointee.ledgerFirst == nil {
            return worker.closeClient(self, pointee.isEndOfInput ? .endOfInput : .finished)
        }
        updateReading()
    }

    /// Lets go of what has been written.
    private func consume(_ written: Int) {
        pointee.outputByteCount &-= written
        var left = written &+ pointee.outputOffset
        while let message = pointee.output.first, left >= message.byteCount {
            left &-= message.byteCount
            _ = pointee.output.popFirst()
            message.end()
        }
        pointee.outputOffset = left
        if written > 0 { pointee.lastActivity = worker.pointee.head.now_ns }
    }

    /// Moves small answers that the socket did not take out of the slabs that they share with others, so that one
    /// client that does not read cannot hold the memory of all.
    private func compactOutput() {
        let worker = self.worker
        var message = pointee.output.first?.pointee.next
        var slab: SlabRef?
        while let current = message {
            message = current.pointee.next
            let count = current.byteCount
            if current.pointee.isCompacted, let own = current.pointee.slab, own != slab {
                // The slab that was filled last has room for more.
                own.retain()
                slab?.release()
                slab = own
            }
            guard !current.pointee.isCompacted, count < 16_384, let wire = current.pointee.wire else {
                continue
            }
            if slab == nil || slab.unsafelyUnwrapped.room < count {
                slab?.release()
                slab = worker.pointee.slabs.take()
            }
            let fresh = slab.unsafelyUnwrapped  // Safe: set just above.
            let at = fresh.start + fresh.pointee.filled
            fresh.append(UnsafeRawBufferPointer(start: wire, count: count))
            fresh.retain()
            current.releaseBytes()
            current.pointee.slab = fresh
            current.pointee.wire = at
            current.pointee.isCompacted = true
        }
        slab?.release()
    }

    // MARK: flow control

    /// Stops or resumes reading by the marks.
    func updateReading() {
        guard !pointee.event.isClosed else { return }
        let limits = pointee.source.pointee.limits
        if pointee.isFinishing {
            if !pointee.isReadPaused {
                pointee.isReadPaused = true
                watch()
            }
            return
        }
        if pointee.isReadPaused {
            if pointee.owedByteCount <= limits.owedBytesHigh / 2, pointee.outputByteCount <= limits.outputBytesHigh / 2,
                pointee.owedCount <= limits.owedCountHigh / 2
            {
                pointee.isReadPaused = false
                watch()
                noteFull(false)
            }
        } else if pointee.owedByteCount > limits.owedBytesHigh || pointee.outputByteCount > limits.outputBytesHigh
            || pointee.owedCount > limits.owedCountHigh
        {
            pointee.isReadPaused = true
            watch()
            noteFull(pointee.outputByteCount > limits.outputBytesHigh)
        }
    }

    /// True while answers that it does not read are above the mark.
    public var isOutputFull: Bool {
        guard pointee.outputByteCount > pointee.source.pointee.limits.outputBytesHigh else { return false }
        pointee.isStalling = true
        return true
    }

    private func noteFull(_ isFull: Bool) {
        guard pointee.isFull != isFull else { return }
        pointee.isFull = isFull
        pointee.connection.tell(UInt32(isFull ? WEIR_EV_CLIENT_FULL : WEIR_EV_CLIENT_WRITABLE))
    }

    /// Registers what the socket is watched for.
    func watch() {
        var interest: Readiness = []
        if !pointee.isReadPaused { interest.insert(.readable) }
        if pointee.isWriteWatched { interest.insert(.writable) }
        _ = worker.pointee.net.rewatch(pointee.descriptor, UInt64(UInt(bitPattern: self)), interest)
    }
}
