// Decimal numbers as Redis reads and writes them in protocol lines: no sign "+", no leading zero, no "-0", no spaces.

/// Strict decimal text of 64-bit integers.
enum DecimalInteger {
    /// The value of exactly `count` bytes, or nil when they are not the canonical text of an Int.
    static func parse(_ base: UnsafeRawPointer, count: Int) -> Int? {
        guard count > 0, count <= 20 else { return nil }
        let first = base.load(as: UInt8.self)
        let isNegative = first == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        guard start < count else { return nil }
        let leading = base.load(fromByteOffset: start, as: UInt8.self) &- 48
        if leading == 0 { return count == 1 ? 0 : nil }
        var value = 0
        for index in start..<count {
            let digit = base.load(fromByteOffset: index, as: UInt8.self) &- 48
            guard digit < 10 else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            // Counted downwards, so that Int.min has a place.
            let (next, underflow) = shifted.subtractingReportingOverflow(Int(digit))
            if overflow || underflow { return nil }
            value = next
        }
        if isNegative { return value }
        let (positive, overflow) = (0).subtractingReportingOverflow(value)
        return overflow ? nil : positive
    }

    /// How many bytes the text of `value` has.
    static func byteCount(_ value: Int) -> Int {
        var rest = value.magnitude
        var count = value < 0 ? 2 : 1
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }

    /// Writes the text of `value`; there must be room for `byteCount(value)` bytes, which it returns.
    @discardableResult
    static func write(_ value: Int, to base: UnsafeMutableRawPointer) -> Int {
        let count = byteCount(value)
        var rest = value.magnitude
        var at = count
        repeat {
            at -= 1
            base.storeBytes(of: UInt8(truncatingIfNeeded: rest % 10) + 48, toByteOffset: at, as: UInt8.self)
            rest /= 10
        } while rest != 0
        if value < 0 { base.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self) }
        return count
    }
}
