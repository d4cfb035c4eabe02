// Cuts the requests of one client out of its bytes: multibulk frames and inline commands. Knows no socket, no buffer
// and no session; it holds where it stopped.
//
// What it calls a frame is canonical: lengths without sign or leading zero, every line and every bulk ended by exactly
// CR LF. Redis itself skips the two bytes behind a bulk unread, and the byte behind a CR; forwarding such bytes would let
// a client put a request of its own between those of others, so they are refused here.
//
// While a request is incomplete the caller gives the same bytes again with more behind them; `offset` and `scanned` keep
// the work linear. The common request, whole and with lengths below 1000, takes no branch into the slow path.

#if canImport(Glibc)
    import Glibc
#endif

/// The decoder of one client connection.
public struct RequestDecoder: Sendable {
    /// Where the next argument's header begins; 0 before the first line of a multibulk is read.
    var offset = 0
    /// No line end lies before this offset (and behind `offset`).
    var scanned = 0
    var argumentCount: UInt32 = 0
    var remaining: UInt32 = 0

    public init() {}

    /// Decodes what begins at the start of `bytes`, which is the start of a request.
    ///
    /// After `.incomplete` it is to be called with the same bytes (at any address) and more of them.
    public mutating func next(
        _ bytes: UnsafeRawBufferPointer, _ limits: borrowing RESPLimits
    ) -> DecodedRequest {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return .incomplete() }
        let end = bytes.count
        var at = offset
        var left = remaining
        if at == 0 {
            // Safe: `end` is checked before each load.
            guard base.load(as: UInt8.self) == UInt8(ascii: "*") else { return inline(base, end, limits) }
            let digit = end >= 4 ? Self.oneDigit(base.loadUnaligned(as: UInt32.self), Self.starLine) : 10
            if digit &- 1 < 9, digit <= limits.maximumArgumentCount {
                at = 4
                left = UInt32(truncatingIfNeeded: digit)
                argumentCount = left
            } else {
                if let result = begin(base, end, limits) { return result }
                at = offset
                left = remaining
            }
        }

        let maximumBulk = limits.maximumBulkByteCount
        var name = Names()
        var isFirst = left == argumentCount
        while left != 0 {
            // Safe: each load lies below a bound compared with `end` in the same condition.
            var length = -1
            var body = 0
            if at &+ 6 <= end {
                let word = base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
                let digit = Self.oneDigit(word, Self.dollarLine)
                if digit < 10 {
                    length = Int(truncatingIfNeeded: digit)
                    body = at &+ 4
                } else {
                    let tail = base.loadUnaligned(fromByteOffset: at &+ 4, as: UInt16.self)
                    (length, body) = Self.moreDigits(word, tail, at)
                }
            }
            if length < 0 || length > maximumBulk {
                switch header(base, at, end, limits) {
                case .length(let value, let start): (length, body) = (value, start)
                case .incomplete: return suspend(at, left, least: end &+ 1, limits)
                case .failure(let error, let byte): return fail(error, byte)
                }
            }
            let next = body &+ length &+ 2
            guard next <= end else { return suspend(at, left, least: next, limits) }
            guard base.loadUnaligned(fromByteOffset: next &- 2, as: UInt16.self) == Self.lineEnd else {
                return fail(.expectedLineEnd)
            }
            if left &+ 2 > argumentCount {
                name.note(isFirst: isFirst, body, length)
                isFirst = false
            }
            at = next
            left &-= 1
        }
        return finish(base, at, name, limits)
    }

    /// Forgets a request begun; for a connection that is used anew.
    public mutating func reset() {
        self = RequestDecoder()
    }
}

// MARK: - Words

extension RequestDecoder {
    /// "\r\n" as a little-endian word.
    @inline(__always) static var lineEnd: UInt16 { 0x0a0d }
    /// "$?\r\n" and "*?\r\n" with the digit masked out.
    @inline(__always) static var dollarLine: UInt32 { 0x0a0d_0024 }
    @inline(__always) static var starLine: UInt32 { 0x0a0d_002a }

    /// The digit of "$d\r\n"; 10 or more when the word is something else.
    @inline(__always)
    static func oneDigit(_ word: UInt32, _ pattern: UInt32) -> UInt32 {
        // A byte below "0" wraps round and is large.
        let digit = ((word &>> 8) & 0xff) &- 48
        return word & 0xffff_00ff == pattern ? digit : UInt32.max
    }

