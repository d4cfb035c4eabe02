// A message inside a chain: a frame with an identity. Plugins see its head (`weir_msg`, at offset 0) and
// nothing behind it.
//
// Who owns it, drawn for a request of a client:
//
//     ledger ──hold──► request ◄──exchange── response
//                         ▲
//     where it is now ──hold  (the batch, a plugin that took it, an upstream's queue, then its response)
//
// A request lives until its client has been answered (or has gone) *and* nothing is under way for it. A response
// has one owner at a time. Messages come from the free list of their worker and are touched on its thread only.

public import CWeir
public import WeirBase

public typealias MessageRef = UnsafeMutablePointer<Message>

/// Where a message is in the hands of a plugin or of the host.
public enum Disposition: UInt8 {
    /// In a hook, or on its way through the chain: the host's.
    case lent
    /// Kept by a plugin.
    case taken
    /// Disposed of in the running hook, with a target; goes there when the hook has returned.
    case passing
    /// Disposed of: on the worker's list of moves, in a queue, or with its operation.
    case moved
}

public struct Message {
    /// What plugins see.
    public var head: weir_msg
    /// Holds `wire`; nil for messages without bytes.
    public var slab: SlabRef?
    /// The bytes as they came or were built; edits do not change them.
    public var wire: UnsafeMutablePointer<UInt8>?
    /// Link of the one list that the message is in: moves, a queue, an output.
    public var next: MessageRef?
    /// Request: link of its client's ledger.
    public var ledgerNext: MessageRef?
    /// Response: the request that it answers, held by this response.
    public var exchange: MessageRef?
    /// Request: answers that wait for their turn in the ledger.
    public var firstAnswer: MessageRef?
    public var lastAnswer: MessageRef?
    /// The chain that it is in, as seen by its client; nil for a message that a plugin has just made.
    public var connection: ChainConnectionRef?
    /// Where the response goes on when it leaves `connection`'s chain: the chain outside it.
    public var outer: ReturnFrameRef?
    /// Whose answer it is: an operation of a plugin instead of a client.
    public var operation: OperationRef?
    /// Tape and edits, once a plugin asked for them.
    public var body: BodyRef?
    /// One word for each site of its chain (WEIR_F_TAGS).
    public var tags: UnsafeMutablePointer<UInt64>?
    /// Where it goes next, while it is on the list of moves.
    public var target: TargetRef?
    public var worker: WorkerRef
    /// Request: when it was written to an upstream.
    public var sentNanoseconds: UInt64
    /// For the upstream that has it: its own word.
    public var upstreamWord: UInt64
    /// Number of the command in the codec's table.
    public var command: UInt16
    /// The site that it is at; a response starts from here.
    public var site: Int16
    /// The site whose hooks its responses do not reach any more, nor those before it; −1 for all of the chain.
    public var floor: Int16
    /// Request of an operation: which of its requests.
    public var operationIndex: UInt16
    public var disposition: Disposition
    /// Request: how many hold it.
    public var holds: UInt32
    /// Request: the last of its answers has been given.
    public var isAnswered: Bool
    /// The bytes are needed until the exchange ends (retry, KEEP_REQUESTS).
    public var keepsBytes: Bool
    /// Held by a plugin with WEIR_TAKE_ORDERED, or waiting behind one.
    public var isSequenced: Bool
    /// Request: stands in a ledger.
    public var isOwed: Bool
    /// Its bytes are in a slab with others of its own output only.
    public var isCompacted: Bool
}

extension UnsafeMutablePointer where Pointee == Message {
    @inlinable @inline(__always) public var isRequest: Bool { pointee.head.kind == UInt16(WEIR_REQUEST) }

    @inlinable @inline(__always)
    public func has(_ flag: Int) -> Bool { pointee.head.flags & UInt32(truncatingIfNeeded: flag) != 0 }

    @inlinable @inline(__always)
    public func set(_ flag: Int) { pointee.head.flags |= UInt32(truncatingIfNeeded: flag) }

