// The timers of one worker: a binary heap of deadlines on raw memory, and a table of slots that finds each in the heap.
// It knows no clock: the caller says what time it is, and runs what is due.
//
//   heap    [deadline, order, slot] …   the earliest first; equal deadlines in the order of adding
//   slots   [function, context, position in the heap, generation] …   an id is generation << 32 | slot
//
// Invariants: heap[slots[s].position].slot == s for each live slot; free slots form a list through `position`.

/// Deadlines with a function each. Adding, cancelling and taking cost O(log n); looking at the first one O(1).
public struct TimerQueue: ~Copyable {
    public typealias Function = @convention(c) (UnsafeMutableRawPointer?) -> Void

    @usableFromInline struct Entry {
        @usableFromInline var deadline: UInt64
        @usableFromInline var order: UInt64
        @usableFromInline var slot: UInt32
    }

    private struct Slot {
        var function: Function?
        var context: UnsafeMutableRawPointer?
        /// In the heap while live; the next free slot otherwise.
        var position: UInt32
        /// Counts the uses; never 0, so that 0 is no id.
        var generation: UInt32
    }

    /// Timers waiting.
    public private(set) var count = 0
    @usableFromInline private(set) var heap: UnsafeMutablePointer<Entry>
    private var slots: UnsafeMutablePointer<Slot>
    private var capacity: Int
    private var slotCount = 0
    private var firstFree: UInt32 = TimerQueue.none
    private var order: UInt64 = 0

    private static let none = UInt32.max

    /// Room for `capacity` timers to begin with; it doubles as needed.
    public init(capacity: Int = 64) {
        self.capacity = max(capacity, 1)
        heap = .allocate(capacity: self.capacity)
        slots = .allocate(capacity: self.capacity)
    }

    deinit {
        heap.deallocate()
        slots.deallocate()
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    /// When the first timer is due; `nil` when none waits.
    @inlinable public var nextDeadline: UInt64? { count == 0 ? nil : heap[0].deadline }

    /// `popDue` gives `function` and `context` back once `deadline` has come. The context stays the caller's.
    /// Returns an id for `cancel`: never 0, and not given again before its slot was used 2^32 times.
    public mutating func add(
        deadline: UInt64, function: @escaping Function, context: UnsafeMutableRawPointer?
    ) -> UInt64 {
        let slot = takeSlot()
        slots[slot].function = function
        slots[slot].context = context
        let position = count
        count += 1
        order &+= 1
        rise(Entry(deadline: deadline, order: order, slot: UInt32(truncatingIfNeeded: slot)), from: position)
        return UInt64(slots[slot].generation) << 32 | UInt64(slot)
    }

    /// False when that timer has been taken or cancelled already, or never was.
    public mutating func cancel(_ id: UInt64) -> Bool {
        let slot = Int(id & 0xffff_ffff)
        guard slot < slotCount, slots[slot].function != nil, UInt64(slots[slot].generation) == id >> 32 else {
            return false
        }
        remove(at: Int(slots[slot].position))
        release(slot)
        return true
    }

    /// Takes the earliest timer whose deadline is `now` or before; `nil` when none is.
    public mutating func popDue(_ now: UInt64) -> (function: Function, context: UnsafeMutableRawPointer?)? {
        guard count > 0, heap[0].deadline <= now else { return nil }
        let slot = Int(heap[0].slot)
        guard let function = slots[slot].function else { return nil }
        let context = slots[slot].context
        remove(at: 0)
        release(slot)
        return (function, context)
    }

    // MARK: Slots

    private mutating func takeSlot() -> Int {
        if firstFree != TimerQueue.none {
            let slot = Int(firstFree)
            firstFree = slots[slot].position
            return slot
        }
        if slotCount == capacity { grow() }
        let slot = slotCount
        slots[slot] = Slot(function: nil, context: nil, position: 0, generation: 1)
        slotCount += 1
        return slot
    }

    private mutating func release(_ slot: Int) {
        slots[slot].function = nil
        slots[slot].context = nil
        slots[slot].generation = slots[slot].generation == .max ? 1 : slots[slot].generation + 1
        slots[slot].position = firstFree
        firstFree = UInt32(truncatingIfNeeded: slot)
    }

    private mutating func grow() {
        // A slot's number has 32 bits, of which the last is `none`; the memory ends long before.
        precondition(capacity < Int(UInt32.max) / 2, "more than two thousand million timers")
        let newHeap = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
        let newSlots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
        newHeap.moveInitialize(from: heap, count: count)
        newSlots.moveInitialize(from: slots, count: slotCount)
        heap.deallocate()
        slots.deallocate()
        heap = newHeap
        slots = newSlots
        capacity *= 2
    }

    // MARK: The heap

    @inline(__always) private static func isEarlier(_ a: Entry, _ b: Entry) -> Bool {
        a.deadline < b.deadline || (a.deadline == b.deadline && a.order < b.order)
    }

    @inline(__always) private mutating func place(_ entry: Entry, at position: Int) {
        heap[position] = entry
        slots[Int(entry.slot)].position = UInt32(truncatingIfNeeded: position)
    }

    private mutating func rise(_ entry: Entry, from start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard TimerQueue.isEarlier(entry, heap[parent]) else { break }
            place(heap[parent], at: position)
            position = parent
        }
        place(entry, at: position)
    }

    private mutating func sink(_ entry: Entry, from start: Int) {
        var position = start
        while true {
            var child = 2 * position + 1
            guard child < count else { break }
            if child + 1 < count, TimerQueue.isEarlier(heap[child + 1], heap[child]) { child += 1 }
            guard TimerQueue.isEarlier(heap[child], entry) else { break }
            place(heap[child], at: position)
            position = child
        }
        place(entry, at: position)
    }

    /// Fills the gap with the last entry, which then finds its place upwards or downwards.
    private mutating func remove(at position: Int) {
        count -= 1
        guard position != count else { return }
        let last = heap[count]
        if position > 0, TimerQueue.isEarlier(last, heap[(position - 1) / 2]) {
            rise(last, from: position)
        } else {
            sink(last, from: position)
        }
    }
}
