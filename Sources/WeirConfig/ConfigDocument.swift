// One configuration file as a tree: YAML 1.2 (so JSON too), every value with its place.
//
// Never traps, never grows without bound: size, depth, number of values and what aliases repeat are limited, and
// every violation is a diagnostic. What the values mean is for schemas and the topology reader.

import Glibc

/// A parsed file.
public struct ConfigDocument: Sendable {
    public let source: SourceText
    /// Nil when the text could not be parsed; an empty file is a null value.
    public let root: ConfigNode?
    public let diagnostics: DiagnosticList

    /// Parses bytes that came from `file` (a name for messages only).
    public init(bytes: [UInt8], file: String) {
        let source = SourceText(file: file, bytes: bytes)
        var diagnostics = DiagnosticList(source: source)
        guard TextCheck.accept(source, &diagnostics) else {
            self.init(source: source, root: nil, diagnostics: diagnostics)
            return
        }
        var builder = TreeBuilder(diagnostics: diagnostics)
        let root = YAMLEvents.parse(source, into: &builder)
        self.init(
            source: source, root: builder.diagnostics.hasErrors ? nil : root, diagnostics: builder.diagnostics)
    }

    public init(text: String, file: String) {
        self.init(bytes: Array(text.utf8), file: file)
    }

    private init(source: SourceText, root: ConfigNode?, diagnostics: DiagnosticList) {
        self.source = source
        self.root = root
        self.diagnostics = diagnostics
    }
}

/// What a file must be before the parser sees it: of bounded size, UTF-8, without control characters.
enum TextCheck {
    static func accept(_ source: SourceText, _ diagnostics: inout DiagnosticList) -> Bool {
        let bytes = source.bytes
        guard bytes.count <= ConfigLimits.maximumFileByteCount else {
            diagnostics.error(
                .fileTooLarge, at: .fileStart,
                "the file has \(bytes.count) bytes; at most \(ConfigLimits.maximumFileByteCount) are read")
            return false
        }
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            diagnostics.error(.notUTF8, at: .fileStart, "the file is UTF-16", hint: "save it as UTF-8")
            return false
        }
        var i = 0
        while i < bytes.count {
            let length = sequenceLength(bytes, at: i)
            if length == 0 {
                report(.notUTF8, "byte 0x\(hex(bytes[i])) is not UTF-8", "save the file as UTF-8", i, &diagnostics)
                return false
            }
            if let name = forbidden(bytes, i, length) {
                report(.controlCharacter, "\(name) in the text", nil, i, &diagnostics)
                return false
            }
            i += length
        }
        return true
    }

    private static func report(
        _ code: DiagnosticCode, _ message: String, _ hint: String?, _ offset: Int, _ diagnostics: inout DiagnosticList
    ) {
        let at = diagnostics.source.position(ofByte: offset)
        diagnostics.error(
            code, at: SourceRange(at, SourcePosition(line: at.line, column: at.column + 1)), message, hint: hint)
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// Length of the UTF-8 sequence at `i` (RFC 3629: no surrogates, no overlong forms), 0 when malformed.
    static func sequenceLength(_ b: [UInt8], at i: Int) -> Int {
        func tail(_ n: Int) -> Bool { i + n < b.count && b[i + n] & 0xC0 == 0x80 }
        switch b[i] {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: return tail(1) ? 2 : 0
        case 0xE0: return tail(1) && tail(2) && b[i + 1] >= 0xA0 ? 3 : 0
        case 0xED: return tail(1) && tail(2) && b[i + 1] < 0xA0 ? 3 : 0
        case 0xE1...0xEF: return tail(1) && tail(2) ? 3 : 0
        case 0xF0: return tail(1) && tail(2) && tail(3) && b[i + 1] >= 0x90 ? 4 : 0
        case 0xF1...0xF3: return tail(1) && tail(2) && tail(3) ? 4 : 0
        case 0xF4: return tail(1) && tail(2) && tail(3) && b[i + 1] < 0x90 ? 4 : 0
        default: return 0
        }
    }

    /// Name of a character that YAML does not allow (section 5.1), or nil.
    private static func forbidden(_ b: [UInt8], _ i: Int, _ length: Int) -> String? {
        if length == 1 {
            if b[i] == 0 { return "a NUL byte" }
            let isAllowed = b[i] >= 0x20 ? b[i] != 0x7F : b[i] == 0x09 || b[i] == 0x0A || b[i] == 0x0D
            return isAllowed ? nil : "the control character 0x\(hex(b[i]))"
        }
        if length == 2, b[i] == 0xC2, b[i + 1] < 0xA0, b[i + 1] != 0x85 {
            return "the control character 0x\(hex(b[i + 1]))"
        }
        if length == 3, b[i] == 0xEF, b[i + 1] == 0xBF, b[i + 2] >= 0xBE { return "a character that is none" }
        if length == 3, b[i] == 0xEF, b[i + 1] == 0xBB, b[i + 2] == 0xBF { return "a byte order mark" }
        return nil
    }
}

/// Reads files, bounded.
public enum ConfigFile {
    /// The bytes of a file, or why there are none in words ("No such file or directory").
    public static func read(_ path: String, maximumByteCount: Int = ConfigLimits.maximumFileByteCount)
        -> Result<[UInt8], ConfigFileError>
    {
        let descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return .failure(ConfigFileError(text: String(cString: strerror(errno)))) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                return .failure(ConfigFileError(text: String(cString: strerror(errno))))
            }
            if count == 0 { return .success(content) }
            content.append(contentsOf: chunk[..<count])
            guard content.count <= maximumByteCount else {
                return .failure(ConfigFileError(text: "more than \(maximumByteCount) bytes"))
            }
        }
    }

    /// The diagnostic for a file that could not be read.
    public static func unreadable(_ path: String, _ error: ConfigFileError) -> Diagnostic {
        Diagnostic(code: .fileUnreadable, file: path, message: "the file cannot be read: \(error.text)")
    }
}

/// Why a file could not be read, in the system's words.
public struct ConfigFileError: Error, Sendable, Equatable {
    public let text: String

    public init(text: String) {
        self.text = text
    }
}
