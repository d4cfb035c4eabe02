// A tape as bytes. Items are read in order and by `count` alone, so tapes built by hand (weir_leaf, weir_list) need no
// links. An item with a tag gets the type byte of its tag; one without gets what is natural for its type and for the
// version of the protocol that the client speaks.
//
//            RESP3   RESP2                             RESP3   RESP2
//   NULL     _       $-1            BYTES TEXT         $       $
//   BOOL     #       : 0 or 1       ERROR              -       -
//   INT      :       :              LIST STRUCT        *       *
//   FLOAT    ,       $              MAP SET PUSH       % ~ >   *

public import CWeir

extension RESPTape {
    /// What a tape is to become.
    public enum Form: Sendable {
        /// A multibulk of bulks: the root a LIST of leaves, of any type but NULL and of any tag.
        case request
        /// A reply or a push in RESP2 or RESP3.
        case reply(version: Int)
    }

    /// How many bytes `encode` will write, or `malformed`.
    public static func encodedByteCount(_ items: UnsafePointer<weir_item>, count: Int, as form: Form) -> Int {
        encode(items, count: count, as: form, into: nil, capacity: 0)
    }

    /// Writes the frame; returns its byte count, or `malformed`. With less room than that what is written is of no use.
    public static func encode(
        _ items: UnsafePointer<weir_item>, count: Int, as form: Form,
        into output: UnsafeMutablePointer<UInt8>?, capacity: Int
    ) -> Int {
        var encoder = TapeEncoder(output, capacity: capacity)
        let isWhole =
            switch form {
            case .request: encoder.request(items, count)
            case .reply(let version): encoder.reply(items, count, version)
            }
        return isWhole ? encoder.writer.count : malformed
    }
}

private struct TapeEncoder {
    var writer: ByteWriter

    init(_ output: UnsafeMutablePointer<UInt8>?, capacity: Int) {
        writer = ByteWriter(output, capacity: capacity)
    }

    mutating func request(_ items: UnsafePointer<weir_item>, _ count: Int) -> Bool {
        guard count > 1, Int(items[0].type) == WEIR_T_LIST, Int(items[0].count) == count - 1 else { return false }
        writer.line(UInt8(ascii: "*"), count - 1)
        for index in 1..<count {
            guard items[index].count == 0, Int(items[index].type) != WEIR_T_NULL, bulk(items[index]) else {
                return false
            }
        }
        return true
    }

    mutating func reply(_ items: UnsafePointer<weir_item>, _ count: Int, _ version: Int) -> Bool {
        var pending = 1
        var index = 0
        while pending > 0 {
            guard index < count else { return false }
            let item = items[index]
            pending += Int(item.count) - 1
            index += 1
            // What is announced must still be there.
            guard pending <= count - index, element(item, version) else { return false }
        }
        return index == count
    }

    private mutating func element(_ item: weir_item, _ version: Int) -> Bool {
        switch Int(item.type) {
        case WEIR_T_LIST, WEIR_T_MAP, WEIR_T_SET, WEIR_T_STRUCT, WEIR_T_PUSH: return container(item, version)
        default: return item.count == 0 && leaf(item, version)
        }
    }

    private mutating func container(_ item: weir_item, _ version: Int) -> Bool {
        let count = Int(item.count)
        if Int(item.type) == WEIR_T_STRUCT, item.tag == UInt16(UInt8(ascii: "|")) {
            return count == 2  // the attribute's MAP writes the line
        }
        guard let marker = marker(of: item, version) else { return false }
        switch marker {
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"): writer.line(marker, count)
        case UInt8(ascii: "%"), UInt8(ascii: "|"):
            guard count % 2 == 0 else { return false }
            writer.line(marker, count / 2)
        default: return false
        }
        return true
    }

    private func marker(of item: weir_item, _ version: Int) -> UInt8? {
        if item.tag != 0 { return UInt8(exactly: item.tag) }
        let isThree = version >= 3
        return switch Int(item.type) {
        case WEIR_T_NULL: isThree ? UInt8(ascii: "_") : UInt8(ascii: "$")
        case WEIR_T_BOOL: isThree ? UInt8(ascii: "#") : UInt8(ascii: ":")
        case WEIR_T_INT: UInt8(ascii: ":")
        case WEIR_T_FLOAT: isThree ? UInt8(ascii: ",") : UInt8(ascii: "$")
        case WEIR_T_BYTES, WEIR_T_TEXT: UInt8(ascii: "$")
        case WEIR_T_ERROR: UInt8(ascii: "-")
        case WEIR_T_LIST, WEIR_T_STRUCT: UInt8(ascii: "*")
        case WEIR_T_MAP: isThree ? UInt8(ascii: "%") : UInt8(ascii: "*")
        case WEIR_T_SET: isThree ? UInt8(ascii: "~") : UInt8(ascii: "*")
        case WEIR_T_PUSH: isThree ? UInt8(ascii: ">") : UInt8(ascii: "*")
        default: nil
        }
    }
}

