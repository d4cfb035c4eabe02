// Why a plugin is refused: a code, the file, both sides in words, and what to do.

public import WeirConfig

/// A refusal. It concerns one file; the others go on.
public struct PluginError: Error, Sendable, Equatable {
    public let code: DiagnosticCode
    /// The file or folder as it was named.
    public let path: String
    /// One sentence without a full stop.
    public let message: String
    public let hint: String?

    public init(_ code: DiagnosticCode, path: String, _ message: String, hint: String? = nil) {
        self.code = code
        self.path = path
        self.message = message
        self.hint = hint
    }

    /// The form in which `check` prints it.
    public var diagnostic: Diagnostic {
        Diagnostic(code: code, file: path, message: message, hint: hint)
    }
}