    @inlinable public var byteCount: Int { Int(pointee.head.wire_len) }

    /// The bytes as they came or were built, without edits.
    @inlinable public var wireBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pointee.wire, count: Int(pointee.head.wire_len))
    }

    /// The pointer that plugins know it by.
    @inlinable public var handle: UnsafeMutablePointer<weir_msg> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: weir_msg.self)
    }

    /// The message behind a plugin's pointer.
    @inlinable public init(_ handle: UnsafeMutablePointer<weir_msg>) {
        self = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: Message.self)
    }

    /// The client whose request it is, wherever in its chain or in sub-chains it may be.
    var client: ClientRef? { pointee.head.conn.flatMap { ChainConnectionRef($0).pointee.client } }

    /// The way back that it took with it when it entered this chain.
    func frame(entering connection: ChainConnectionRef) -> ReturnFrameRef? {
        var frame = pointee.outer
        while let current = frame, current.pointee.entered != connection { frame = current.pointee.outer }
        return frame
    }

    /// Where its words for the sites of this chain are: with it while it is there, else on its way back.
    func tagWords(of connection: ChainConnectionRef) -> UnsafeMutablePointer<UnsafeMutablePointer<UInt64>?> {
        var frame = pointee.outer
        var isInside = pointee.connection == connection
        while !isInside, let current = frame {
            isInside = current.pointee.connection == connection
            if isInside {
                return (UnsafeMutableRawPointer(current) + (MemoryLayout<ReturnFrame>.offset(of: \.tags) ?? 0))
                    .assumingMemoryBound(to: UnsafeMutablePointer<UInt64>?.self)
            }
            frame = current.pointee.outer
        }
        return (UnsafeMutableRawPointer(self) + (MemoryLayout<Message>.offset(of: \.tags) ?? 0))
            .assumingMemoryBound(to: UnsafeMutablePointer<UInt64>?.self)
    }

    /// Gives up one hold; the message ends with the last.
    public func release() {
        pointee.holds &-= 1
        if pointee.holds == 0 { end() }
    }

    /// Writes the edits of a plugin into the message's bytes.
    public func encodeEdits() { Body.encode(self) }

    /// The tape, parsed on the first call; nil when the bytes are malformed.
    public var tape: UnsafePointer<weir_tape>? { Body.of(self).map { Body.tape($0) } }

    /// Gives up the bytes, when nobody will look at them again.
    @inlinable public func releaseBytes() {
        if let slab = pointee.slab {
            pointee.slab = nil
            slab.release()
        }
    }

    /// Frees the message and what it owns; a response gives up its hold on its request.
    public func end() {
        let exchange = pointee.exchange
        let counted = isRequest ? pointee.head.conn : nil
        releaseBytes()
        if let body = pointee.body { Body.free(body) }
        if let tags = pointee.tags { tags.deallocate() }
        var answer = pointee.firstAnswer
        while let message = answer {
            answer = message.pointee.next
            message.pointee.exchange = nil
            message.end()
        }
        while let frame = pointee.outer {
            pointee.outer = frame.pointee.outer
            if let tags = frame.pointee.tags { tags.deallocate() }
            frame.pointee.entered.pendingEnded()
            pointee.worker.pointee.returnFrames.give(frame)
        }
        pointee.worker.pointee.messages.give(self)
        if let counted { ChainConnectionRef(counted).pendingEnded() }
        exchange?.release()
    }
}

/// The way back out of a sub-chain, or of the rest of a chain: where a request came from.
public struct ReturnFrame {
    /// What it has entered, and keeps from closing.
    var entered: ChainConnectionRef
    /// Where it came from; nil for the request of an operation.
    var connection: ChainConnectionRef?
    var site: Int16
    var floor: Int16
    var tags: UnsafeMutablePointer<UInt64>?
    var outer: ReturnFrameRef?
}

