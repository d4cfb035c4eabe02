// The messages of one call of a hook, in the order of their connection. Iterating costs a load per message.

public import CWeir

/// Messages that are lent until the hook returns.
public struct Batch: Sequence {
    @usableFromInline let raw: UnsafePointer<weir_batch>
    public let worker: Worker

    @inlinable
    init(_ raw: UnsafePointer<weir_batch>, _ worker: Worker) {
        self.raw = raw
        self.worker = worker
    }

    @inlinable public var count: Int { Int(raw.pointee.count) }
    @inlinable public var connection: Connection { Connection(raw.pointee.conn, worker) }

    @inlinable
    public subscript(index: Int) -> Message {
        precondition(index >= 0 && index < count)
        return Message(raw.pointee.msgs[index], worker)
    }

    /// The word of the message at `index` that is yours, with `.usesTags`: what is written for a request comes
    /// back with its response. 0, and writing does nothing, without it.
    @inlinable
    public subscript(tag index: Int) -> UInt64 {
        get {
            guard index >= 0, index < count, let tags = raw.pointee.tags else { return 0 }
            return tags[index]
        }
        nonmutating set {
            guard index >= 0, index < count, let tags = raw.pointee.tags else { return }
            tags[index] = newValue
        }
    }

    /// All that is left of the batch to one target: what a sink does.
    @inlinable
    public func route(to target: Target) { worker.host.pointee.route(raw, target.raw) }

    @inlinable public var underestimatedCount: Int { count }

    @inlinable
    public func makeIterator() -> Iterator {
        Iterator(next: raw.pointee.msgs, end: raw.pointee.msgs + count, worker: worker)
    }

    public struct Iterator: IteratorProtocol {
        @usableFromInline var position: UnsafePointer<UnsafeMutablePointer<weir_msg>>
        @usableFromInline let end: UnsafePointer<UnsafeMutablePointer<weir_msg>>
        @usableFromInline let worker: Worker

        @inlinable
        init(
            next: UnsafePointer<UnsafeMutablePointer<weir_msg>>, end: UnsafePointer<UnsafeMutablePointer<weir_msg>>,
            worker: Worker
        ) {
            position = next
            self.end = end
            self.worker = worker
        }

        @inlinable
        public mutating func next() -> Message? {
            guard position != end else { return nil }
            let message = Message(position.pointee, worker)
            position += 1
            return message
        }
    }
}
