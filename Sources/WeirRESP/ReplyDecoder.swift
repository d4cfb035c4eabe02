// Cuts the replies of one server out of its bytes: RESP2 and RESP3, all types but the streamed ones. Knows no request;
// whose reply it is, others decide.
//
//   depth 0            the frame: one reply, with attributes before it
//   depth d            `counts[d]` elements are still to come in the aggregate that is open at that depth
//   attribute          its 2n elements are an aggregate that its parent does not count; one at most before an element
//
// No recursion, and nothing is allocated for an announced count. The open aggregates are counted in place for the first
// levels; below them a block of `maximumNesting` words holds the counts while such a frame is incomplete, and no longer.
// While a frame is incomplete the caller gives the same bytes again with more behind them; `offset` and `scanned` keep
// the work linear.

/// The decoder of one upstream connection. Owns memory while a deeply nested frame is incomplete: `reset()` before it is
/// thrown away.
public struct ReplyDecoder {
    static let shallowDepth = 6

    /// Where the next element begins.
    var offset = 0
    /// No line end lies before this offset (and behind `offset`).
    var scanned = 0
    var depth = 0
    var shallow: [6 of UInt32] = .init(repeating: 0)
    var deep: UnsafeMutablePointer<UInt32>?
    var deepCapacity = 0
    var marker: UInt8 = 0
    /// The last thing read was an attribute, so its element comes now.
    var isBehindAttribute = false

    public init() {}

    /// Decodes what begins at the start of `bytes`, which is the start of a reply.
    ///
    /// After `.incomplete` it is to be called with the same bytes (at any address) and more of them.
    public mutating func next(_ bytes: UnsafeRawBufferPointer, _ limits: borrowing RESPLimits) -> DecodedReply {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return DecodedReply(.incomplete) }
        let end = bytes.count
        if offset == 0, scanned == 0, end >= 4 {
            let result = Self.short(base, end, limits)
            if result.outcome == .frame { return result }
        }
        return long(base, end, limits)
    }

    /// Forgets a reply begun and gives its memory back.
    public mutating func reset() {
        deep?.deallocate()
        self = ReplyDecoder()
    }
}

// MARK: - The common replies

