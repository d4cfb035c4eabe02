// Writes protocol text into memory of known size. It never writes beyond its capacity, but it goes on counting, so the
// same code measures (capacity 0) and writes.

/// Counts, and writes while there is room.
struct ByteWriter {
    private let base: UnsafeMutablePointer<UInt8>?
    private let capacity: Int
    /// Bytes written, or that would have been.
    private(set) var count = 0

    init(_ base: UnsafeMutablePointer<UInt8>?, capacity: Int) {
        self.base = base
        self.capacity = base == nil ? 0 : capacity
    }

    mutating func byte(_ byte: UInt8) {
        if let base, count < capacity { base[count] = byte }
        count += 1
    }

    mutating func lineEnd() {
        byte(0x0d)
        byte(0x0a)
    }

    mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count) { room in
            if let source = bytes.baseAddress {
                UnsafeMutableRawPointer(room).copyMemory(from: source, byteCount: bytes.count)
            }
        }
    }

    mutating func text(_ text: StaticString) {
        bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func integer(_ value: Int) {
        reserve(DecimalInteger.byteCount(value)) { DecimalInteger.write(value, to: $0) }
    }

    /// A marker with a number and the line end: "$12\r\n".
    mutating func line(_ marker: UInt8, _ value: Int) {
        byte(marker)
        integer(value)
        lineEnd()
    }

    /// Text of one line: CR and LF become spaces, as Redis does with errors.
    mutating func oneLine(_ bytes: UnsafeRawBufferPointer) {
        for value in bytes { byte(value == 0x0d || value == 0x0a ? 0x20 : value) }
    }

    /// Moves on by `size`; `fill` gets the place when there is room for all of it.
    mutating func reserve(_ size: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        if let base, size <= capacity - count, size > 0 { fill(base + count) }
        count += size
    }
}
