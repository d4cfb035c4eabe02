// RESP behind the contract of a codec: frames with verbs and flags, tapes, errors as bytes.
//
// The request side remembers whether its client is inside MULTI (for WEIR_M_TXN) and whether the limits for clients
// that have not authenticated apply.

public import CWeir
public import WeirBase
public import WeirWire

public final class RESPCodec: WireCodec, @unchecked Sendable {
    /// What the request side remembers of a connection.
    struct RequestState {
        var decoder = RequestDecoder()
        var isRestricted = false
        var isInTransaction = false
    }

    private let limits: RESPLimits
    private let restricted = RESPLimits.unauthenticated
    private let complaints = Complaints()

    public init(limits: RESPLimits = RESPLimits()) {
        self.limits = limits
        super.init(name: "resp", number: 1)
    }

    // MARK: state

    public override func openRequests(_ state: inout CodecState) {
        state.with(RequestState.self) { $0.initialize(to: RequestState()) }
    }

    public override func openResponses(_ state: inout CodecState) {
        state.with(ReplyDecoder.self) { $0.initialize(to: ReplyDecoder()) }
    }

    public override func closeResponses(_ state: inout CodecState) {
        state.with(ReplyDecoder.self) { $0.pointee.reset() }
    }

    public override func restrict(_ state: inout CodecState, _ isRestricted: Bool) {
        state.with(RequestState.self) { $0.pointee.isRestricted = isRestricted }
    }

    // MARK: frames

    public override func cutRequests(
        _ state: inout CodecState, _ bytes: UnsafeRawBufferPointer, _ frames: UnsafeMutablePointer<Frame>,
        _ capacity: Int, _ pool: SlabPoolRef
    ) -> Cut {
        state.with(RequestState.self) { cut($0, bytes, frames, capacity, pool) }
    }

    private func cut(
        _ state: UnsafeMutablePointer<RequestState>, _ bytes: UnsafeRawBufferPointer,
        _ frames: UnsafeMutablePointer<Frame>, _ capacity: Int, _ pool: SlabPoolRef
    ) -> Cut {
        var cut = Cut()
        var offset = 0
        let active = state.pointee.isRestricted ? restricted : limits
        while offset < bytes.count, cut.frameCount < capacity {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let request = state.pointee.decoder.next(rest, active)
            switch request.outcome {
            case .frame:
                frames[cut.frameCount] = Frame(
                    offset: offset, byteCount: request.byteCount, verb: UInt32(request.verb),
                    flags: flags(request.command, state), command: request.command, kind: UInt16(WEIR_REQUEST))
                cut.frameCount &+= 1
            case .inline:
                guard let canonical = InlineCommand.encode(UnsafeRawBufferPointer(rebasing: rest[..<request.byteCount]))
                else { return broken(&cut, offset, request) }
                let slab = canonical.withUnsafeBytes { pool.copy($0) }
                frames[cut.frameCount] = Frame(
                    offset: 0, byteCount: canonical.count, verb: UInt32(request.verb),
                    flags: flags(request.command, state), command: request.command, kind: UInt16(WEIR_REQUEST),
                    replacement: slab)
                cut.frameCount &+= 1
            case .ignore: break
            case .incomplete:
                cut.consumedByteCount = offset
                cut.neededByteCount = request.byteCount
                return cut
            case .failure: return broken(&cut, offset, request)
            }
            offset &+= request.byteCount
        }
        cut.consumedByteCount = offset
        return cut
    }

    private func broken(_ cut: inout Cut, _ offset: Int, _ request: DecodedRequest) -> Cut {
        cut.consumedByteCount = offset
        cut.isBroken = true
        cut.complaint = complaints.text(request.error, request.unexpectedByte)
        return cut
    }

    /// WEIR_M_* of a request, and whether it concerns its session.
    @inline(__always)
    private func flags(_ command: UInt16, _ state: UnsafeMutablePointer<RequestState>) -> UInt32 {
        let traits = CommandTable.traits(command)
        if traits.effect == .none, traits.flags & UInt32(WEIR_RESP_SCRIPT) == 0, !state.pointee.isInTransaction {
            return 0
        }
        // A script concerns no session, but it is not placed like other commands (it may run for ever).
        if traits.flags & UInt32(WEIR_RESP_SCRIPT) != 0 {
            return sessionFlags(traits.effect, state) | Frame.changesSession
        }
        return sessionFlags(traits.effect, state)
    }

    private func sessionFlags(_ effect: SessionEffect, _ state: UnsafeMutablePointer<RequestState>) -> UInt32 {
        var flags: UInt32 = state.pointee.isInTransaction ? UInt32(WEIR_M_TXN) : 0
        if effect != .none { flags |= Frame.changesSession }
        if effect.needsOwnConnection || state.pointee.isInTransaction { flags |= UInt32(WEIR_M_PINNED) }
        switch effect {
        case .multi: state.pointee.isInTransaction = true
        case .exec, .discard, .reset: state.pointee.isInTransaction = false
        default: break
        }
        return flags
    }

