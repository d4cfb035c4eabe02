// Messages made from values: a small tree that becomes a tape for `build`. It allocates, so it is for answers
// and requests of one's own, not for what passes by. `error` and `text` make the commonest answers without one.

import CWeir

/// A value to build a message from, or a copy of one that was read.
public indirect enum Value: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case bytes([UInt8])
    case text(String)
    case error(String)
    case list([Value])
    case set([Value])
    /// Keys and values in turn.
    case map([Value])

    /// Bytes from text: what a RESP command is made of.
    public static func bytes(_ text: String) -> Value { .bytes(Array(text.utf8)) }

    /// A command: a list of byte strings.
    public static func command(_ words: String...) -> Value { .list(words.map { .bytes($0) }) }

    /// A copy of an item and what is in it.
    public init(_ items: Items, _ item: Item) {
        switch item.kind {
        case .bool: self = .bool(item.bool)
        case .integer: self = .integer(item.integer)
        case .float: self = .float(item.float)
        case .bytes: self = .bytes(item.bytes.array)
        case .text: self = .text(item.bytes.string)
        case .error: self = .error(item.bytes.string)
        case .list, .push, .structure: self = .list(items.children(of: item).map { Value(items, $0) })
        case .set: self = .set(items.children(of: item).map { Value(items, $0) })
        case .map: self = .map(items.children(of: item).map { Value(items, $0) })
        default: self = .null
        }
    }
}

extension MessageView where Self: ~Copyable {
    /// A copy of the whole message; null when it is malformed.
    public var value: Value {
        guard let items else { return .null }
        return Value(items, items.root)
    }
}

extension MessageView where Self: ~Copyable {
    /// Takes children of a container out, from the one at `position` on, and puts others there. Item numbers
    /// change: ask for `items` again.
    @discardableResult
    public func splice(_ container: Int, at position: Int, removing count: Int, inserting values: [Value]) -> Status {
        guard let container = UInt32(exactly: container), let position = UInt32(exactly: position),
            let count = UInt32(exactly: count)
        else { return .invalid }
        var builder = TapeBuilder()
        for value in values { builder.add(value) }
        return builder.withItems { Status(rawValue: host.pointee.splice(raw, container, position, count, $0, $1)) }
    }
}

extension Worker {
    /// A message of your own from a value; nil when the protocol has no such message.
    public func build(_ value: Value, _ kind: MessageKind, protocolNumber: UInt16) -> Held? {
        var builder = TapeBuilder()
        builder.add(value)
        return held(builder.withItems { host.pointee.build(raw, protocolNumber, kind.rawValue, $0, $1) })
    }

    /// A response that is one error: in RESP `text` is its line, "ERR no".
    public func errorResponse(_ text: StaticString, protocolNumber: UInt16) -> Held? {
        var item = weir_item()
        item.type = Item.Kind.error.rawValue
        item.bytes = Bytes(text).raw
        return held(host.pointee.build(raw, protocolNumber, MessageKind.response.rawValue, &item, 1))
    }

    /// A message of your own from wire bytes; nil when they are not exactly one message.
    public func build(wire: Bytes, _ kind: MessageKind, protocolNumber: UInt16) -> Held? {
        held(host.pointee.build_raw(raw, protocolNumber, kind.rawValue, wire.raw))
    }

    private func held(_ pointer: UnsafeMutablePointer<weir_msg>?) -> Held? {
        guard let pointer else { return nil }
        return Held(pointer, self, owesAnswer: false)
    }
}

/// Flattens values, depth first. The bytes of all leaves lie in one array; an item has its offset there until the
/// addresses are known.
private struct TapeBuilder {
    private struct Leaf {
        var kind: Item.Kind
        var childCount: UInt32 = 0
        var number: Int64 = 0
        var offset = 0
        var byteCount = 0
    }

    private var leaves: [Leaf] = []
    private var content: [UInt8] = []

    mutating func add(_ value: Value) {
        switch value {
        case .null: leaves.append(Leaf(kind: .null))
        case .bool(let flag): leaves.append(Leaf(kind: .bool, number: flag ? 1 : 0))
        case .integer(let number): leaves.append(Leaf(kind: .integer, number: Int64(number)))
        case .float(let number):
            leaves.append(Leaf(kind: .float, number: Int64(bitPattern: number.bitPattern)))
        case .bytes(let bytes): add(.bytes, bytes)
        case .text(let text): add(.text, text.utf8)
        case .error(let text): add(.error, text.utf8)
        case .list(let children): add(.list, children)
        case .set(let children): add(.set, children)
        case .map(let children): add(.map, children)
        }
    }

    private mutating func add(_ kind: Item.Kind, _ bytes: some Collection<UInt8>) {
        leaves.append(Leaf(kind: kind, offset: content.count, byteCount: bytes.count))
        content.append(contentsOf: bytes)
    }

    private mutating func add(_ kind: Item.Kind, _ children: [Value]) {
        leaves.append(Leaf(kind: kind, childCount: UInt32(clamping: children.count)))
        for child in children { add(child) }
    }

    /// The C structs exist here only, in raw memory.
    func withItems<Result>(_ body: (UnsafePointer<weir_item>, UInt32) -> Result) -> Result {
        let items = UnsafeMutablePointer<weir_item>.allocate(capacity: max(leaves.count, 1))
        defer { items.deallocate() }
        return content.withUnsafeBufferPointer { bytes in
            for (index, leaf) in leaves.enumerated() {
                var item = weir_item()
                item.type = leaf.kind.rawValue
                item.count = leaf.childCount
                item.num = leaf.number
                if let base = bytes.baseAddress { item.bytes = weir_str(ptr: base + leaf.offset, len: leaf.byteCount) }
                items[index] = item
            }
            return body(items, UInt32(clamping: leaves.count))
        }
    }
}
