// Slabs: reference-counted blocks of bytes that sockets are read into and messages are slices of.
//
// A slab belongs to the pool of one worker and is touched on that worker's thread only, so counting is
// plain arithmetic. Standard slabs are kept for reuse; larger ones (one big frame) go back to the heap.
// Invariant: `references` counts the worker's own hold while the slab is current, plus one per message
// or partial frame that lies in it.

#if canImport(Glibc)
    import Glibc
#endif

/// The header of a slab; its bytes follow it in the same allocation.
public struct Slab {
    @usableFromInline var references: Int
    /// Bytes that the slab can hold.
    public let capacity: Int
    /// Bytes used so far, from the start.
    public var filled: Int
    @usableFromInline let pool: SlabPoolRef
    @usableFromInline var nextFree: SlabRef?

    /// Bytes between the start of the header and the first byte: one cache line.
    @usableFromInline static let headerByteCount = 64
}

public typealias SlabRef = UnsafeMutablePointer<Slab>
public typealias SlabPoolRef = UnsafeMutablePointer<SlabPool>

extension UnsafeMutablePointer where Pointee == Slab {
    /// The first byte.
    @inlinable @inline(__always)
    public var start: UnsafeMutablePointer<UInt8> {
        UnsafeMutableRawPointer(self).advanced(by: Slab.headerByteCount).assumingMemoryBound(to: UInt8.self)
    }

    /// Bytes that can still be added.
    @inlinable @inline(__always)
    public var room: Int { pointee.capacity &- pointee.filled }

    @inlinable @inline(__always)
    public func retain(_ count: Int = 1) { pointee.references &+= count }

    @inlinable @inline(__always)
    public func release() {
        pointee.references &-= 1
        if pointee.references == 0 { pointee.pool.recycle(self) }
    }

    /// True when nobody but the caller holds it.
    @inlinable public var isUnshared: Bool { pointee.references == 1 }

    /// Adds bytes at the end.
    /// - Precondition: they fit into `room`.
    @inlinable
    public func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room)
        if let source = bytes.baseAddress {
            UnsafeMutableRawPointer(start + pointee.filled).copyMemory(from: source, byteCount: bytes.count)
        }
        pointee.filled &+= bytes.count
    }
}

/// The slabs of one worker.
public struct SlabPool {
    /// Bytes of a standard slab.
    public static let standardByteCount = 256 * 1024 - Slab.headerByteCount
    /// Standard slabs that are kept when nobody uses them; the rest goes back to the heap.
    static let maximumKept = 8

    @usableFromInline var free: SlabRef?
    @usableFromInline var freeCount = 0
    /// Bytes of all slabs that are in use, for limits and metrics.
    public private(set) var usedByteCount = 0

    /// A new pool on the heap; it lives as long as its worker.
    public static func make() -> SlabPoolRef {
        let pool = SlabPoolRef.allocate(capacity: 1)
        pool.initialize(to: SlabPool())
        return pool
    }
}

extension UnsafeMutablePointer where Pointee == SlabPool {
    /// A slab with at least `byteCount` bytes of room, held once by the caller.
    public func take(_ byteCount: Int = SlabPool.standardByteCount) -> SlabRef {
        if byteCount <= SlabPool.standardByteCount, let slab = pointee.free {
            pointee.free = slab.pointee.nextFree
            pointee.freeCount &-= 1
            slab.pointee.references = 1
            slab.pointee.filled = 0
            slab.pointee.nextFree = nil
            pointee.addUsed(slab.pointee.capacity)
            return slab
        }
        let capacity = Swift.max(byteCount, SlabPool.standardByteCount)
        guard let memory = malloc(capacity + Slab.headerByteCount) else {
            fatalError("out of memory: no \(capacity) bytes for a slab")  // Safe: nothing can go on without memory.
        }
        let slab = memory.bindMemory(to: Slab.self, capacity: 1)
        slab.initialize(to: Slab(references: 1, capacity: capacity, filled: 0, pool: self, nextFree: nil))
        pointee.addUsed(capacity)
        return slab
    }

    /// A slab that holds a copy of these bytes and nothing else, held once by the caller.
    public func copy(_ bytes: UnsafeRawBufferPointer) -> SlabRef {
        let slab = exact(bytes.count)
        slab.append(bytes)
        return slab
    }

    /// A slab for small content of known size: no larger than asked for.
    public func exact(_ byteCount: Int) -> SlabRef {
        if byteCount > 4096 { return take(byteCount) }
        let capacity = Swift.max(byteCount, 64)
        guard let memory = malloc(capacity + Slab.headerByteCount) else {
            fatalError("out of memory: no \(capacity) bytes for a slab")  // Safe: nothing can go on without memory.
        }
        let slab = memory.bindMemory(to: Slab.self, capacity: 1)
        slab.initialize(to: Slab(references: 1, capacity: capacity, filled: 0, pool: self, nextFree: nil))
        pointee.addUsed(capacity)
        return slab
    }

    @usableFromInline
    func recycle(_ slab: SlabRef) {
        pointee.addUsed(-slab.pointee.capacity)
        if slab.pointee.capacity == SlabPool.standardByteCount, pointee.freeCount < SlabPool.maximumKept {
            slab.pointee.nextFree = pointee.free
            pointee.free = slab
            pointee.freeCount &+= 1
        } else {
            Glibc.free(slab)
        }
    }
}

extension SlabPool {
    mutating func addUsed(_ byteCount: Int) { usedByteCount &+= byteCount }
}
