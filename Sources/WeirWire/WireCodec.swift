// The contract of a codec: bytes in, frames out; tapes; errors in the protocol's own words.
//
// A codec knows its protocol and nothing of sockets, chains or time. It is one object per protocol, shared by
// all workers, without state of its own: what it must remember of a connection lies in a `CodecState` that
// belongs to the connection. Calls are made once per read, not once per frame, so they may be virtual.

public import CWeir
public import WeirBase

/// One unit on the wire that a codec has cut out of the bytes of a connection.
public struct Frame {
    /// Where it starts, counted from the first byte given to the codec.
    public var offset: Int
    public var byteCount: Int
    /// Number of the verb (`weir_host.verb`); 0 on a response.
    public var verb: UInt32
    /// WEIR_M_* that the bytes tell: an error, one-way, inside a transaction, needs its own connection.
    public var flags: UInt32
    /// Number of the command in the codec's own table.
    public var command: UInt16
    /// WEIR_REQUEST, WEIR_RESPONSE or WEIR_PUSH.
    public var kind: UInt16
    /// For a frame whose bytes must not be forwarded as they came: its canonical bytes (`offset` and
    /// `byteCount` are those within the slab); the receiver of the frame owns one hold.
    public var replacement: SlabRef?

    /// In `flags`, for the host alone: the request changes the state of its session, or asks for it.
    public static var changesSession: UInt32 { 1 << 31 }

    @inlinable
    public init(
        offset: Int, byteCount: Int, verb: UInt32, flags: UInt32, command: UInt16, kind: UInt16,
        replacement: SlabRef? = nil
    ) {
        self.offset = offset
        self.byteCount = byteCount
        self.verb = verb
        self.flags = flags
        self.command = command
        self.kind = kind
        self.replacement = replacement
    }
}

/// What a codec made of the bytes that it was given.
public struct Cut {
    /// Frames written.
    public var frameCount = 0
    /// Bytes that are done with (frames and what is skipped between them).
    public var consumedByteCount = 0
    /// Least size of the frame that starts behind the consumed bytes, as far as its head tells; 0 unknown.
    public var neededByteCount = 0
    /// The bytes behind the consumed ones break the protocol: nothing more can be read.
    public var isBroken = false
    /// What to tell the peer before closing; empty: close without a word.
    public var complaint = weir_str()

    @inlinable public init() {}
}

/// What a codec remembers of one connection in one direction: 96 bytes that the codec interprets.
public struct CodecState {
    var words: [12 of UInt64] = .init(repeating: 0)
    public init() {}

    /// The state as a struct of the codec, which has put one there when the connection was opened.
    @inlinable @inline(__always)
    public mutating func with<State, R>(_ type: State.Type, _ body: (UnsafeMutablePointer<State>) -> R) -> R {
        assert(MemoryLayout<State>.size <= MemoryLayout<CodecState>.size)
        return withUnsafeMutablePointer(to: &self) {
            body(UnsafeMutableRawPointer($0).assumingMemoryBound(to: State.self))
        }
    }
}

/// One protocol.
open class WireCodec: @unchecked Sendable {
    /// "resp"; also the name in `weir_transform.accepts`.
    public let name: StaticString
    /// The number that `weir_host.protocol` gives.
    public let number: UInt16

    public init(name: StaticString, number: UInt16) {
        self.name = name
        self.number = number
    }

    /// Prepares the state of a new connection.
    open func openRequests(_ state: inout CodecState) {}
    open func openResponses(_ state: inout CodecState) {}
    /// Frees what the state owns.
    open func closeRequests(_ state: inout CodecState) {}
    open func closeResponses(_ state: inout CodecState) {}

    /// Cuts requests out of what a client sent.
    ///
    /// `bytes` starts where the last call stopped consuming. Nothing is copied; work done on an incomplete
    /// frame is remembered in `state`.
    open func cutRequests(
        _ state: inout CodecState, _ bytes: UnsafeRawBufferPointer, _ frames: UnsafeMutablePointer<Frame>,
        _ capacity: Int, _ pool: SlabPoolRef
    ) -> Cut { Cut() }

    /// Cuts responses and pushes out of what an upstream sent.
    open func cutResponses(
        _ state: inout CodecState, _ bytes: UnsafeRawBufferPointer, _ frames: UnsafeMutablePointer<Frame>,
        _ capacity: Int
    ) -> Cut { Cut() }

    /// Tells the request side that limits for clients which have not authenticated apply, or no longer do.
    open func restrict(_ state: inout CodecState, _ isRestricted: Bool) {}

    /// The tape of one frame.
    /// - Returns: the number of items that it takes (nothing past `capacity` is written); negative: malformed.
    open func parse(
        _ bytes: UnsafeRawBufferPointer, kind: UInt16, _ items: UnsafeMutablePointer<weir_item>, _ capacity: Int
    ) -> Int { -1 }

    /// Bytes that `encode` will write; negative: the items make no frame.
    open func encodedByteCount(_ items: UnsafePointer<weir_item>, _ count: Int, kind: UInt16, version: UInt32) -> Int {
        -1
    }

    /// Writes the frame that the items describe.
    open func encode(
        _ items: UnsafePointer<weir_item>, _ count: Int, kind: UInt16, version: UInt32,
        _ into: UnsafeMutableRawBufferPointer
    ) {}

    /// The bytes of an error response.
    open func errorResponse(_ status: weir_status, _ text: weir_str) -> [UInt8] { [] }

    /// Number and table row of a request from its bytes; (0, 0) when unknown.
    open func classify(_ bytes: UnsafeRawBufferPointer) -> Frame {
        Frame(offset: 0, byteCount: bytes.count, verb: 0, flags: 0, command: 0, kind: UInt16(WEIR_REQUEST))
    }

    open func verb(named name: UnsafeRawBufferPointer) -> UInt32 { 0 }
    open func name(ofVerb verb: UInt32) -> weir_str { weir_str() }
    /// Verbs are 1 ..< verbCount.
    open var verbCount: Int { 1 }
    /// True where answers must leave in the order of the requests.
    open var answersInOrder: Bool { true }
    /// The request after which the connection is closed once it is answered (QUIT).
    open func closesConnection(_ command: UInt16) -> Bool { false }
}
