// A pool of equal structs on the heap: taking and giving back one costs a few loads.
//
// Memory comes in blocks and is never returned, so a pointer may be looked at after it was given back
// (a flag in the struct tells). One thread only; do not copy it.

/// Structs of one type, reused. `T` must not own anything that needs to be destroyed.
public struct FreeList<T> {
    @usableFromInline var free: UnsafeMutableRawPointer?
    /// Structs that are in use.
    public var usedCount = 0
    @usableFromInline let blockCount: Int

    /// - Parameter blockCount: structs that are allocated at a time.
    public init(blockCount: Int = 64) {
        precondition(MemoryLayout<T>.stride >= MemoryLayout<UnsafeMutableRawPointer>.size)
        self.blockCount = blockCount
    }

    /// Memory for one `T`, not initialised.
    @inlinable @inline(__always)
    public mutating func take() -> UnsafeMutablePointer<T> {
        if free == nil { grow() }
        // Safe: grow() has just made sure that there is one.
        let raw = free.unsafelyUnwrapped
        free = raw.load(as: UnsafeMutableRawPointer?.self)
        usedCount &+= 1
        return raw.assumingMemoryBound(to: T.self)
    }

    /// Gives back memory that `take` gave.
    @inlinable @inline(__always)
    public mutating func give(_ pointer: UnsafeMutablePointer<T>) {
        let raw = UnsafeMutableRawPointer(pointer)
        raw.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = raw
        usedCount &-= 1
    }

    @usableFromInline
    mutating func grow() {
        let stride = MemoryLayout<T>.stride
        let block = UnsafeMutableRawPointer.allocate(byteCount: stride * blockCount, alignment: 64)
        for index in (0..<blockCount).reversed() {
            let raw = block + index * stride
            raw.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
            free = raw
        }
    }
}
