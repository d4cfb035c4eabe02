// The cells behind the metrics: plain memory that one worker writes with plain stores.
//
// A cell belongs to one worker and is never freed, so a pointer to it stays good for the life of the
// process; the renderer reads cells of all workers while they are written (an aligned 64-bit load never
// tears on the machines Weir runs on) and adds them up. Nothing here knows names, labels or text.

/// A latency histogram of one worker: logarithmic buckets with two steps per octave, 448 bytes.
///
/// Bucket `2k + h` counts the values in (2^(9+k) · (1 + h/2), 2^(9+k) · (1 + (h+1)/2)] nanoseconds; the first two
/// also hold everything below, the last everything above 2^36 ns (68.7 s).
public struct HistogramCells {
    /// 27 octaves of two steps, and one cell for what is longer than the last edge.
    public static var bucketCount: Int { 55 }

    @usableFromInline var buckets = InlineArray<55, UInt64>(repeating: 0)
    @usableFromInline var sumNanoseconds: UInt64 = 0

    public init() {}

    /// Counts one duration: 4 ns for durations that scatter over all buckets, without a branch.
    @inlinable public mutating func observe(_ nanoseconds: UInt64) {
        // One less, so that an upper edge belongs to its bucket, as `le` wants it.
        let value = nanoseconds == 0 ? 0 : nanoseconds &- 1
        let exponent = 63 &- (value | 512).leadingZeroBitCount
        let step = Int(truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: exponent &- 1)) & 1
        let index = min((exponent &- 9) &* 2 &+ step, 54)
        // Safe: the exponent is 9 … 63, so the index is 0 … 54.
        buckets[unchecked: index] &+= 1
        sumNanoseconds &+= nanoseconds
    }
}

/// What the histograms of all workers hold together.
public struct HistogramSnapshot: Sendable, Equatable {
    /// One count per cell of `HistogramCells`, not cumulative.
    public private(set) var buckets = [UInt64](repeating: 0, count: HistogramCells.bucketCount)
    public private(set) var sumNanoseconds: UInt64 = 0

    public init() {}

    /// Adds one worker's cells.
    public mutating func add(_ cells: UnsafePointer<HistogramCells>) {
        for index in 0..<HistogramCells.bucketCount {
            buckets[index] &+= cells.pointee.buckets[index]
        }
        sumNanoseconds &+= cells.pointee.sumNanoseconds
    }

    /// How many durations were observed.
    public var count: UInt64 { buckets.reduce(0, &+) }

    /// The upper edge of a bucket in nanoseconds; nil for the last, which has none.
    public static func upperEdgeNanoseconds(ofBucket index: Int) -> UInt64? {
        guard index >= 0, index < HistogramCells.bucketCount - 1 else { return nil }
        let octave = UInt64(512) << UInt64(index / 2)
        return index % 2 == 0 ? octave + octave / 2 : octave * 2
    }
}

/// Cells of one worker, handed out one after another from blocks that are never freed.
///
/// A block belongs to one worker, so two workers never write to one cache line.
struct CellBlocks {
    private static let blockByteCount = 4096
    private static let cacheLineByteCount = 64
    private var next = UnsafeMutableRawPointer(bitPattern: 0)
    private var left = 0

    /// Zeroed memory of the given size, 8-byte aligned.
    mutating func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
        let rounded = (byteCount + 7) & ~7
        if let place = next, rounded <= left {
            next = place + rounded
            left -= rounded
            return place
        }
        let size = max(rounded, CellBlocks.blockByteCount)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: CellBlocks.cacheLineByteCount)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        next = block + rounded
        left = size - rounded
        return block
    }
}
