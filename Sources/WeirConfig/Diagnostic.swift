// What is wrong, where, and what to do about it: the one form in which every phase reports.
//
// A diagnostic is a value: it carries the line it points at, so that it can be shown when the file is gone.
// Knows nothing of YAML or schemas. How it is drawn: DiagnosticRenderer. What codes mean: ErrorCatalog.

/// One finding.
public struct Diagnostic: Sendable, Equatable {
    public enum Severity: String, Sendable, Comparable {
        case error, warning, note

        private var rank: Int {
            switch self {
            case .error: 0
            case .warning: 1
            case .note: 2
            }
        }
        public static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
    }

    /// Stable for ever; `weir explain` knows it.
    public let code: DiagnosticCode
    public let severity: Severity
    public let file: String
    /// Nil when the finding concerns a file as a whole (a plugin, an unreadable path).
    public let range: SourceRange?
    /// The line that `range` begins in, as it may be shown.
    public let lineText: String
    /// One sentence without a full stop: what is wrong.
    public let message: String
    /// One sentence: what to do. Nil when nothing useful can be said.
    public let hint: String?

    public init(
        code: DiagnosticCode, severity: Severity = .error, file: String, range: SourceRange? = nil,
        lineText: String = "", message: String, hint: String? = nil
    ) {
        self.code = code
        self.severity = severity
        self.file = file
        self.range = range
        self.lineText = lineText
        self.message = message
        self.hint = hint
    }
}

extension SourceText {
    /// A finding at a place of this file.
    public func diagnostic(
        _ code: DiagnosticCode, _ severity: Diagnostic.Severity = .error, at range: SourceRange, _ message: String,
        hint: String? = nil
    ) -> Diagnostic {
        let isShown = range.start.column <= Self.maximumShownByteCount
        return Diagnostic(
            code: code, severity: severity, file: file, range: range,
            lineText: isShown ? line(range.start.line) : "", message: message, hint: hint)
    }
}

/// Collects the findings about one file; bounded, so that a hostile file cannot fill the memory with them.
public struct DiagnosticList: Sendable {
    /// More than this are counted, not kept.
    public static let maximumCount = 200

    public let source: SourceText
    private var kept: [Diagnostic] = []
    private var omitted = 0
    public private(set) var hasErrors = false

    public init(source: SourceText) {
        self.source = source
    }

    public var count: Int { kept.count }

    /// What is added now is only counted; nobody needs to look for a hint any more.
    public var isFull: Bool { kept.count >= Self.maximumCount }

    public mutating func error(
        _ code: DiagnosticCode, at range: SourceRange, _ message: String, hint: String? = nil
    ) {
        guard !isFull else {
            // Not even its line is looked up: a file may be one long line.
            hasErrors = true
            omitted += 1
            return
        }
        append(source.diagnostic(code, .error, at: range, message, hint: hint))
    }

    public mutating func append(_ diagnostic: Diagnostic) {
        if diagnostic.severity == .error { hasErrors = true }
        guard kept.count < Self.maximumCount else {
            omitted += 1
            return
        }
        if !kept.contains(diagnostic) { kept.append(diagnostic) }
    }

    public mutating func append(contentsOf other: DiagnosticList) {
        for diagnostic in other.kept { append(diagnostic) }
        omitted += other.omitted
    }

    /// All findings in the order of the file, the last one saying how many were left out.
    public var sorted: [Diagnostic] {
        let start = SourcePosition(line: 0, column: 0)
        var all = kept.enumerated().sorted { a, b in
            let x = a.element.range?.start ?? start
            let y = b.element.range?.start ?? start
            return x == y ? a.offset < b.offset : x < y
        }.map(\.element)
        if omitted > 0 {
            all.append(
                Diagnostic(
                    code: .moreFindings, severity: .note, file: source.file,
                    message: "\(omitted) more findings are not shown"))
        }
        return all
    }
}
