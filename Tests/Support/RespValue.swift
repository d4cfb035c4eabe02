// A RESP2/RESP3 value as tests compare it, and its parser. It is written apart from Weir's codec on purpose:
// a test must not share a mistake with what it tests.

/// One reply (or part of one).
public indirect enum RespValue: Equatable, Sendable {
    case simple(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case null
    case array([RespValue])
    case nullArray
    case double(String)
    case boolean(Bool)
    case bigNumber(String)
    case bulkError(String)
    case verbatim([UInt8])
    /// Keys and values in turn.
    case map([RespValue])
    case set([RespValue])
    case push([RespValue])
    /// Keys and values in turn, then the value that they belong to.
    case attribute([RespValue], RespValue)

    /// The bytes of a simple or bulk string as text; nil for all else.
    public var text: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes), .verbatim(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// Whether it is one of the forms of "nothing".
    public var isNull: Bool { self == .null || self == .nullArray }

    /// The text of an error; nil for all else.
    public var errorText: String? {
        switch self {
        case .error(let text), .bulkError(let text): text
        default: nil
        }
    }

    /// The elements of an array, set, push or map; empty for all else.
    public var elements: [RespValue] {
        switch self {
        case .array(let values), .set(let values), .push(let values), .map(let values): values
        default: []
        }
    }

    /// A bulk string of text.
    public static func bulk(_ text: String) -> RespValue { .bulk(Array(text.utf8)) }

    enum Parsed {
        case value(RespValue, end: Int)
        /// At least so many bytes more are needed.
        case incomplete(Int)
    }

    static func parse(_ bytes: ArraySlice<UInt8>) throws -> Parsed {
        var parser = RespParser(bytes: bytes, position: bytes.startIndex)
        guard let value = try parser.value() else { return .incomplete(parser.missing) }
        return .value(value, end: parser.position)
    }
}

/// Parses from the first byte each time it is asked: simple, and fast enough for tests.
private struct RespParser {
    let bytes: ArraySlice<UInt8>
    var position: Int
    var missing = 1

    mutating func line() -> String? {
        guard let end = bytes[position...].firstIndex(of: 10), end > position else { return nil }
        let text = String(decoding: bytes[position..<(end - 1)], as: UTF8.self)
        position = end + 1
        return text
    }

    mutating func value() throws -> RespValue? {
        guard position < bytes.endIndex else { return nil }
        let type = Character(UnicodeScalar(bytes[position]))
        position += 1
        guard let head = line() else { return nil }
        switch type {
        case "+": return .simple(head)
        case "-": return .error(head)
        case ":": return .integer(try number(head))
        case "$": return try blob(head).map { $0.map(RespValue.bulk) ?? .null }
        case "=": return try blob(head).map { $0.map(RespValue.verbatim) ?? .null }
        case "!": return try blob(head).map { .bulkError(String(decoding: $0 ?? [], as: UTF8.self)) }
        case "_": return .null
        case ",": return .double(head)
        case "(": return .bigNumber(head)
        case "#": return .boolean(head == "t")
        case "*": return head == "-1" ? .nullArray : try items(head, times: 1).map(RespValue.array)
        case "~": return try items(head, times: 1).map(RespValue.set)
        case ">": return try items(head, times: 1).map(RespValue.push)
        case "%": return try items(head, times: 2).map(RespValue.map)
        case "|":
            guard let pairs = try items(head, times: 2), let next = try value() else { return nil }
            return .attribute(pairs, next)
        default: throw Failure("not RESP: type byte '\(type)', line '\(head.prefix(80))'")
        }
    }

    func number(_ text: String) throws -> Int64 {
        guard let number = Int64(text) else { throw Failure("not RESP: '\(text.prefix(40))' is no number") }
        return number
    }

    /// nil: more bytes are needed; .some(nil): the null bulk.
    mutating func blob(_ head: String) throws -> [UInt8]?? {
        let length = Int(try number(head))
        if length < 0 { return .some(nil) }
        guard position + length + 2 <= bytes.endIndex else {
            missing = position + length + 2 - bytes.endIndex
            return nil
        }
        defer { position += length + 2 }
        guard bytes[position + length] == 13, bytes[position + length + 1] == 10 else {
            throw Failure("not RESP: no CRLF after a bulk string of \(length) bytes")
        }
        return Array(bytes[position..<(position + length)])
    }

    mutating func items(_ head: String, times: Int) throws -> [RespValue]? {
        let count = Int(try number(head)) * times
        var values: [RespValue] = []
        for _ in 0..<max(0, count) {
            guard let next = try value() else { return nil }
            values.append(next)
        }
        return values
    }
}
