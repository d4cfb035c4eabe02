// Draws diagnostics for people (file:line:column, the line, a caret, the hint) and for programs (JSON).
// Pure text: knows no terminal; the caller says whether colours are wanted.

/// The drawn form of diagnostics.
public struct DiagnosticRenderer: Sendable {
    public let usesColor: Bool
    /// Longer lines are cut around the caret.
    static let maximumLineLength = 160

    public init(usesColor: Bool = false) {
        self.usesColor = usesColor
    }

    /// All of them, one after the other, each ending in a newline.
    public func text(_ diagnostics: [Diagnostic]) -> String {
        diagnostics.map(text).joined()
    }

    /// One diagnostic:
    ///
    ///     topology.yaml:9:9: error[W0104]: no transform 'RedisClusterSnk'
    ///        9 |       - RedisClusterSnk:
    ///          |         ^^^^^^^^^^^^^^^ did you mean 'RedisSinkCluster' (plugin RedisCluster 1.0.0)?
    public func text(_ d: Diagnostic) -> String {
        guard let range = d.range else {
            let head = "\(d.file): \(label(d)): \(d.message)\n"
            guard let hint = d.hint else { return head }
            return head + "     = \(hint)\n"
        }
        let head = "\(d.file):\(range.start.line):\(range.start.column): \(label(d)): \(d.message)\n"
        let number = String(range.start.line)
        let gutter = String(repeating: " ", count: max(0, 4 - number.utf8.count))
        let blank = String(repeating: " ", count: max(4, number.utf8.count))
        let (line, padding, carets) = window(d.lineText, range)
        let hint = d.hint.map { " " + $0 } ?? ""
        return head
            + "\(gutter)\(number) |\(line.isEmpty ? "" : " ")\(line)\n"
            + "\(blank) | \(padding)\(paint(carets, d.severity))\(hint)\n"
    }

    /// The line, what stands before the carets (tabs kept, so that they align), and the carets.
    private func window(_ text: String, _ range: SourceRange) -> (line: String, padding: String, carets: String) {
        let scalars = Array(text.unicodeScalars)
        let first = min(max(0, range.start.column - 1), scalars.count)
        var last = scalars.count
        if range.end.line == range.start.line {
            last = min(last, max(range.end.column - 1, first))
        } else {
            while last > first, scalars[last - 1] == " " { last -= 1 }
        }
        var from = 0
        var to = scalars.count
        if scalars.count > Self.maximumLineLength {
            from = max(0, first - Self.maximumLineLength / 2)
            to = min(scalars.count, from + Self.maximumLineLength)
            last = min(last, to)
        }
        let line = (from > 0 ? "…" : "") + Self.string(scalars[from..<to]) + (to < scalars.count ? "…" : "")
        var padding = from > 0 ? " " : ""
        for scalar in scalars[from..<first] { padding += scalar == "\t" ? "\t" : " " }
        return (line, padding, String(repeating: "^", count: max(1, last - first)))
    }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    private func label(_ d: Diagnostic) -> String {
        paint("\(d.severity.rawValue)[\(d.code.rawValue)]", d.severity)
    }

    private func paint(_ text: String, _ severity: Diagnostic.Severity) -> String {
        guard usesColor else { return text }
        let color =
            switch severity {
            case .error: "31"
            case .warning: "33"
            case .note: "36"
            }
        return "\u{1B}[1;\(color)m\(text)\u{1B}[0m"
    }

    /// A JSON array of objects with the keys code, severity, file, line, column, endLine, endColumn, text,
    /// message, hint; those that do not apply are left out.
    public static func json(_ diagnostics: [Diagnostic]) -> String {
        "[" + diagnostics.map(json).joined(separator: ",") + "]"
    }

    /// One JSON object.
    public static func json(_ d: Diagnostic) -> String {
        var json = JSONText()
        json.raw("{\"code\":\"\(d.code.rawValue)\",\"severity\":\"\(d.severity.rawValue)\",\"file\":")
        json.string(d.file)
        if let range = d.range {
            json.raw(",\"line\":\(range.start.line),\"column\":\(range.start.column)")
            json.raw(",\"endLine\":\(range.end.line),\"endColumn\":\(range.end.column),\"text\":")
            json.string(d.lineText)
        }
        json.raw(",\"message\":")
        json.string(d.message)
        if let hint = d.hint {
            json.raw(",\"hint\":")
            json.string(hint)
        }
        json.raw("}")
        return json.text
    }
}
