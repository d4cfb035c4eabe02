// The arguments of a whole request frame, one after the other, without a tape. For the few commands whose arguments
// decide something about the connection (SELECT 3, XREAD BLOCK, CLIENT REPLY OFF).

/// Walks a frame that `RequestDecoder` has called whole; of other bytes it gives what it can and then ends.
public struct RequestArguments: IteratorProtocol, Sequence {
    let base: UnsafeRawPointer?
    let end: Int
    var at = 0

    /// `frame` must outlive the iterator: the arguments point into it.
    public init(_ frame: UnsafeRawBufferPointer) {
        base = frame.baseAddress
        end = frame.count
        _ = line(marker: UInt8(ascii: "*"))
    }

    public mutating func next() -> UnsafeRawBufferPointer? {
        guard let length = line(marker: UInt8(ascii: "$")), let base, length <= end - at - 2 else { return nil }
        defer { at += length + 2 }
        return UnsafeRawBufferPointer(start: base + at, count: length)
    }

    /// The number of a line at `at`, which is moved behind it.
    private mutating func line(marker: UInt8) -> Int? {
        guard let base, at < end, base.load(fromByteOffset: at, as: UInt8.self) == marker else { return nil }
        var value = 0
        var index = at + 1
        while index < end {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            if byte == 0x0d, index + 1 < end {
                at = index + 2
                return value
            }
            let digit = byte &- 48
            guard digit < 10, value <= Int(Int32.max) else { return nil }
            value = value * 10 + Int(digit)
            index += 1
        }
        return nil
    }

    /// The arguments from `index` on of `frame`, or nil when there are not so many.
    public static func argument(_ index: Int, of frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var arguments = RequestArguments(frame)
        for _ in 0..<index where arguments.next() == nil { return nil }
        return arguments.next()
    }

    /// Whether an argument is `word` (upper case ASCII) as Redis compares options: in any case, and up to a NUL byte.
    public static func isWord(_ argument: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        ASCIIWord.matches(argument, word)
    }
}
