// A frame as a tape of weir_item (weir.h): parsing. Encoding is in RESPTape+Encode.swift.
//
//   request   LIST of BYTES
//   reply     + TEXT   - ! ERROR   : INT   $ BYTES   = TEXT (its three letters in `num`)   ( TEXT   , FLOAT   # BOOL
//             _ $-1 *-1 NULL   * LIST   ~ SET   > PUSH   % MAP
//   attribute the element it belongs to is wrapped: STRUCT of two children, a MAP and the element, both structs' tags "|"
//
// `tag` of an item is the type byte of the wire, so encoding a parsed tape gives the bytes back
// (but for a lone LF in a status or an error, which becomes a space). Depth first, item 0
// the root. Not recursive: the open containers keep what is to come in their own `num` and the last child in `next`
// until they are closed, which also is why nothing is allocated.

public import CWeir

#if canImport(Glibc)
    import Glibc
#endif

/// Tapes of RESP frames.
public enum RESPTape {
    /// The frame is malformed.
    public static let malformed = -1

    /// Parses one whole frame into at most `capacity` items.
    ///
    /// - Returns: how many items the frame has; when that is more than `capacity` the items written are of no use. Or
    ///   `malformed`. The items point into `bytes`.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, into items: UnsafeMutablePointer<weir_item>, capacity: Int,
        maximumNesting: Int = 128
    ) -> Int {
        guard let base = bytes.baseAddress else { return malformed }
        var parser = TapeParser(base, end: bytes.count, items, capacity: capacity, maximumNesting: maximumNesting)
        return parser.run()
    }
}

extension weir_item {
    @inline(__always)
    init(type: Int, tag: UInt8, count: Int = 0, bytes: UnsafeRawBufferPointer? = nil, num: Int64 = 0) {
        // Safe: the type is one of WEIR_T_*, the count at most Int32.max.
        self.init(
            type: UInt8(truncatingIfNeeded: type), flags: 0, tag: UInt16(tag),
            count: UInt32(truncatingIfNeeded: count), next: 0, parent: 0,
            bytes: weir_str(
                ptr: bytes?.baseAddress?.assumingMemoryBound(to: UInt8.self), len: bytes?.count ?? 0),
            num: num)
    }
}

private struct TapeParser {
    private static let noParent = -1

    private let base: UnsafeRawPointer
    private let end: Int
    private let items: UnsafeMutablePointer<weir_item>
    private let capacity: Int
    private let maximumNesting: Int
    private var at = 0
    /// Items so far, written or not.
    private var count = 0
    /// Elements announced and not yet read.
    private var pending = 1
    private var parent = noParent
    private var depth = 0

    init(
        _ base: UnsafeRawPointer, end: Int, _ items: UnsafeMutablePointer<weir_item>, capacity: Int,
        maximumNesting: Int
    ) {
        self.base = base
        self.end = end
        self.items = items
        self.capacity = capacity
        self.maximumNesting = maximumNesting
    }

    mutating func run() -> Int {
        while pending > 0 {
            guard at < end, count < Int(Int32.max), element() else { return RESPTape.malformed }
        }
        return at == end ? count : RESPTape.malformed
    }