    /// Length and start of the body for "$dd\r\n" and "$ddd\r\n" at `at`; a length of -1 for anything else.
    @inline(__always)
    static func moreDigits(_ word: UInt32, _ tail: UInt16, _ at: Int) -> (Int, Int) {
        let first = ((word &>> 8) & 0xff) &- 48
        let second = ((word &>> 16) & 0xff) &- 48
        let third = (word &>> 24) &- 48
        guard word & 0xff == 0x24, first &- 1 < 9, second < 10 else { return (-1, 0) }
        let two = first &* 10 &+ second
        if word &>> 24 == 0x0d, tail & 0xff == 0x0a { return (Int(truncatingIfNeeded: two), at &+ 5) }
        if third < 10, tail == lineEnd { return (Int(truncatingIfNeeded: two &* 10 &+ third), at &+ 6) }
        return (-1, 0)
    }

    /// Where the first two arguments lie, when this call has seen them.
    struct Names {
        var verb = 0
        var verbCount = -1
        var sub = 0
        var subCount = -1

        @inline(__always)
        mutating func note(isFirst: Bool, _ body: Int, _ length: Int) {
            if isFirst {
                (verb, verbCount) = (body, length)
            } else {
                (sub, subCount) = (body, length)
            }
        }
    }
}

// MARK: - The slow path

extension RequestDecoder {
    enum Header {
        case length(Int, Int)
        case incomplete
        case failure(RESPError, UInt8)
    }

    enum Line {
        case end(Int)
        case incomplete
        case tooLong
    }

    /// Finds the CR of the line at `at`. There is at least one byte behind it.
    private mutating func line(_ base: UnsafeRawPointer, _ at: Int, _ end: Int, _ limits: borrowing RESPLimits) -> Line
    {
        let from = max(at, scanned)
        guard from < end, let found = memchr(base + from, 0x0d, end - from) else {
            scanned = end
            return end - at > limits.maximumInlineByteCount ? .tooLong : .incomplete
        }
        let position = UnsafeRawPointer(found) - base
        scanned = position
        guard position + 1 < end else { return .incomplete }
        return .end(position)
    }

