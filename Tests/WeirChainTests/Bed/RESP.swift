// RESP for the tests: written anew, so that a mistake of the codec is not repeated here.

public indirect enum RESP {
    case simple(String), error(String), integer(Int), bulk(String), null, array([RESP]), push([RESP])
    case map([(RESP, RESP)], isRESP3: Bool)
    case raw(String), nothing

    public static func bytes(_ value: RESP) -> [UInt8] {
        switch value {
        case .simple(let text): Array("+\(text)\r\n".utf8)
        case .error(let text): Array("-\(text)\r\n".utf8)
        case .integer(let number): Array(":\(number)\r\n".utf8)
        case .bulk(let text): Array("$\(text.utf8.count)\r\n\(text)\r\n".utf8)
        case .null: Array("$-1\r\n".utf8)
        case .array(let parts): Array("*\(parts.count)\r\n".utf8) + parts.flatMap { bytes($0) }
        case .push(let parts): Array(">\(parts.count)\r\n".utf8) + parts.flatMap { bytes($0) }
        case .map(let pairs, let isRESP3):
            Array((isRESP3 ? "%\(pairs.count)\r\n" : "*\(pairs.count * 2)\r\n").utf8)
                + pairs.flatMap { bytes($0.0) + bytes($0.1) }
        case .raw(let text): Array(text.utf8)
        case .nothing: []
        }
    }

    /// One line for comparing: `OK`, `-ERR …`, `:1`, `"text"`, `nil`, `[a b]`, `>[a b]`.
    public var text: String {
        switch self {
        case .simple(let text), .raw(let text): text
        case .error(let text): "-\(text)"
        case .integer(let number): ":\(number)"
        case .bulk(let text): "\"\(text)\""
        case .null: "nil"
        case .array(let parts): "[\(parts.map(\.text).joined(separator: " "))]"
        case .push(let parts): ">[\(parts.map(\.text).joined(separator: " "))]"
        case .map(let pairs, _): "{\(pairs.map { "\($0.0.text): \($0.1.text)" }.joined(separator: ", "))}"
        case .nothing: ""
        }
    }

    /// The strings of a flat array.
    public var words: [String] {
        guard case .array(let parts) = self else { return [text] }
        return parts.map { if case .bulk(let text) = $0 { text } else { $0.text } }
    }
}

/// Cuts values out of bytes as they come.
public struct RESPReader {
    private var bytes: [UInt8] = []
    private var start = 0

    public init() {}

    public mutating func append(_ more: [UInt8]) {
        if start > 65_536 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    public var restCount: Int { bytes.count - start }

    public mutating func next() -> RESP? {
        var at = start
        guard let value = read(&at) else { return nil }
        start = at
        return value
    }

    private func line(_ at: inout Int) -> String? {
        var end = at
        while end + 1 < bytes.count, !(bytes[end] == 13 && bytes[end + 1] == 10) { end += 1 }
        guard end + 1 < bytes.count else { return nil }
        defer { at = end + 2 }
        return String(decoding: bytes[at..<end], as: UTF8.self)
    }

    private func read(_ at: inout Int) -> RESP? {
        guard let head = line(&at) else { return nil }
        let rest = String(head.dropFirst())
        switch head.first {
        case "+": return .simple(rest)
        case "-": return .error(rest)
        case ":": return .integer(Int(rest) ?? 0)
        case "_": return .null
        case "$":
            guard let count = Int(rest), count >= 0 else { return .null }
            guard at + count + 2 <= bytes.count else { return nil }
            defer { at += count + 2 }
            return .bulk(String(decoding: bytes[at..<(at + count)], as: UTF8.self))
        case "*", ">", "%", "~":
            guard var count = Int(rest), count >= 0 else { return .null }
            if head.first == "%" { count *= 2 }
            var parts: [RESP] = []
            for _ in 0..<count {
                guard let part = read(&at) else { return nil }
                parts.append(part)
            }
            return head.first == ">" ? .push(parts) : .array(parts)
        default: return .raw(head)
        }
    }
}
