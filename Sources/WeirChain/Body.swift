// The tape of a message and its edits: made when a plugin first asks, thrown away with the message.
//
// The bytes that came are never changed: an edited item points at its own copy. Encoding writes the tape into a
// new slab and makes that the bytes of the message.

import CWeir
import CWeirLinux
import WeirBase
import WeirWire

public typealias BodyRef = UnsafeMutablePointer<Body>

public struct Body {
    var tape: weir_tape
    var items: UnsafeMutablePointer<weir_item>
    var capacity: Int
    /// Copies and buffers that edited items point into.
    var owned: [SlabRef]
    var buffers: [UnsafeMutablePointer<weir_buf>]
    var isEdited: Bool
    /// Bytes of the last `encode`, and of those before it, which plugins may still read.
    var replaced: [SlabRef]
    /// Items before a splice, which plugins may still read.
    var replacedItems: [UnsafeMutablePointer<weir_item>] = []
}

extension Body {
    /// The tape of a message, parsed on the first call; nil when its bytes are malformed.
    static func of(_ message: MessageRef) -> BodyRef? {
        if let body = message.pointee.body { return body }
        guard let codec = message.pointee.worker.codec(message.pointee.head.protocol) else { return nil }
        var capacity = 32
        var items = UnsafeMutablePointer<weir_item>.allocate(capacity: capacity)
        var count = codec.parse(message.wireBytes, kind: message.pointee.head.kind, items, capacity)
        if count > capacity {
            items.deallocate()
            capacity = count
            items = .allocate(capacity: capacity)
            count = codec.parse(message.wireBytes, kind: message.pointee.head.kind, items, capacity)
        }
        guard count > 0, count <= capacity else {
            items.deallocate()
            return nil
        }
        return attach(to: message, items, count, capacity)
    }

    /// What plugins see of a body.
    static func tape(_ body: BodyRef) -> UnsafePointer<weir_tape> {
        UnsafeRawPointer(body).advanced(by: MemoryLayout<Body>.offset(of: \.tape) ?? 0)
            .assumingMemoryBound(to: weir_tape.self)
    }

    /// Gives a message a tape.
    static func attach(
        to message: MessageRef, _ items: UnsafeMutablePointer<weir_item>, _ count: Int, _ capacity: Int
    ) -> BodyRef {
        let body = BodyRef.allocate(capacity: 1)
        body.initialize(
            to: Body(
                tape: weir_tape(size: UInt32(MemoryLayout<weir_tape>.size), count: UInt32(count), items: items),
                items: items, capacity: capacity, owned: [], buffers: [], isEdited: false, replaced: []))
        message.pointee.body = body
        return body
    }

    static func free(_ body: BodyRef) {
        body.pointee.items.deallocate()
        for items in body.pointee.replacedItems { items.deallocate() }
        for slab in body.pointee.owned + body.pointee.replaced { slab.release() }
        for buffer in body.pointee.buffers { Buffer.unref(buffer) }
        body.deinitialize(count: 1)
        body.deallocate()
    }

    /// Replaces the content of a leaf.
    static func set(
        _ message: MessageRef, _ index: Int, _ value: weir_str, _ owner: UnsafeMutablePointer<weir_buf>?
    ) -> weir_status {
        guard let body = of(message), index < Int(body.pointee.tape.count) else { return weir_status(WEIR_E_INVALID) }
        let item = body.pointee.items + index
        guard !isContainer(item.pointee.type) else { return weir_status(WEIR_E_INVALID) }
        item.pointee.bytes = keep(body, message, value, owner)
        item.pointee.flags |= UInt8(WEIR_I_EDITED)
        if item.pointee.type == WEIR_T_INT { item.pointee.num = Body.number(item.pointee.bytes) ?? item.pointee.num }
        if item.pointee.type == WEIR_T_NULL { item.pointee.type = UInt8(WEIR_T_BYTES); item.pointee.tag = 0 }
        markEdited(message, body)
        return weir_status(WEIR_OK)
    }