    /// Reads "*count\r\n". Nil when the arguments follow; `offset`, `remaining` and `argumentCount` are set then.
    private mutating func begin(
        _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> DecodedRequest? {
        let cr: Int
        switch line(base, 0, end, limits) {
        case .end(let position): cr = position
        case .incomplete: return .incomplete()
        case .tooLong: return fail(.tooBigMultibulkCountString)
        }
        guard let count = DecimalInteger.parse(base + 1, count: cr - 1), count <= Int(Int32.max) else {
            return fail(.invalidMultibulkLength)
        }
        if count > limits.maximumArgumentCount {
            return fail(limits.isUnauthenticated ? .unauthenticatedMultibulkLength : .invalidMultibulkLength)
        }
        guard base.load(fromByteOffset: cr + 1, as: UInt8.self) == 0x0a else { return fail(.expectedLineEnd) }
        scanned = 0
        if count <= 0 { return DecodedRequest(.ignore, byteCount: cr + 2) }
        offset = cr + 2
        // Safe: 0 < count <= Int32.max.
        remaining = UInt32(truncatingIfNeeded: count)
        argumentCount = remaining
        return nil
    }

    /// Reads "$length\r\n" at `at`.
    private mutating func header(
        _ base: UnsafeRawPointer, _ at: Int, _ end: Int, _ limits: borrowing RESPLimits
    ) -> Header {
        let cr: Int
        switch line(base, at, end, limits) {
        case .end(let position): cr = position
        case .incomplete: return .incomplete
        case .tooLong: return .failure(.tooBigBulkCountString, 0)
        }
        let first = base.load(fromByteOffset: at, as: UInt8.self)
        guard first == UInt8(ascii: "$") else { return .failure(.expectedDollar, first) }
        let most = limits.isUnauthenticated ? RESPLimits().maximumBulkByteCount : limits.maximumBulkByteCount
        guard let length = DecimalInteger.parse(base + at + 1, count: cr - at - 1), length >= 0, length <= most else {
            return .failure(.invalidBulkLength, 0)
        }
        guard length <= limits.maximumBulkByteCount else { return .failure(.unauthenticatedBulkLength, 0) }
        guard base.load(fromByteOffset: cr + 1, as: UInt8.self) == 0x0a else {
            return .failure(.expectedLineEnd, 0)
        }
        return .length(length, cr + 2)
    }

    /// Stops before the argument whose header is at `at`.
    private mutating func suspend(
        _ at: Int, _ left: UInt32, least: Int, _ limits: borrowing RESPLimits
    ) -> DecodedRequest {
        offset = at
        remaining = left
        // The shortest argument is "$0\r\n\r\n".
        let known = max(least, at + 6) + 6 * (Int(left) - 1)
        if known > limits.maximumFrameByteCount { return fail(.tooBigRequest) }
        return .incomplete(known)
    }

    private mutating func fail(_ error: RESPError, _ byte: UInt8 = 0) -> DecodedRequest {
        reset()
        return .failure(error, byte)
    }

    /// The frame is whole: looks the command up.
    @inline(__always)
    private mutating func finish(
        _ base: UnsafeRawPointer, _ end: Int, _ seen: Names, _ limits: borrowing RESPLimits
    ) -> DecodedRequest {
        let count = argumentCount
        self = RequestDecoder()
        guard end <= limits.maximumFrameByteCount else { return .failure(.tooBigRequest) }
        var name = seen
        if name.verbCount < 0 { name = Self.names(base, end) }
        let verb = CommandTable.find(base + name.verb, count: name.verbCount, parent: 0)
        var command = verb
        if verb == 0 {
            if let error = Self.refusal(base + name.verb, count: name.verbCount) { return .failure(error) }
        } else if count > 1, CommandTable.row(verb) & (1 &<< 47) != 0 {
            let sub = CommandTable.find(base + name.sub, count: name.subCount, parent: verb)
            if sub != 0 {
                command = sub
            } else if name.subCount > 0, memchr(base + name.sub, 0, name.subCount) != nil {
                return .failure(.zeroByteInCommandName)
            }
        }
        return DecodedRequest(.frame, byteCount: end, argumentCount: count, command: command, verb: verb)
    }

    /// The first two arguments of a frame that came in pieces.
    private static func names(_ base: UnsafeRawPointer, _ end: Int) -> Names {
        var arguments = RequestArguments(UnsafeRawBufferPointer(start: base, count: end))
        var name = Names(verb: 0, verbCount: 0, sub: 0, subCount: 0)
        if let verb = arguments.next(), let start = verb.baseAddress {
            (name.verb, name.verbCount) = (start - base, verb.count)
        }
        if let sub = arguments.next(), let start = sub.baseAddress {
            (name.sub, name.subCount) = (start - base, sub.count)
        }
        return name
    }

    /// Why an unknown command must not go on.
    ///
    /// Redis finds commands with strcasecmp behind a hash of all bytes, so `MULTI\0x` is MULTI in one of some hundred
    /// variants of x. Measured with 7.0.15: 9 of 4000 variants of `PING\0n` were answered with PONG.
    static func refusal(_ name: UnsafeRawPointer, count: Int) -> RESPError? {
        let bytes = UnsafeRawBufferPointer(start: name, count: count)
        if ASCIIWord.matches(bytes, "POST") || ASCIIWord.matches(bytes, "HOST:") { return .securityAttack }
        return memchr(name, 0, count) != nil ? .zeroByteInCommandName : nil
    }
}

// MARK: - Inline commands

extension RequestDecoder {
    /// A line of words. Redis looks for the line end with strchr, so it never sees one behind a NUL byte.
    private mutating func inline(
        _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> DecodedRequest {
        if end >= 2, base.loadUnaligned(as: UInt16.self) == 0x0316 {
            return fail(.securityAttack)  // a TLS handshake on a plain port
        }
        let from = min(scanned, end)
        let found = memchr(base + from, 0x0a, end - from).map { UnsafeRawPointer($0) - base }
        let stop = found ?? end
        if let zero = memchr(base + from, 0, stop - from) {
            scanned = UnsafeRawPointer(zero) - base
            return end > limits.maximumInlineByteCount ? fail(.tooBigInlineRequest) : .incomplete()
        }
        guard stop <= limits.maximumInlineByteCount else { return fail(.tooBigInlineRequest) }
        guard let newline = found else {
            scanned = end
            return .incomplete()
        }
        reset()
        return InlineCommand.decode(UnsafeRawBufferPointer(start: base, count: newline + 1))
    }
}
