// Log levels as Shotover's files give them: "info, shotover=debug, shotover::connection_span=info".
//
// Weir has one level. A directive for the targets `shotover` or `weir` counts more than a bare level; others name
// modules that do not exist here and are ignored.

import WeirBase

enum LogLevel {
    static let names = ["trace", "debug", "info", "warn", "error", "off"]

    enum Outcome: Equatable {
        case level(String)
        case unspecific
        case failure(message: String, hint: String?)
    }

    static func parse(_ text: String) -> Outcome {
        var bare: String?
        var own: String?
        var count = 0
        for part in text.split(separator: ",") {
            let directive = trimmed(part)
            if directive.isEmpty { continue }
            count += 1
            guard let equals = directive.lastIndex(of: "=") else {
                if let level = level(directive) {
                    bare = level
                } else if !isTarget(directive) {
                    let hint = NearestWord.hint(directive, in: names) ?? "levels are " + names.joined(separator: ", ")
                    return .failure(message: "'\(directive)' is not a log level", hint: hint)
                }
                continue
            }
            let word = trimmed(directive[directive.index(after: equals)...])
            guard let level = level(word) else {
                let hint = NearestWord.hint(word, in: names) ?? "levels are " + names.joined(separator: ", ")
                return .failure(message: "'\(word)' is not a log level", hint: hint)
            }
            let target = trimmed(directive[..<equals])
            if target == "weir" || (target == "shotover" && own == nil) { own = level }
        }
        guard count > 0 else {
            return .failure(message: "the log level is empty", hint: "levels are " + names.joined(separator: ", "))
        }
        return (own ?? bare).map { .level($0) } ?? .unspecific
    }

    private static func level(_ word: String) -> String? {
        let lower = word.lowercased()
        return names.contains(lower) ? lower : nil
    }

    /// `shotover::sources`, `weir`, `target[span]`: a target without a level means all of it.
    private static func isTarget(_ word: String) -> Bool {
        word.holds("::") || word.contains("[") || word == "shotover" || word == "weir"
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}