    /// Replaces `remove` children of a container, from the `at`-th on, by new items (depth first).
    static func splice(
        _ message: MessageRef, _ parent: Int, _ at: Int, _ remove: Int, _ new: UnsafePointer<weir_item>?,
        _ newCount: Int
    ) -> weir_status {
        guard let body = of(message), parent < Int(body.pointee.tape.count),
            isContainer(body.pointee.items[parent].type)
        else { return weir_status(WEIR_E_INVALID) }
        let count = Int(body.pointee.tape.count)
        let children = Int(body.pointee.items[parent].count)
        guard at <= children, remove <= children - at, newCount == 0 || new != nil else {
            return weir_status(WEIR_E_INVALID)
        }
        var first = parent + 1
        for _ in 0..<at { first = end(of: first, body) }
        var last = first
        for _ in 0..<remove { last = end(of: last, body) }
        guard let topLevel = topLevelCount(new, newCount) else { return weir_status(WEIR_E_INVALID) }
        let items = UnsafeMutablePointer<weir_item>.allocate(capacity: count - (last - first) + newCount)
        items.update(from: body.pointee.items, count: first)
        for index in 0..<newCount {
            // Safe: newCount > 0 means that `new` is there.
            var item = new.unsafelyUnwrapped[index]
            if !isContainer(item.type) { item.bytes = keep(body, message, item.bytes, nil) }
            item.flags |= UInt8(WEIR_I_EDITED)
            items[first + index] = item
        }
        (items + first + newCount).update(from: body.pointee.items + last, count: count - last)
        let total = count - (last - first) + newCount
        items[parent].count = UInt32(children - remove + topLevel)
        body.pointee.replacedItems.append(body.pointee.items)
        body.pointee.items = items
        body.pointee.tape.items = UnsafePointer(items)
        body.pointee.tape.count = UInt32(total)
        body.pointee.capacity = total
        relink(items, total)
        markEdited(message, body)
        return weir_status(WEIR_OK)
    }

    /// Writes the edits of a message into new bytes.
    static func encode(_ message: MessageRef) {
        guard let body = message.pointee.body, body.pointee.isEdited,
            let codec = message.pointee.worker.codec(message.pointee.head.protocol)
        else { return }
        let kind = message.pointee.head.kind
        let version = message.pointee.connection?.pointee.protocolVersion ?? 2
        let count = Int(body.pointee.tape.count)
        let byteCount = codec.encodedByteCount(body.pointee.items, count, kind: kind, version: version)
        guard byteCount > 0 else { return }
        let slab = message.pointee.worker.pointee.slabs.exact(byteCount)
        codec.encode(
            body.pointee.items, count, kind: kind, version: version,
            UnsafeMutableRawBufferPointer(start: slab.start, count: byteCount))
        slab.pointee.filled = byteCount
        if message.isRequest { requestChanged(message, codec, slab, byteCount) }
        if let old = message.pointee.slab { body.pointee.replaced.append(old) }
        message.pointee.slab = slab
        message.pointee.wire = slab.start
        message.pointee.head.wire_len = UInt32(byteCount)
        message.pointee.head.raw = weir_str(ptr: UnsafePointer(slab.start), len: byteCount)
        body.pointee.isEdited = false
    }

    /// A request with other bytes may be another command, and what its client owes has another size.
    private static func requestChanged(_ message: MessageRef, _ codec: WireCodec, _ slab: SlabRef, _ byteCount: Int) {
        if message.pointee.isOwed, let client = message.client {
            client.pointee.owedByteCount &+= byteCount &- message.byteCount
        }
        let frame = codec.classify(UnsafeRawBufferPointer(start: slab.start, count: byteCount))
        let pinned = UInt32(WEIR_M_PINNED)
        let isInTransaction = message.has(WEIR_M_TXN)
        message.pointee.head.flags &= ~(Frame.changesSession | (isInTransaction ? 0 : pinned))
        message.pointee.head.flags |= frame.flags & (Frame.changesSession | pinned)
        message.pointee.head.verb = frame.verb
        message.pointee.command = frame.command
    }

    // MARK: parts

    static func isContainer(_ type: UInt8) -> Bool { Int(type) >= WEIR_T_LIST }

    /// The index behind the item and everything in it.
    private static func end(of index: Int, _ body: BodyRef) -> Int {
        var left = 1
        var at = index
        while left > 0, at < Int(body.pointee.tape.count) {
            left -= 1
            if isContainer(body.pointee.items[at].type) { left += Int(body.pointee.items[at].count) }
            at += 1
        }
        return at
    }

