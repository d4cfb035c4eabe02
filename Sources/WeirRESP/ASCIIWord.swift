// Names of commands and options as machine words: eight bytes at a time, upper case, without a table or a String.
//
//   length 1...8    low = all bytes, zero padded
//   length 9...16   low = the first eight bytes, high = the last eight (they may overlap)
//   length 17...24  the same, and middle = bytes 8..<16
//
// Redis compares the words of a request as C strings, so an option ends at its first NUL byte: `BLOCK\0x` blocks.

/// A name of at most 24 bytes in upper case.
struct ASCIIWord {
    static let maximumByteCount = 24

    var low: UInt64
    var middle: UInt64
    var high: UInt64

    /// `count` bytes at `base`, 1 to 24 of them.
    @inline(__always)
    init(_ base: UnsafeRawPointer, count: Int) {
        middle = 0
        high = 0
        if count < 8 {
            low = Self.uppercased(Self.load(base, count: count))
        } else {
            low = Self.uppercased(base.loadUnaligned(as: UInt64.self))
            if count > 8 {
                high = Self.uppercased(base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
                if count > 16 {
                    middle = Self.uppercased(base.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                }
            }
        }
    }

    /// The bytes of a name shorter than eight, zero padded, without reading beyond it.
    @inline(__always)
    static func load(_ base: UnsafeRawPointer, count: Int) -> UInt64 {
        if count >= 4 {
            let first = UInt64(base.loadUnaligned(as: UInt32.self))
            let last = UInt64(base.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
            return first | last &<< UInt64(truncatingIfNeeded: (count &- 4) &* 8)
        }
        if count == 0 { return 0 }
        let first = UInt64(base.load(as: UInt8.self))
        let middle = UInt64(base.load(fromByteOffset: count &>> 1, as: UInt8.self))
        let last = UInt64(base.load(fromByteOffset: count &- 1, as: UInt8.self))
        return first | middle &<< UInt64(truncatingIfNeeded: (count &>> 1) &* 8)
            | last &<< UInt64(truncatingIfNeeded: (count &- 1) &* 8)
    }

    /// Clears bit 5 of each byte that is a lower case letter.
    @inline(__always)
    static func uppercased(_ word: UInt64) -> UInt64 {
        let low = word & 0x7f7f_7f7f_7f7f_7f7f
        let aboveZ = low &+ 0x0505_0505_0505_0505
        let fromA = low &+ 0x1f1f_1f1f_1f1f_1f1f
        let isLower = (fromA ^ aboveZ) & ~word & 0x8080_8080_8080_8080
        return word &- isLower &>> 2
    }

    /// Whether `bytes` is `word` (upper case) for Redis: without regard to case and up to its first NUL byte.
    static func matches(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count >= count, bytes.count == count || bytes[count] == 0 else { return false }
        for index in 0..<count {
            let byte = bytes[index]
            let upper = byte &- 97 < 26 ? byte &- 32 : byte
            if upper != word.utf8Start[index] { return false }
        }
        return true
    }
}
