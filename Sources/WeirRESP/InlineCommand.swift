// Inline commands: a line of words, split by the rules of Redis's sdssplitargs, and made into the multibulk request
// that goes on in its place.
//
//   words     are parted by blanks; a NUL byte ends the line
//   "..."     knows \n \r \t \b \a, \xHH with exactly two digits, and \c for any other c (so "\x4" is x4)
//   '...'     knows \' only
//   a closing quote must be followed by a blank or the end, else the quotes are unbalanced

/// Inline commands.
public enum InlineCommand {
    /// The canonical multibulk request for the line (with or without its line end), or nil when its quotes are
    /// unbalanced or it holds no word.
    public static func encode(_ line: UnsafeRawBufferPointer) -> [UInt8]? {
        var count = 0
        var byteCount = 0
        var words = InlineWords(line)
        while true {
            let length = words.next(into: nil, capacity: 0)
            if length == InlineWords.end { break }
            if length < 0 { return nil }
            count += 1
            byteCount += 1 + DecimalInteger.byteCount(length) + 2 + length + 2
        }
        if count == 0 { return nil }
        byteCount += 1 + DecimalInteger.byteCount(count) + 2
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, used in
            guard let base = buffer.baseAddress else { return }
            var writer = ByteWriter(base, capacity: byteCount)
            writer.line(UInt8(ascii: "*"), count)
            var lengths = InlineWords(line)
            var words = InlineWords(line)
            for _ in 0..<count {
                let length = lengths.next(into: nil, capacity: 0)
                writer.line(UInt8(ascii: "$"), length)
                writer.reserve(length) { _ = words.next(into: $0, capacity: length) }
                writer.lineEnd()
            }
            used = writer.count
        }
    }

    /// `line` ends with its newline.
    static func decode(_ line: UnsafeRawBufferPointer) -> DecodedRequest {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * wordCapacity) { buffer in
            guard let room = buffer.baseAddress else { return .failure(.unbalancedQuotes) }
            var words = InlineWords(line)
            let verbCount = words.next(into: room, capacity: wordCapacity)
            if verbCount == InlineWords.end { return DecodedRequest(.ignore, byteCount: line.count) }
            if verbCount < 0 { return .failure(.unbalancedQuotes) }
            let verbHasZero = words.sawZero
            words.sawZero = false
            let subCount = words.next(into: room + wordCapacity, capacity: wordCapacity)
            let subHasZero = words.sawZero
            var count: UInt32 = 1
            var length = subCount
            while length >= 0 {
                count += 1
                length = words.next(into: nil, capacity: 0)
            }
            if length != InlineWords.end { return .failure(.unbalancedQuotes) }

            let verb = CommandTable.find(room, count: verbCount, parent: 0)
            var command = verb
            if verb == 0 {
                let shown = min(verbCount, wordCapacity)
                if let error = RequestDecoder.refusal(room, count: shown) { return .failure(error) }
                if verbHasZero { return .failure(.zeroByteInCommandName) }
            } else if subCount >= 0, CommandTable.traits(verb).isContainer {
                let sub = CommandTable.find(room + wordCapacity, count: subCount, parent: verb)
                if sub == 0, subHasZero { return .failure(.zeroByteInCommandName) }
                if sub != 0 { command = sub }
            }
            return DecodedRequest(
                .inline, byteCount: line.count, argumentCount: count, command: command, verb: verb)
        }
    }

    /// More than the longest name has.
    private static let wordCapacity = 32
}

/// The words of an inline command, one after the other.
struct InlineWords {
    static let end = -1
    static let unbalanced = -2

    private let bytes: UnsafeRawBufferPointer
    private var at = 0
    private var output: UnsafeMutablePointer<UInt8>?
    private var capacity = 0
    private var length = 0
    /// Whether a word so far holds a NUL byte (which only an escape can make).
    var sawZero = false

    init(_ line: UnsafeRawBufferPointer) {
        var count = line.count
        if count > 0, line[count - 1] == 0x0a {
            count -= 1
            if count > 0, line[count - 1] == 0x0d { count -= 1 }
        }
        bytes = UnsafeRawBufferPointer(rebasing: line[0..<count])
    }

    /// The byte at `index`; 0 beyond the end, as in a C string.
    private func byte(_ index: Int) -> UInt8 {
        index < bytes.count ? bytes[index] : 0
    }

    private mutating func put(_ byte: UInt8) {
        if length < capacity { output?[length] = byte }
        if byte == 0 { sawZero = true }
        length += 1
    }

    /// The length of the next word, `end` or `unbalanced`; its first `capacity` bytes are written to `output`.
    mutating func next(into output: UnsafeMutablePointer<UInt8>?, capacity: Int) -> Int {
        self.output = output
        self.capacity = output == nil ? 0 : capacity
        length = 0
        while Self.isBlank(byte(at)) { at += 1 }
        if byte(at) == 0 { return Self.end }
        while true {
            let current = byte(at)
            switch current {
            case 0x20, 0x0a, 0x0d, 0x09, 0: return length
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                at += 1
                return quoted(by: current) ? length : Self.unbalanced
            default:
                put(current)
                at += 1
            }
        }
    }

    /// The rest of a word behind an opening quote.
    private mutating func quoted(by quote: UInt8) -> Bool {
        while true {
            let current = byte(at)
            if current == 0 { return false }
            if current == quote {
                at += 1
                return byte(at) == 0 || Self.isBlank(byte(at))
            }
            if current == UInt8(ascii: "\\") {
                escape(in: quote)
            } else {
                put(current)
                at += 1
            }
        }
    }

    private mutating func escape(in quote: UInt8) {
        let following = byte(at + 1)
        if quote == UInt8(ascii: "'") {
            if following == quote { at += 1 }
            put(byte(at))
            at += 1
            return
        }
        if following == UInt8(ascii: "x"), let high = Self.hexadecimal(byte(at + 2)),
            let low = Self.hexadecimal(byte(at + 3))
        {
            put(high << 4 | low)
            at += 4
            return
        }
        if following == 0 {  // the line ends here, and the quotes with it
            put(UInt8(ascii: "\\"))
            at += 1
            return
        }
        switch following {
        case UInt8(ascii: "n"): put(0x0a)
        case UInt8(ascii: "r"): put(0x0d)
        case UInt8(ascii: "t"): put(0x09)
        case UInt8(ascii: "b"): put(0x08)
        case UInt8(ascii: "a"): put(0x07)
        default: put(following)
        }
        at += 2
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte &- 9 < 5
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