    /// How many of new items are not inside another of them; nil when a container's count does not fit.
    private static func topLevelCount(_ items: UnsafePointer<weir_item>?, _ count: Int) -> Int? {
        guard let items else { return count == 0 ? 0 : nil }
        var top = 0
        var open = 0
        for index in 0..<count {
            if open == 0 { top += 1 } else { open -= 1 }
            if isContainer(items[index].type) { open += Int(items[index].count) }
        }
        return open == 0 ? top : nil
    }

    /// Sets `next` and `parent` of every item from the counts.
    static func relink(_ items: UnsafeMutablePointer<weir_item>, _ count: Int) {
        var stack: [(index: Int, left: Int, last: Int)] = []
        for index in 0..<count {
            while let top = stack.last, top.left == 0 { stack.removeLast() }
            items[index].next = 0
            if var top = stack.popLast() {
                items[index].parent = UInt32(top.index)
                if top.last != 0 { items[top.last].next = UInt32(index) }
                top.last = index
                top.left -= 1
                stack.append(top)
            }
            if isContainer(items[index].type), items[index].count > 0 {
                stack.append((index, Int(items[index].count), 0))
            }
        }
    }

    private static func keep(
        _ body: BodyRef, _ message: MessageRef, _ value: weir_str, _ owner: UnsafeMutablePointer<weir_buf>?
    ) -> weir_str {
        if let owner, Buffer.holds(owner, value) {
            Buffer.ref(owner)
            body.pointee.buffers.append(owner)
            return value
        }
        let slab = message.pointee.worker.pointee.slabs.copy(value.bytes)
        body.pointee.owned.append(slab)
        return weir_str(ptr: UnsafePointer(slab.start), len: value.len)
    }

    private static func markEdited(_ message: MessageRef, _ body: BodyRef) {
        body.pointee.isEdited = true
        message.set(WEIR_M_EDITED)
        message.pointee.head.raw = weir_str()
    }

    static func number(_ text: weir_str) -> Int64? {
        var value: Int64 = 0
        var isNegative = false
        guard text.len > 0 else { return nil }
        for (index, byte) in text.bytes.enumerated() {
            if index == 0, byte == UInt8(ascii: "-") {
                isNegative = true
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (sum, overflow2) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            if overflow || overflow2 { return nil }
            value = sum
        }
        return value
    }
}

/// Reference-counted bytes that plugins make (`weir_buf`); on any thread.
enum Buffer {
    struct Storage {
        var buffer: weir_buf
        var references: Int
    }

    static func make(_ count: Int) -> UnsafeMutablePointer<weir_buf>? {
        guard count >= 0, count <= 1 << 31 else { return nil }
        let storage = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Storage>.stride + max(count, 1), alignment: 16)
        let bytes = (storage + MemoryLayout<Storage>.stride).assumingMemoryBound(to: UInt8.self)
        storage.bindMemory(to: Storage.self, capacity: 1).initialize(
            to: Storage(
                buffer: weir_buf(size: UInt32(MemoryLayout<weir_buf>.size), flags: 0, ptr: bytes, len: count),
                references: 1))
        return storage.assumingMemoryBound(to: weir_buf.self)
    }

    /// True when these bytes lie in the buffer.
    static func holds(_ buffer: UnsafeMutablePointer<weir_buf>, _ value: weir_str) -> Bool {
        guard let start = value.ptr, start >= UnsafePointer(buffer.pointee.ptr) else { return false }
        let offset = start - UnsafePointer(buffer.pointee.ptr)
        return offset <= buffer.pointee.len && value.len <= buffer.pointee.len - offset
    }

    static func ref(_ buffer: UnsafeMutablePointer<weir_buf>) { weir_atomic_add(cell(buffer), 1) }

    static func unref(_ buffer: UnsafeMutablePointer<weir_buf>) {
        if weir_atomic_add(cell(buffer), -1) == 0 { UnsafeMutableRawPointer(buffer).deallocate() }
    }

    private static func cell(_ buffer: UnsafeMutablePointer<weir_buf>) -> UnsafeMutablePointer<Int> {
        let offset = MemoryLayout<Storage>.offset(of: \.references) ?? 0
        return (UnsafeMutableRawPointer(buffer) + offset).assumingMemoryBound(to: Int.self)
    }
}
