// Validated options as a plugin gets them: an array of weir_item (weir.h, section 1) and the texts they point to, in
// one block of memory that lives as long as the object.
//
// Item 0 is the root. Children of a MAP alternate key, value. Depth is bounded by the document.

public import CWeir

/// Options as a tape; immutable, so it may be read from any thread.
public final class ConfigTape: @unchecked Sendable {
    private let block: UnsafeMutableRawPointer
    private let tape: UnsafePointer<weir_tape>

    /// The tape; valid as long as this object.
    public var pointer: UnsafePointer<weir_tape> { tape }

    /// Number of items.
    public var count: Int { Int(tape.pointee.count) }

    /// Lends the tape for the duration of the call.
    public func withTape<R>(_ body: (UnsafePointer<weir_tape>) throws -> R) rethrows -> R {
        try withExtendedLifetime(self) { try body(tape) }
    }

    /// Lays out a tree.
    public init(_ root: ConfigNode) {
        var size = Size()
        size.add(root)
        // Safe: both counts are bounded by ConfigLimits, far below 32 bits.
        let itemsOffset = MemoryLayout<weir_tape>.stride
        let textOffset = itemsOffset + size.items * MemoryLayout<weir_item>.stride
        block = UnsafeMutableRawPointer.allocate(
            byteCount: textOffset + max(1, size.textBytes), alignment: MemoryLayout<weir_item>.alignment)
        let items = (block + itemsOffset).bindMemory(to: weir_item.self, capacity: size.items)
        items.initialize(repeating: weir_item(), count: size.items)
        var writer = Writer(items: items, text: (block + textOffset).assumingMemoryBound(to: UInt8.self))
        writer.write(root, parent: 0)
        let head = block.bindMemory(to: weir_tape.self, capacity: 1)
        head.initialize(
            to: weir_tape(
                size: UInt32(MemoryLayout<weir_tape>.size), count: UInt32(size.items), items: UnsafePointer(items)))
        tape = UnsafePointer(head)
    }

    deinit {
        block.deallocate()
    }

    private struct Size {
        var items = 0
        var textBytes = 0

        mutating func add(_ node: ConfigNode) {
            items += 1
            switch node.value {
            case .text(let text): textBytes += text.utf8.count
            case .list(let list): for item in list { add(item) }
            case .map(let members):
                for member in members {
                    items += 1
                    textBytes += member.key.utf8.count
                    add(member.value)
                }
            case .null, .bool, .int, .float: break
            }
        }
    }

    private struct Writer {
        let items: UnsafeMutablePointer<weir_item>
        var text: UnsafeMutablePointer<UInt8>
        var next: UInt32 = 0

        init(items: UnsafeMutablePointer<weir_item>, text: UnsafeMutablePointer<UInt8>) {
            self.items = items
            self.text = text
        }

        /// Writes a tree depth first; returns the index of its item.
        @discardableResult
        mutating func write(_ node: ConfigNode, parent: UInt32) -> UInt32 {
            let index = next
            next += 1
            let item = items + Int(index)
            item.pointee.parent = parent
            switch node.value {
            case .null: item.pointee.type = UInt8(WEIR_T_NULL)
            case .bool(let flag):
                item.pointee.type = UInt8(WEIR_T_BOOL)
                item.pointee.num = flag ? 1 : 0
            case .int(let number):
                item.pointee.type = UInt8(WEIR_T_INT)
                item.pointee.num = number
            case .float(let number):
                item.pointee.type = UInt8(WEIR_T_FLOAT)
                item.pointee.num = Int64(bitPattern: number.bitPattern)
            case .text(let string): put(string, item)
            case .list(let list):
                item.pointee.type = UInt8(WEIR_T_LIST)
                item.pointee.count = UInt32(list.count)
                var previous: UInt32?
                for child in list { link(&previous, write(child, parent: index)) }
            case .map(let members):
                item.pointee.type = UInt8(WEIR_T_MAP)
                item.pointee.count = UInt32(members.count * 2)
                var previous: UInt32?
                for member in members {
                    link(&previous, write(ConfigNode(.text(member.key), range: member.keyRange), parent: index))
                    link(&previous, write(member.value, parent: index))
                }
            }
            return index
        }

        private func link(_ previous: inout UInt32?, _ index: UInt32) {
            if let previous { items[Int(previous)].next = index }
            previous = index
        }

        private mutating func put(_ string: String, _ item: UnsafeMutablePointer<weir_item>) {
            item.pointee.type = UInt8(WEIR_T_TEXT)
            var count = 0
            for byte in string.utf8 {
                text[count] = byte
                count += 1
            }
            item.pointee.bytes = weir_str(ptr: UnsafePointer(text), len: count)
            text += count
        }
    }
}
