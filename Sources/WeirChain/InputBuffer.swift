// Bytes of one connection that have been read and not yet cut into frames.
//
// Sockets are read into the worker's current slab, so that what many clients send in one turn lies side by side and
// leaves in few vectors. Only a frame that did not come whole is kept here; a small rest is copied into a slab of its
// own size, so that an idle connection never holds a whole slab.

public import WeirBase

public struct InputBuffer {
    var slab: SlabRef?
    var start: UnsafeMutablePointer<UInt8>?
    public private(set) var count = 0
    /// Least size of the frame that has started, as far as its head tells; 0 unknown.
    public var neededCount = 0

    /// A rest up to this size is moved out of a shared slab.
    static let smallByteCount = 4096
    /// How far ahead of the bytes that have come memory may be taken.
    static let maximumLead = 1 << 20

    public init() {}

    /// Where to read to: a slab held by the caller, a place in it behind what is there already, and its room.
    @inline(__always)
    public mutating func room(_ worker: WorkerRef) -> (slab: SlabRef, at: UnsafeMutablePointer<UInt8>, count: Int) {
        if slab != nil { return roomBehindRest(worker) }
        let current = worker.currentSlab()
        current.retain()
        return (current, current.start + current.pointee.filled, current.room)
    }

    private mutating func roomBehindRest(
        _ worker: WorkerRef
    ) -> (slab: SlabRef, at: UnsafeMutablePointer<UInt8>, count: Int) {
        // Safe: `start` is set together with `slab`.
        guard let rest = slab, let from = start else { return room(worker) }
        if from + count == rest.start + rest.pointee.filled,
            rest.room >= Swift.min(16_384, Swift.max(neededCount &- count, 1)),
            rest.pointee.capacity > InputBuffer.smallByteCount
        {
            rest.retain()
            return (rest, rest.start + rest.pointee.filled, rest.room)
        }
        let wanted =
            Swift.max(count &* 2, Swift.min(neededCount, count &+ InputBuffer.maximumLead))
            &+ InputBuffer.smallByteCount
        let current = worker.currentSlab()
        let fresh: SlabRef
        if wanted <= current.room {
            current.retain()
            fresh = current
        } else {
            fresh = worker.pointee.slabs.take(wanted)
        }
        let target = fresh.start + fresh.pointee.filled
        target.update(from: from, count: count)
        fresh.pointee.filled &+= count
        rest.release()
        fresh.retain()
        slab = fresh
        start = target
        return (fresh, fresh.start + fresh.pointee.filled, fresh.room)
    }

    /// All bytes that are there after a read of `readCount` bytes to `at`; the buffer lets go of them.
    @inline(__always)
    public mutating func take(
        _ at: UnsafeMutablePointer<UInt8>, _ readCount: Int
    ) -> (start: UnsafeMutablePointer<UInt8>, count: Int) {
        guard let rest = slab else { return (at, readCount) }
        let whole = (start: start ?? at, count: count &+ readCount)
        slab = nil
        start = nil
        count = 0
        rest.release()
        return whole
    }

    /// Keeps the bytes of a frame that has not come whole.
    public mutating func keep(
        _ holder: SlabRef, _ at: UnsafeMutablePointer<UInt8>, _ byteCount: Int, needed: Int, _ worker: WorkerRef
    ) {
        neededCount = needed
        count = byteCount
        if byteCount <= InputBuffer.smallByteCount, holder.pointee.capacity > InputBuffer.smallByteCount {
            let own = worker.pointee.slabs.copy(UnsafeRawBufferPointer(start: at, count: byteCount))
            slab = own
            start = own.start
        } else {
            holder.retain()
            slab = holder
            start = at
        }
    }

    /// Lets go of everything.
    public mutating func clear() {
        slab?.release()
        slab = nil
        start = nil
        count = 0
        neededCount = 0
    }
}
