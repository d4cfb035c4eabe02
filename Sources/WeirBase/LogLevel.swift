// The levels of the log, and the directive strings that set them.
//
// Understood is what operators have in `RUST_LOG` and `main_log_level`: "info", "info, shotover=debug",
// "warn,tokio=off". Weir has one level for the whole process.

/// How much a log line matters. The numbers are those of `WEIR_LOG_…` in weir.h.
public enum LogLevel: UInt8, Sendable, CaseIterable, Comparable {
    case trace = 0
    case debug, info, warn, error, off

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }

    /// "TRACE" … "ERROR", "OFF".
    public var name: StaticString {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .warn: "WARN"
        case .error: "ERROR"
        case .off: "OFF"
        }
    }

    /// The level of one word, in any case.
    public init?(word: some StringProtocol) {
        switch word.lowercased() {
        case "trace": self = .trace
        case "debug": self = .debug
        case "info": self = .info
        case "warn", "warning": self = .warn
        case "error": self = .error
        case "off": self = .off
        default: return nil
        }
    }

    /// The level that a list of directives asks of Weir: that of `weir=…` or `shotover=…` where there is one, else that of
    /// the bare level. Other targets do not exist here and are passed over. nil when none concerns Weir; the error holds
    /// the word that is no level.
    public static func asked(by directives: String) throws(LogLevelError) -> LogLevel? {
        var bare: LogLevel?
        var own: LogLevel?
        for directive in directives.split(separator: ",") {
            let directive = directive.trimmingSpaces
            guard !directive.isEmpty else { continue }
            guard let mark = directive.lastIndex(of: "=") else {
                if let level = LogLevel(word: directive) {
                    bare = level
                } else if !directive.holds("::"), !directive.contains("[") {
                    throw LogLevelError(word: String(directive))
                }
                continue
            }
            let word = directive[directive.index(after: mark)...].trimmingSpaces
            guard let level = LogLevel(word: word) else { throw LogLevelError(word: String(word)) }
            let target = directive[..<mark].trimmingSpaces
            if target == "weir" || target == "shotover" { own = level }
        }
        return own ?? bare
    }
}

/// A word that stands where a level should, and is none.
public struct LogLevelError: Error, Equatable {
    public let word: String
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        let front = drop { $0 == " " || $0 == "\t" }
        guard let last = front.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return front.prefix(0) }
        return front[...last]
    }
}