public typealias ReturnFrameRef = UnsafeMutablePointer<ReturnFrame>

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// A message with these bytes and one hold; takes over the caller's hold on `slab`.
    @inline(__always)
    func makeMessageInline(
        kind: UInt16, protocolNumber: UInt16, slab: SlabRef?, wire: UnsafeMutablePointer<UInt8>?, byteCount: Int
    ) -> MessageRef {
        let message = pointee.messages.take()
        pointee.lastMessageID &+= 1
        message.initialize(
            to: Message(
                head: weir_msg(
                    size: UInt32(truncatingIfNeeded: MemoryLayout<weir_msg>.size), flags: 0,
                    id: pointee.lastMessageID, protocol: protocolNumber, kind: kind, verb: 0, status: 0,
                    wire_len: UInt32(truncatingIfNeeded: byteCount),
                    raw: weir_str(ptr: UnsafePointer(wire), len: byteCount),
                    received_ns: pointee.head.now_ns, deadline_ns: 0, conn: nil, request: nil),
                slab: slab, wire: wire, next: nil, ledgerNext: nil, exchange: nil, firstAnswer: nil, lastAnswer: nil,
                connection: nil, outer: nil, operation: nil, body: nil, tags: nil, target: nil, worker: self,
                sentNanoseconds: 0, upstreamWord: 0, command: 0, site: 0, floor: -1, operationIndex: 0,
                disposition: .lent, holds: 1,
                isAnswered: false, keepsBytes: false, isSequenced: false, isOwed: false,
                isCompacted: false))
        return message
    }

    /// The same, for other modules.
    public func makeMessage(
        kind: UInt16, protocolNumber: UInt16, slab: SlabRef?, wire: UnsafeMutablePointer<UInt8>?, byteCount: Int
    ) -> MessageRef {
        makeMessageInline(kind: kind, protocolNumber: protocolNumber, slab: slab, wire: wire, byteCount: byteCount)
    }

    /// A response to `request` with a copy of these bytes; takes over one hold on `request`.
    public func makeResponse(to request: MessageRef, copying bytes: UnsafeRawBufferPointer, flags: Int) -> MessageRef {
        let slab = pointee.slabs.copy(bytes)
        let response = makeMessage(
            kind: UInt16(WEIR_RESPONSE), protocolNumber: request.pointee.head.protocol, slab: slab, wire: slab.start,
            byteCount: bytes.count)
        response.pointee.head.flags = UInt32(truncatingIfNeeded: flags)
        link(response, to: request)
        return response
    }

    /// Makes `response` the answer to `request`, at the place in the chain where the request is.
    @inlinable @inline(__always)
    public func link(_ response: MessageRef, to request: MessageRef) {
        response.pointee.exchange = request
        response.pointee.head.id = request.pointee.head.id
        response.pointee.head.verb = request.pointee.head.verb
        response.pointee.head.conn = request.pointee.head.conn
        response.pointee.command = request.pointee.command
        response.pointee.connection = request.pointee.connection
        response.pointee.site = request.pointee.site
        response.pointee.floor = request.pointee.floor
        if request.pointee.keepsBytes { response.pointee.head.request = request.handle }
    }
}

/// A list of messages linked by `next`, first in, first out.
public struct MessageQueue {
    public var first: MessageRef?
    public var last: MessageRef?
    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { first == nil }

    @inlinable @inline(__always)
    public mutating func append(_ message: MessageRef) {
        message.pointee.next = nil
        if let last { last.pointee.next = message } else { first = message }
        last = message
    }

    public mutating func prepend(_ message: MessageRef) {
        message.pointee.next = first
        first = message
        if last == nil { last = message }
    }

    /// Puts all of another list before this one.
    mutating func prepend(_ other: inout MessageQueue) {
        guard let otherLast = other.last else { return }
        otherLast.pointee.next = first
        if last == nil { last = otherLast }
        first = other.first
        other = MessageQueue()
    }

    @inlinable @inline(__always)
    public mutating func popFirst() -> MessageRef? {
        guard let message = first else { return nil }
        first = message.pointee.next
        if first == nil { last = nil }
        message.pointee.next = nil
        return message
    }
}