    public override func cutResponses(
        _ state: inout CodecState, _ bytes: UnsafeRawBufferPointer, _ frames: UnsafeMutablePointer<Frame>,
        _ capacity: Int
    ) -> Cut {
        state.with(ReplyDecoder.self) { decoder in
            var cut = Cut()
            var offset = 0
            while offset < bytes.count, cut.frameCount < capacity {
                let reply = decoder.pointee.next(UnsafeRawBufferPointer(rebasing: bytes[offset...]), limits)
                switch reply.outcome {
                case .frame:
                    frames[cut.frameCount] = Frame(
                        offset: offset, byteCount: reply.byteCount, verb: 0,
                        flags: reply.isError ? UInt32(WEIR_M_ERROR) : 0, command: 0,
                        kind: UInt16(reply.isPush ? WEIR_PUSH : WEIR_RESPONSE))
                    cut.frameCount &+= 1
                    offset &+= reply.byteCount
                case .incomplete:
                    cut.consumedByteCount = offset
                    cut.neededByteCount = reply.byteCount
                    return cut
                case .failure:
                    cut.consumedByteCount = offset
                    cut.isBroken = true
                    cut.complaint = weir_str(reply.error.message)
                    return cut
                }
            }
            cut.consumedByteCount = offset
            return cut
        }
    }

    // MARK: messages

    public override func classify(_ bytes: UnsafeRawBufferPointer) -> Frame {
        var state = RequestState()
        let request = state.decoder.next(bytes, limits)
        return Frame(
            offset: 0, byteCount: bytes.count, verb: UInt32(request.verb), flags: flags(request.command, &state),
            command: request.command, kind: UInt16(WEIR_REQUEST))
    }

    public override func parse(
        _ bytes: UnsafeRawBufferPointer, kind: UInt16, _ items: UnsafeMutablePointer<weir_item>, _ capacity: Int
    ) -> Int {
        RESPTape.parse(bytes, into: items, capacity: capacity, maximumNesting: limits.maximumNesting)
    }

    public override func encodedByteCount(
        _ items: UnsafePointer<weir_item>, _ count: Int, kind: UInt16, version: UInt32
    ) -> Int {
        RESPTape.encodedByteCount(items, count: count, as: form(kind, version))
    }

    public override func encode(
        _ items: UnsafePointer<weir_item>, _ count: Int, kind: UInt16, version: UInt32,
        _ into: UnsafeMutableRawBufferPointer
    ) {
        _ = RESPTape.encode(
            items, count: count, as: form(kind, version),
            into: into.baseAddress?.assumingMemoryBound(to: UInt8.self), capacity: into.count)
    }

    private func form(_ kind: UInt16, _ version: UInt32) -> RESPTape.Form {
        kind == UInt16(WEIR_REQUEST) ? .request : .reply(version: Int(version))
    }

    public override func errorResponse(_ status: weir_status, _ text: weir_str) -> [UInt8] {
        let text = text.bytes
        let space = text.firstIndex(of: UInt8(ascii: " ")) ?? 0
        // A text may bring its own code word (NOAUTH, EXECABORT, …), as Redis's errors do.
        let bringsCode = space >= 2 && text[..<space].allSatisfy { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }
        if bringsCode {
            var reply = RESPReply.simple(text)
            reply[0] = UInt8(ascii: "-")
            return reply
        }
        return RESPReply.error("ERR", text)
    }

    public override func verb(named name: UnsafeRawBufferPointer) -> UInt32 { UInt32(CommandTable.verb(named: name)) }

    public override func name(ofVerb verb: UInt32) -> weir_str {
        guard verb > 0, verb < UInt32(CommandTable.verbCount) else { return weir_str() }
        let name = CommandTable.name(UInt16(verb))
        return weir_str(ptr: name.baseAddress?.assumingMemoryBound(to: UInt8.self), len: name.count)
    }

    public override var verbCount: Int { CommandTable.verbCount }

    public override func closesConnection(_ command: UInt16) -> Bool { CommandTable.traits(command).effect == .quit }
}

extension SessionEffect {
    /// A request with this effect goes over a connection that no other client uses.
    public var needsOwnConnection: Bool {
        switch self {
        case .none, .exec, .discard, .unwatch, .select, .hello, .reset, .quit, .clientSetinfo, .refused,
            .blockingIfOption:
            false
        default: true
        }
    }
}

/// Error replies to broken requests, made once.
private struct Complaints {
    private let texts: [weir_str]
    private let unexpected: [weir_str]

    init() {
        func reply(_ error: RESPError, _ byte: UInt8) -> weir_str {
            let bytes = RESPReply.protocolError(.failure(error, byte))
            return bytes.isEmpty ? weir_str() : immortalText(String(decoding: bytes, as: UTF8.self))
        }
        texts = RESPError.allCases.map { reply($0, 0) }
        unexpected = (0..<128).map { reply(.expectedDollar, UInt8($0)) }
    }

    func text(_ error: RESPError, _ byte: UInt8) -> weir_str {
        error == .expectedDollar && byte < 128 ? unexpected[Int(byte)] : texts[Int(error.rawValue)]
    }
}
