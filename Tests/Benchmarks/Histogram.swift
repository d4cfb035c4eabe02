// Latencies in buckets of at most 3 % width: constant memory, no allocation when a value is recorded.

/// A histogram of nanoseconds.
struct Histogram {
    private var counts = [UInt64](repeating: 0, count: 64 * 32)
    private(set) var total: UInt64 = 0

    /// Counts one latency.
    mutating func record(_ nanoseconds: UInt64) {
        counts[Self.index(nanoseconds)] &+= 1
        total &+= 1
    }

    /// Forgets all.
    mutating func reset() {
        for i in counts.indices { counts[i] = 0 }
        total = 0
    }

    /// The value below which `fraction` of the latencies lie, in microseconds.
    func percentile(_ fraction: Double) -> Double {
        let wanted = UInt64(Double(total) * fraction)
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen > wanted { return Double(Self.middle(index)) / 1000 }
        }
        return 0
    }

    private static func index(_ value: UInt64) -> Int {
        if value < 32 { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 4) * 32 + Int((value >> UInt64(exponent - 5)) & 31)
    }

    private static func middle(_ index: Int) -> UInt64 {
        if index < 32 { return UInt64(index) }
        let exponent = UInt64(index / 32 + 4)
        let lower = (UInt64(1) << exponent) | (UInt64(index % 32) << (exponent - 5))
        return lower + (UInt64(1) << (exponent - 5)) / 2
    }
}
