// The text of one configuration file, and places in it.
//
// Lines and columns count from 1; a column is a Unicode scalar, as the YAML parser counts.
// A line that is shown to people never carries a secret: values behind keys such as `password` are masked.
// Knows nothing of YAML, nodes or schemas.

import WeirBase

/// A place in a file: line and column, both from 1.
public struct SourcePosition: Sendable, Equatable, Hashable, Comparable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    public static func < (a: SourcePosition, b: SourcePosition) -> Bool {
        (a.line, a.column) < (b.line, b.column)
    }
}

/// A stretch of a file; `end` is the first place behind it.
public struct SourceRange: Sendable, Equatable, Hashable {
    public let start: SourcePosition
    public let end: SourcePosition

    public init(_ start: SourcePosition, _ end: SourcePosition) {
        self.start = start
        self.end = end
    }

    /// The first character of the file: where a file as a whole is at fault.
    public static let fileStart = SourceRange(
        SourcePosition(line: 1, column: 1), SourcePosition(line: 1, column: 1))
}

/// A file's name and bytes, cut into lines.
public struct SourceText: Sendable {
    /// The name as the user gave it; it heads every diagnostic.
    public let file: String
    /// The content without a byte order mark.
    public let bytes: [UInt8]
    private let lineStarts: [Int]

    /// Of a longer line only its beginning is shown.
    static let maximumShownByteCount = 4096

    public init(file: String, bytes: [UInt8]) {
        self.file = file
        self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        self.lineStarts = Self.lineStarts(in: self.bytes)
    }

    public init(file: String, text: String) {
        self.init(file: file, bytes: Array(text.utf8))
    }

    /// Line breaks are those of the YAML parser: CR, LF, CRLF, U+0085, U+2028, U+2029.
    private static func lineStarts(in bytes: [UInt8]) -> [Int] {
        var starts = [0]
        var i = 0
        while i < bytes.count {
            let length = breakLength(bytes, at: i)
            if length > 0 { starts.append(i + length) }
            i += max(1, length)
        }
        return starts
    }

    private static func breakLength(_ bytes: [UInt8], at i: Int) -> Int {
        switch bytes[i] {
        case 0x0A: return 1
        case 0x0D: return i + 1 < bytes.count && bytes[i + 1] == 0x0A ? 2 : 1
        case 0xC2: return i + 1 < bytes.count && bytes[i + 1] == 0x85 ? 2 : 0
        case 0xE2:
            guard i + 2 < bytes.count, bytes[i + 1] == 0x80 else { return 0 }
            return bytes[i + 2] == 0xA8 || bytes[i + 2] == 0xA9 ? 3 : 0
        default: return 0
        }
    }

    /// The place of a byte offset, clamped to the file.
    public func position(ofByte offset: Int) -> SourcePosition {
        let offset = max(0, min(offset, bytes.count))
        var low = 0
        var high = lineStarts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle - 1 }
        }
        let before = String(decoding: bytes[lineStarts[low]..<offset], as: UTF8.self)
        return SourcePosition(line: low + 1, column: before.unicodeScalars.count + 1)
    }

    /// A line as it may be shown: without its break, control characters replaced, secrets masked.
    /// Empty when the file has no such line.
    public func line(_ number: Int) -> String {
        guard number >= 1, number <= lineStarts.count else { return "" }
        let start = lineStarts[number - 1]
        let end = number < lineStarts.count ? lineStarts[number] : bytes.count
        // Beyond this nobody reads on, and a file may be one single line.
        let shown = bytes[start..<min(end, start + Self.maximumShownByteCount)]
        var scalars = Array(String(decoding: shown, as: UTF8.self).unicodeScalars)
        while let last = scalars.last, Self.isBreak(last) { scalars.removeLast() }
        for i in scalars.indices where Self.isUnprintable(scalars[i]) { scalars[i] = "\u{FFFD}" }
        SecretMask.apply(to: &scalars)
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func isBreak(_ s: Unicode.Scalar) -> Bool {
        s == "\n" || s == "\r" || s == "\u{85}" || s == "\u{2028}" || s == "\u{2029}"
    }

    private static func isUnprintable(_ s: Unicode.Scalar) -> Bool {
        (s.value < 0x20 && s != "\t") || (0x7F...0x9F).contains(s.value)
            || (0x202A...0x202E).contains(s.value) || (0x2066...0x2069).contains(s.value)
    }
}

/// Replaces the values of secret keys in a shown line by asterisks, one for one, so that carets still fit.
enum SecretMask {
    static let words = ["password", "passphrase", "secret", "token"]

    /// Whether a key names something that must not be shown. A mistyped `password` is one: its line is shown because
    /// of the mistake.
    static func covers(key: String) -> Bool {
        let lower = key.lowercased()
        if words.contains(where: { lower.holds($0) }) { return true }
        guard (6...10).contains(lower.utf8.count) else { return false }
        return NearestWord.editDistance(lower, "password") <= 2
    }

    static func apply(to line: inout [Unicode.Scalar]) {
        var i = 0
        var isInFlowMap = false
        while i < line.count {
            guard isWord(line[i]) else {
                if line[i] == "{" { isInFlowMap = true }
                i += 1
                continue
            }
            let start = i
            while i < line.count, isWord(line[i]) { i += 1 }
            var key = String.UnicodeScalarView()
            key.append(contentsOf: line[start..<i])
            guard covers(key: String(key)) else { continue }
            i = maskValue(in: &line, after: i, isInFlowMap)
        }
    }

    /// `i` stands behind the key; returns where to go on.
    private static func maskValue(in line: inout [Unicode.Scalar], after end: Int, _ isInFlowMap: Bool) -> Int {
        var i = end
        if i < line.count, line[i] == "\"" || line[i] == "'" { i += 1 }
        while i < line.count, line[i] == " " { i += 1 }
        guard i < line.count, line[i] == ":" else { return end }
        i += 1
        while i < line.count, line[i] == " " || line[i] == "\t" { i += 1 }
        guard i < line.count else { return i }
        let quote: Unicode.Scalar? = line[i] == "\"" || line[i] == "'" ? line[i] : nil
        if quote != nil { i += 1 }
        // A reference is no secret, and seeing it is what helps.
        if i + 1 < line.count, line[i] == "$", line[i + 1] == "{" { return i }
        while i < line.count {
            if let quote {
                if line[i] == quote { break }
                if line[i] == "\\", quote == "\"", i + 1 < line.count {
                    line[i] = "*"
                    i += 1
                }
            } else if isInFlowMap, line[i] == "," || line[i] == "}" {
                break
            }
            line[i] = "*"
            i += 1
        }
        return i
    }

    private static func isWord(_ s: Unicode.Scalar) -> Bool {
        s == "_" || s == "-" || (s.isASCII && s.properties.isAlphabetic) || ("0"..."9").contains(s)
    }
}