// MARK: - Leaves

extension TapeEncoder {
    private mutating func leaf(_ item: weir_item, _ version: Int) -> Bool {
        guard let marker = marker(of: item, version) else { return false }
        if Int(item.type) == WEIR_T_NULL { return null(marker) }
        let content = UnsafeRawBufferPointer(start: item.bytes.ptr, count: item.bytes.ptr == nil ? 0 : item.bytes.len)
        switch marker {
        case UInt8(ascii: "$"): return bulk(item)
        case UInt8(ascii: "!"): writer.line(marker, content.count)
        case UInt8(ascii: "="): verbatim(item, content.count)
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            writer.byte(marker)
            writer.oneLine(content)
            writer.lineEnd()
            return true
        case UInt8(ascii: ":"), UInt8(ascii: "("), UInt8(ascii: ","), UInt8(ascii: "#"):
            return scalar(item, marker, content)
        default: return false
        }
        writer.bytes(content)
        writer.lineEnd()
        return true
    }

    private mutating func null(_ marker: UInt8) -> Bool {
        switch marker {
        case UInt8(ascii: "_"): writer.text("_\r\n")
        case UInt8(ascii: "$"): writer.text("$-1\r\n")
        case UInt8(ascii: "*"): writer.text("*-1\r\n")
        default: return false
        }
        return true
    }

    private mutating func verbatim(_ item: weir_item, _ length: Int) {
        writer.line(UInt8(ascii: "="), length + 4)
        let kind = item.num == 0 ? 0x747874 : item.num  // "txt"
        writer.byte(UInt8(truncatingIfNeeded: kind))
        writer.byte(UInt8(truncatingIfNeeded: kind >> 8))
        writer.byte(UInt8(truncatingIfNeeded: kind >> 16))
        writer.byte(UInt8(ascii: ":"))
    }

    /// A line with a number or a truth value: the text when there is one, else `num`.
    private mutating func scalar(_ item: weir_item, _ marker: UInt8, _ content: UnsafeRawBufferPointer) -> Bool {
        writer.byte(marker)
        if content.count == 0 || (Int(item.type) == WEIR_T_BOOL && marker != UInt8(ascii: "#")) {
            guard marker != UInt8(ascii: "(") else { return false }
            value(item, isTruth: marker == UInt8(ascii: "#"))
        } else {
            guard let base = content.baseAddress, ReplyDecoder.error(marker, base, content.count) == nil else {
                return false
            }
            writer.bytes(content)
        }
        writer.lineEnd()
        return true
    }

    /// The bulk string of any leaf; a number without a text has that of `num`.
    private mutating func bulk(_ item: weir_item) -> Bool {
        switch Int(item.type) {
        case WEIR_T_INT, WEIR_T_FLOAT, WEIR_T_BOOL:
            if item.bytes.ptr == nil || item.bytes.len == 0 {
                var measure = TapeEncoder(nil, capacity: 0)
                measure.value(item, isTruth: false)
                writer.line(UInt8(ascii: "$"), measure.writer.count)
                value(item, isTruth: false)
                writer.lineEnd()
                return true
            }
        case WEIR_T_BYTES, WEIR_T_TEXT, WEIR_T_ERROR: break
        default: return false
        }
        let content = UnsafeRawBufferPointer(start: item.bytes.ptr, count: item.bytes.ptr == nil ? 0 : item.bytes.len)
        writer.line(UInt8(ascii: "$"), content.count)
        writer.bytes(content)
        writer.lineEnd()
        return true
    }

    /// The text of `num`.
    private mutating func value(_ item: weir_item, isTruth: Bool) {
        switch Int(item.type) {
        case WEIR_T_BOOL where isTruth: writer.byte(item.num != 0 ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case WEIR_T_BOOL: writer.byte(item.num != 0 ? UInt8(ascii: "1") : UInt8(ascii: "0"))
        case WEIR_T_FLOAT:
            // Only for numbers that a plugin built and gave no text.
            var text = Double(bitPattern: UInt64(bitPattern: item.num)).description
            if text.hasSuffix(".0") { text.removeLast(2) }
            text.withUTF8 { writer.bytes(UnsafeRawBufferPointer($0)) }
        default: writer.integer(Int(item.num))
        }
    }
}
