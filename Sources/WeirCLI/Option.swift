// What a command may be given: flags with typed values, and positional arguments.
//
// A declaration is data; the parser checks a text against it once, and `ParsedArguments` gives the typed value
// back. Every flag that changes what a command does has an environment variable, named after it.

import WeirBase
import WeirConfig

/// Why a text is no value of an option: the end of a sentence that begins with the option's name.
struct OptionValueError: Error, Equatable {
    let text: String

    init(_ text: String) { self.text = text }
}

/// The untyped part of an option: what parser and help need.
struct OptionSpec: Sendable {
    /// Without dashes: "log-format".
    let name: String
    let short: Character?
    /// Other names, which do the same.
    let aliases: [String]
    /// What stands for the value in help; nil for a flag that takes none.
    let placeholder: String?
    let help: String
    let check: @Sendable (String) throws(OptionValueError) -> Void

    /// "WEIR_LOG_FORMAT".
    var variable: String { OptionSpec.variable(of: name) }

    var variables: [String] { [variable] + aliases.map(OptionSpec.variable) }

    static func variable(of name: String) -> String {
        "WEIR_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    }
}

/// An option whose value has a type.
struct Option<Value: Sendable>: Sendable {
    let spec: OptionSpec
    let parse: @Sendable (String) throws(OptionValueError) -> Value

    init(
        _ name: String, short: Character? = nil, aliases: [String] = [], placeholder: String?, help: String,
        parse: @escaping @Sendable (String) throws(OptionValueError) -> Value
    ) {
        self.parse = parse
        spec = OptionSpec(
            name: name, short: short, aliases: aliases, placeholder: placeholder, help: help,
            check: { (text: String) throws(OptionValueError) in _ = try parse(text) })
    }
}

extension Option where Value == Bool {
    /// A switch: given or not. In the environment, or after `=`, it takes yes or no.
    static func flag(_ name: String, short: Character? = nil, help: String) -> Option {
        Option(name, short: short, placeholder: nil, help: help) { (text: String) throws(OptionValueError) in
            switch text.lowercased() {
            case "1", "true", "yes", "on": return true
            case "0", "false", "no", "off": return false
            default: throw OptionValueError("takes yes or no, not '\(text)'")
            }
        }
    }
}

extension Option where Value == String {
    /// Any text but the empty one.
    static func text(
        _ name: String, short: Character? = nil, placeholder: String, help: String
    ) -> Option {
        Option(name, short: short, placeholder: placeholder, help: help) {
            (text: String) throws(OptionValueError) in
            guard !text.isEmpty else { throw OptionValueError("must not be empty") }
            return text
        }
    }

    /// One of a few words.
    static func choice(_ name: String, of words: [String], help: String) -> Option {
        Option(name, placeholder: words.joined(separator: "|"), help: help) { (text: String) throws(OptionValueError) in
            guard words.contains(text) else {
                throw OptionValueError("is one of \(words.joined(separator: ", ")), not '\(text)'")
            }
            return text
        }
    }
}

extension Option where Value == Int {
    /// A whole number of a range.
    static func integer(
        _ name: String, aliases: [String] = [], in range: ClosedRange<Int>, help: String
    ) -> Option {
        Option(name, aliases: aliases, placeholder: "N", help: help) { (text: String) throws(OptionValueError) in
            guard let number = Int(text), range.contains(number) else {
                throw OptionValueError(
                    "is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
            }
            return number
        }
    }
}

extension Option where Value == UInt64 {
    /// A duration with its unit, in nanoseconds: 250ms, 10s, 2m.
    static func duration(_ name: String, maximum: String, help: String) -> Option {
        Option(name, placeholder: "DURATION", help: help) { (text: String) throws(OptionValueError) in
            guard case .success(let nanoseconds) = Units.parse(text, .duration) else {
                throw OptionValueError("is a number and a unit, such as 250ms, 10s or 2m, not '\(text)'")
            }
            if case .success(let most) = Units.parse(maximum, .duration), nanoseconds > most {
                throw OptionValueError("is at most \(maximum), not \(text)")
            }
            return UInt64(clamping: nanoseconds)
        }
    }
}

extension Option where Value == LogLevel {
    /// A level, or directives as in RUST_LOG.
    static func logLevel(_ name: String, help: String) -> Option {
        Option(name, placeholder: "LEVEL", help: help) { (text: String) throws(OptionValueError) in
            try parseLogLevel(text)
        }
    }

    static func parseLogLevel(_ text: String) throws(OptionValueError) -> LogLevel {
        let levels = "trace, debug, info, warn, error, off"
        let asked: LogLevel?
        do {
            asked = try LogLevel.asked(by: text)
        } catch {
            throw OptionValueError("is one of \(levels), not '\(error.word)'")
        }
        guard let asked else { throw OptionValueError("names no level for weir: one of \(levels)") }
        return asked
    }
}

/// An argument without a flag.
struct Positional: Sendable {
    /// As it stands in help: "FILE".
    let name: String
    let help: String
    let isRequired: Bool
}

/// A flag of another program that users will try here, and what to do instead.
struct RefusedOption: Sendable {
    let name: String
    let advice: String
}