extension ReplyDecoder {
    /// A whole `$n` with n < 1000, `$-1`, `:n` and `+text` of a few bytes; `.incomplete` for anything else.
    @inline(__always)
    private static func short(
        _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> DecodedReply {
        // Safe: `end` is at least 4, and compared again before each load that lies higher.
        let word = base.loadUnaligned(as: UInt32.self)
        let type = UInt8(truncatingIfNeeded: word)
        let none = DecodedReply(.incomplete)
        if type == UInt8(ascii: "$") {
            if end >= 5, word == 0x0d31_2d24, base.load(fromByteOffset: 4, as: UInt8.self) == 0x0a {
                return DecodedReply(.frame, byteCount: 5, marker: type)  // "$-1\r\n"
            }
            let next = shortBulk(base, 0, end, limits)
            return next < 0 ? none : DecodedReply(.frame, byteCount: next, marker: type)
        }
        if type == UInt8(ascii: "+") || type == UInt8(ascii: ":") {
            let isNumber = type == UInt8(ascii: ":")
            var at = 1
            let stop = min(end &- 1, 20)
            while at < stop {
                let byte = base.load(fromByteOffset: at, as: UInt8.self)
                if byte == 0x0d {
                    guard at > 1 || !isNumber, base.load(fromByteOffset: at &+ 1, as: UInt8.self) == 0x0a else {
                        return none
                    }
                    return DecodedReply(.frame, byteCount: at &+ 2, marker: type)
                }
                if isNumber, byte &- 48 > 9 { return none }
                at &+= 1
            }
        }
        return none
    }
}

// MARK: - All replies

extension ReplyDecoder {
    private mutating func long(
        _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> DecodedReply {
        while true {
            guard offset < end else { return suspend(least: 0, limits) }
            let type = base.load(fromByteOffset: offset, as: UInt8.self)
            if type == UInt8(ascii: "$"), depth > 0, shortBulks(base, end, limits) {
                if top & ~Self.attributeBit == 0, let done = close(limits) { return done }
                continue
            }
            let isAttribute = type == UInt8(ascii: "|")
            if isAttribute, isBehindAttribute { return fail(.repeatedAttribute) }
            switch element(type, base, end, limits) {
            case .incomplete(let least): return suspend(least: least, limits)
            case .failure(let error): return fail(error)
            case .leaf(let next):
                offset = next
                isBehindAttribute = false
            case .aggregate(let count, let next):
                offset = next
                isBehindAttribute = isAttribute && count == 0
                if depth == 0, !isAttribute { marker = type }
                if count > 0 {
                    // Its elements come first, then what it is an element of goes on.
                    guard push(count, isAttribute: isAttribute, limits) else { return fail(.tooDeep) }
                    continue
                }
                if isAttribute { continue }
            }
            if depth == 0 {
                marker = type
                return finish(limits)
            }
            top &-= 1
            if let done = close(limits) { return done }
        }
    }

    /// Passes over whole `$n` with n < 1000 in the open aggregate, at most to its end; false when there is none.
    @inline(__always)
    private mutating func shortBulks(_ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits) -> Bool {
        var at = offset
        let isAttribute = top & Self.attributeBit
        var left = top & ~Self.attributeBit
        while left != 0 {
            let next = Self.shortBulk(base, at, end, limits)
            if next < 0 { break }
            at = next
            left &-= 1
        }
        if at == offset { return false }
        offset = at
        isBehindAttribute = false
        top = left | isAttribute
        return true
    }

    /// The end of a whole `$n` with n < 1000 at `at`; -1 for anything else.
    @inline(__always)
    private static func shortBulk(
        _ base: UnsafeRawPointer, _ at: Int, _ end: Int, _ limits: borrowing RESPLimits
    ) -> Int {
        // Safe: each load lies below a bound compared with `end` before it.
        guard at &+ 6 <= end else { return -1 }
        let word = base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
        let digit = RequestDecoder.oneDigit(word, RequestDecoder.dollarLine)
        var (length, body) = (Int(truncatingIfNeeded: digit), at &+ 4)
        if digit >= 10 {
            let tail = base.loadUnaligned(fromByteOffset: at &+ 4, as: UInt16.self)
            (length, body) = RequestDecoder.moreDigits(word, tail, at)
        }
        let next = body &+ length &+ 2
        guard length >= 0, length <= limits.maximumBulkByteCount, next <= end,
            base.loadUnaligned(fromByteOffset: next &- 2, as: UInt16.self) == RequestDecoder.lineEnd
        else { return -1 }
        return next
    }

    /// Closes the aggregates that have got all their elements; the frame when that was the outermost.
    private mutating func close(_ limits: borrowing RESPLimits) -> DecodedReply? {
        while depth > 0, top & ~Self.attributeBit == 0 {
            let wasAttribute = top & Self.attributeBit != 0
            depth -= 1
            if wasAttribute {
                isBehindAttribute = true
                return nil
            }
            if depth == 0 { return finish(limits) }
            top &-= 1
        }
        return nil
    }

    private mutating func finish(_ limits: borrowing RESPLimits) -> DecodedReply {
        let result = DecodedReply(.frame, byteCount: offset, marker: marker)
        reset()
        return result.byteCount <= limits.maximumFrameByteCount ? result : DecodedReply(.failure, error: .tooBigReply)
    }

    private mutating func suspend(least: Int, _ limits: borrowing RESPLimits) -> DecodedReply {
        if max(least, offset, scanned) > limits.maximumFrameByteCount { return fail(.tooBigReply) }
        return DecodedReply(.incomplete, byteCount: least)
    }

    private mutating func fail(_ error: RESPError) -> DecodedReply {
        reset()
        return DecodedReply(.failure, error: error)
    }
}