    private mutating func element() -> Bool {
        let type = base.load(fromByteOffset: at, as: UInt8.self)
        switch type {
        case UInt8(ascii: "$"), UInt8(ascii: "!"), UInt8(ascii: "="): return bulk(type)
        case UInt8(ascii: "*"), UInt8(ascii: "%"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "|"):
            return aggregate(type)
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "#"),
            UInt8(ascii: ","), UInt8(ascii: "("):
            return line(type)
        default: return false
        }
    }

    private mutating func bulk(_ type: UInt8) -> Bool {
        switch ReplyDecoder.Length(base, at + 1, end) {
        case .incomplete, .failure: return false
        case .null(let next):
            guard type == UInt8(ascii: "$") else { return false }
            at = next
            return emit(weir_item(type: WEIR_T_NULL, tag: type))
        case .value(let length, let body):
            guard length <= end - body - 2,
                base.loadUnaligned(fromByteOffset: body + length, as: UInt16.self) == RequestDecoder.lineEnd
            else { return false }
            at = body + length + 2
            let content = UnsafeRawBufferPointer(start: base + body, count: length)
            switch type {
            case UInt8(ascii: "$"): return emit(weir_item(type: WEIR_T_BYTES, tag: type, bytes: content))
            case UInt8(ascii: "!"): return emit(weir_item(type: WEIR_T_ERROR, tag: type, bytes: content))
            default: return verbatim(content)
            }
        }
    }

    private mutating func verbatim(_ content: UnsafeRawBufferPointer) -> Bool {
        guard content.count >= 4, content[3] == UInt8(ascii: ":") else { return false }
        let kind = Int64(content[0]) | Int64(content[1]) << 8 | Int64(content[2]) << 16
        let text = UnsafeRawBufferPointer(rebasing: content[4...])
        return emit(weir_item(type: WEIR_T_TEXT, tag: UInt8(ascii: "="), bytes: text, num: kind))
    }

    private mutating func aggregate(_ type: UInt8) -> Bool {
        switch ReplyDecoder.Length(base, at + 1, end) {
        case .incomplete, .failure: return false
        case .null(let next):
            guard type == UInt8(ascii: "*") else { return false }
            at = next
            return emit(weir_item(type: WEIR_T_NULL, tag: type))
        case .value(let count, let next):
            let isPaired = type == UInt8(ascii: "%") || type == UInt8(ascii: "|")
            guard count <= Int(Int32.max) / (isPaired ? 2 : 1) else { return false }
            at = next
            let children = isPaired ? count * 2 : count
            switch type {
            case UInt8(ascii: "*"): return emit(weir_item(type: WEIR_T_LIST, tag: type, count: children))
            case UInt8(ascii: "~"): return emit(weir_item(type: WEIR_T_SET, tag: type, count: children))
            case UInt8(ascii: ">"): return emit(weir_item(type: WEIR_T_PUSH, tag: type, count: children))
            case UInt8(ascii: "%"): return emit(weir_item(type: WEIR_T_MAP, tag: type, count: children))
            default:
                guard !isBehindAttribute else { return false }
                return emit(weir_item(type: WEIR_T_STRUCT, tag: type, count: 2))
                    && emit(weir_item(type: WEIR_T_MAP, tag: type, count: children))
            }
        }
    }

    /// The open container is the STRUCT of an attribute, whose second child comes now. Not known, and false, once an
    /// item had no room.
    private var isBehindAttribute: Bool {
        count <= capacity && parent != Self.noParent && Int(items[parent].type) == WEIR_T_STRUCT
            && items[parent].num == 1
    }

    private mutating func line(_ type: UInt8) -> Bool {
        guard let found = memchr(base + at + 1, 0x0d, end - at - 1) else { return false }
        let cr = UnsafeRawPointer(found) - base
        guard cr + 1 < end, base.load(fromByteOffset: cr + 1, as: UInt8.self) == 0x0a else { return false }
        let content = UnsafeRawBufferPointer(start: base + at + 1, count: cr - at - 1)
        guard ReplyDecoder.error(type, base + at + 1, content.count) == nil else { return false }
        at = cr + 2
        switch type {
        case UInt8(ascii: "+"), UInt8(ascii: "("): return emit(weir_item(type: WEIR_T_TEXT, tag: type, bytes: content))
        case UInt8(ascii: "-"): return emit(weir_item(type: WEIR_T_ERROR, tag: type, bytes: content))
        case UInt8(ascii: ":"):
            return emit(weir_item(type: WEIR_T_INT, tag: type, bytes: content, num: Self.integer(content)))
        case UInt8(ascii: ","):
            let bits = Int64(bitPattern: Self.double(content).bitPattern)
            return emit(weir_item(type: WEIR_T_FLOAT, tag: type, bytes: content, num: bits))
        case UInt8(ascii: "#"):
            let value: Int64 = content[0] == UInt8(ascii: "t") ? 1 : 0
            return emit(weir_item(type: WEIR_T_BOOL, tag: type, bytes: content, num: value))
        case UInt8(ascii: "_"): return emit(weir_item(type: WEIR_T_NULL, tag: type))
        default: return false
        }
    }

    /// Puts an item at the end, below the open container; false when it lies too deep.
    private mutating func emit(_ item: weir_item) -> Bool {
        let index = count
        count += 1
        pending += Int(item.count) - 1
        // Once an item had no room, no later one is written: the caller comes again with more room.
        guard index < capacity else { return true }
        items[index] = item
        if parent != Self.noParent {
            items[index].parent = UInt32(truncatingIfNeeded: parent)
            let previous = Int(items[parent].next)
            if previous != 0 { items[previous].next = UInt32(truncatingIfNeeded: index) }
            items[parent].next = UInt32(truncatingIfNeeded: index)
            items[parent].num -= 1
        }
        if item.count > 0 {
            // The STRUCT of an attribute is no level of the wire's.
            let levels = Int(item.type) == WEIR_T_STRUCT ? 0 : 1
            guard depth + levels <= maximumNesting else { return false }
            items[index].num = Int64(item.count)
            parent = index
            depth += levels
            return true
        }
        while parent != Self.noParent, items[parent].num == 0 {
            items[parent].next = 0
            depth -= Int(items[parent].type) == WEIR_T_STRUCT ? 0 : 1
            parent = parent == 0 ? Self.noParent : Int(items[parent].parent)
        }
        return true
    }

    /// The value, at the end of the range when it is beyond it.
    private static func integer(_ text: UnsafeRawBufferPointer) -> Int64 {
        let isNegative = text.first == UInt8(ascii: "-")
        var value: Int64 = 0
        for byte in text where byte &- 48 < 10 {
            let (shifted, first) = value.multipliedReportingOverflow(by: 10)
            let digit = Int64(byte - 48)
            let (next, second) = shifted.addingReportingOverflow(isNegative ? -digit : digit)
            if first || second { return isNegative ? .min : .max }
            value = next
        }
        return value
    }

    /// NaN for what is not a number.
    private static func double(_ text: UnsafeRawBufferPointer) -> Double {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer in
            guard let start = buffer.baseAddress else { return .nan }
            for index in 0..<text.count { buffer[index] = CChar(bitPattern: text[index]) }
            buffer[text.count] = 0
            var rest: UnsafeMutablePointer<CChar>?
            let value = strtod(start, &rest)
            return rest == start + text.count ? value : .nan
        }
    }
}
