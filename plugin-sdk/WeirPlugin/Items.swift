// A parsed message or configuration as data: the tape of weir.h, read as Swift values. `Item` is a copy of one
// weir_item; its bytes stay the host's. An item that does not exist reads as null, so looking never traps.

public import CWeir

/// One parsed field.
public struct Item {
    /// WEIR_T_* of weir.h; numbers that are not listed may come.
    public struct Kind: RawRepresentable, Equatable, Sendable {
        public let rawValue: UInt8
        @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable init(_ constant: Int) { rawValue = UInt8(truncatingIfNeeded: constant) }

        @inlinable public static var null: Kind { Kind(WEIR_T_NULL) }
        @inlinable public static var bool: Kind { Kind(WEIR_T_BOOL) }
        @inlinable public static var integer: Kind { Kind(WEIR_T_INT) }
        @inlinable public static var float: Kind { Kind(WEIR_T_FLOAT) }
        @inlinable public static var bytes: Kind { Kind(WEIR_T_BYTES) }
        @inlinable public static var text: Kind { Kind(WEIR_T_TEXT) }
        @inlinable public static var error: Kind { Kind(WEIR_T_ERROR) }
        @inlinable public static var list: Kind { Kind(WEIR_T_LIST) }
        @inlinable public static var map: Kind { Kind(WEIR_T_MAP) }
        @inlinable public static var set: Kind { Kind(WEIR_T_SET) }
        @inlinable public static var structure: Kind { Kind(WEIR_T_STRUCT) }
        @inlinable public static var push: Kind { Kind(WEIR_T_PUSH) }
    }

    /// Its number on the tape: what `set` wants.
    public let index: Int
    public let kind: Kind
    /// Field number in its protocol, 0: positional. In RESP the marker byte.
    public let tag: UInt16
    /// Children of a container; in a map each key and each value counts.
    public let childCount: Int
    /// Content without framing, valid as long as the message.
    public let bytes: Bytes
    /// Of an integer or a bool.
    public let integer: Int
    @usableFromInline let next: Int

    @inlinable
    init(_ item: weir_item, index: Int) {
        self.index = index
        kind = Kind(rawValue: item.type)
        tag = item.tag
        childCount = Int(item.count)
        bytes = Bytes(item.bytes)
        integer = Int(item.num)
        next = Int(item.next)
    }

    public var float: Double { Double(bitPattern: UInt64(bitPattern: Int64(integer))) }
    public var bool: Bool { integer != 0 }
}

/// The fields of a message, item 0 being the root. Valid as long as the tape.
public struct Items {
    @usableFromInline let base: UnsafePointer<weir_item>
    public let count: Int

    @inlinable
    public init(_ tape: UnsafePointer<weir_tape>) {
        base = tape.pointee.items
        count = Int(tape.pointee.count)
    }

    /// A null item where there is none.
    @inlinable
    public subscript(index: Int) -> Item {
        guard index >= 0, index < count else { return Item(weir_item(), index: 0) }
        return Item(base[index], index: index)
    }

    @inlinable public var root: Item { self[0] }

    /// The children of an item, in their order.
    @inlinable
    public func children(of parent: Item) -> Children {
        Children(items: self, next: parent.childCount > 0 ? parent.index + 1 : 0)
    }

    /// The value under a name in a map.
    public func member(_ name: String, of map: Item) -> Item? {
        guard map.kind == .map else { return nil }
        var isKey = true
        var found = false
        return name.withBytes { name in
            for child in children(of: map) {
                if isKey { found = child.bytes == name } else if found { return child }
                isKey.toggle()
            }
            return nil
        }
    }

    public struct Children: Sequence, IteratorProtocol {
        @usableFromInline let items: Items
        @usableFromInline var nextIndex: Int

        @inlinable
        init(items: Items, next: Int) {
            self.items = items
            nextIndex = next
        }

        @inlinable
        public mutating func next() -> Item? {
            // An index goes up only, so a broken tape cannot make a loop.
            guard nextIndex > 0, nextIndex < items.count else { return nil }
            let item = items[nextIndex]
            nextIndex = item.next > nextIndex ? item.next : 0
            return item
        }
    }
}
