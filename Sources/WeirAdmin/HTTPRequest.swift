// Reads the head of one HTTP/1.1 request (RFC 9112) from bytes: a pure function of what has arrived.
//
// Strict where leniency invites smuggling: lines end in CRLF, no folded headers, no space before the colon, one
// Host, one length. Requests with a body are answered and the connection closed, so no body is ever read as a request.

/// What the admin server needs to know of a request.
struct HTTPRequest: Equatable {
    var method: String
    /// Without the query.
    var path: String
    var host: String?
    /// Whether the connection may serve another request after this one.
    var keepsAlive: Bool
}

/// Why a request is refused before anybody looks at its path.
enum HTTPRefusal: Equatable {
    case malformed, headTooLarge, versionUnknown

    var status: HTTPStatus {
        switch self {
        case .malformed: .badRequest
        case .headTooLarge: .headTooLarge
        case .versionUnknown: .versionUnknown
        }
    }
}

enum HTTPReading: Equatable {
    case needsMore
    case request(HTTPRequest)
    case refused(HTTPRefusal)
}

/// Collects bytes and cuts requests out of them.
struct HTTPRequestReader {
    static let maximumHeadByteCount = 16 * 1024
    static let maximumHeaderCount = 100

    private var bytes: [UInt8] = []
    /// Everything before it holds no end of a head.
    private var scanned = 0

    /// How many more bytes may be added before `next` must be called.
    var room: Int { HTTPRequestReader.maximumHeadByteCount - bytes.count }
    var isEmpty: Bool { bytes.isEmpty }

    mutating func add(_ more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

    /// The next request, if all of its head is there. After a refusal the connection must be closed.
    mutating func next() -> HTTPReading {
        // An empty line before a request is passed over (RFC 9112 2.2).
        while bytes.starts(with: [13, 10]) {
            bytes.removeFirst(2)
            scanned = 0
        }
        // Other protocols are told at their first byte.
        if let first = bytes.first, first != 13, !isLetter(first) { return .refused(.malformed) }
        while scanned + 4 <= bytes.count {
            if bytes[scanned] == 13, bytes[scanned + 1] == 10, bytes[scanned + 2] == 13, bytes[scanned + 3] == 10 {
                let head = bytes[..<scanned]
                let reading = HTTPRequestReader.parse(head)
                bytes.removeFirst(scanned + 4)
                scanned = 0
                return reading
            }
            scanned += 1
        }
        return room <= 0 ? .refused(.headTooLarge) : .needsMore
    }

    private static func parse(_ head: ArraySlice<UInt8>) -> HTTPReading {
        var lines: [ArraySlice<UInt8>] = []
        var start = head.startIndex
        for index in head.indices where head[index] == 10 {
            guard index > start, head[index - 1] == 13 else { return .refused(.malformed) }
            lines.append(head[start..<(index - 1)])
            start = index + 1
        }
        lines.append(head[start...])
        guard lines.count <= maximumHeaderCount + 1 else { return .refused(.headTooLarge) }
        guard lines.allSatisfy({ $0.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 } }) else {
            return .refused(.malformed)
        }
        let words = lines[0].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(isToken), words[2].starts(with: "HTTP/".utf8),
            let path = path(words[1])
        else { return .refused(.malformed) }
        let isNewer = words[2].elementsEqual("HTTP/1.1".utf8)
        guard isNewer || words[2].elementsEqual("HTTP/1.0".utf8) else { return .refused(.versionUnknown) }
        var headers = HeaderSummary()
        for line in lines.dropFirst() where !headers.add(line) { return .refused(.malformed) }
        if isNewer, headers.host == nil { return .refused(.malformed) }
        let asked = isNewer ? !headers.wantsClose : headers.wantsKeepAlive && !headers.wantsClose
        return .request(
            HTTPRequest(
                method: String(decoding: words[0], as: UTF8.self), path: path, host: headers.host,
                keepsAlive: asked && !headers.hasBody))
    }

    /// The path of `/path?query`; of `http://host/path` too. nil for all else.
    private static func path(_ target: ArraySlice<UInt8>) -> String? {
        var rest = target
        if rest.starts(with: "http://".utf8) {
            rest = rest.dropFirst(7).drop { $0 != UInt8(ascii: "/") }
        }
        guard rest.first == UInt8(ascii: "/") else { return nil }
        return String(decoding: rest.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
    }
}

/// What the headers of one request say together.
private struct HeaderSummary {
    var host: String?
    var wantsClose = false
    var wantsKeepAlive = false
    var hasBody = false
    private var length: String?

    /// Adds one line; false when it is malformed.
    mutating func add(_ line: ArraySlice<UInt8>) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(isToken)
        else { return false }
        let value = String(decoding: trimmed(line[(colon + 1)...]), as: UTF8.self)
        switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
        case "host":
            guard host == nil else { return false }
            host = value
        case "content-length":
            guard !value.isEmpty, value.utf8.allSatisfy({ (48...57).contains($0) }), length == nil || length == value
            else {
                return false
            }
            length = value
            if value.utf8.contains(where: { $0 != 48 }) { hasBody = true }
        case "transfer-encoding": hasBody = true
        case "connection":
            for word in value.lowercased().split(separator: ",") {
                let word = word.filter { $0 != " " && $0 != "\t" }
                if word == "close" { wantsClose = true }
                if word == "keep-alive" { wantsKeepAlive = true }
            }
        default: break
        }
        return true
    }

    private func trimmed(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let front = value.drop { $0 == 32 || $0 == 9 }
        guard let last = front.lastIndex(where: { $0 != 32 && $0 != 9 }) else { return [] }
        return front[...last]
    }
}

private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte & 0xDF)
}

/// RFC 9110 5.6.2.
private func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
