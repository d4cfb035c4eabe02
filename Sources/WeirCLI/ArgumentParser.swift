// From words to typed values: flags, then environment, for the options that a command declares.
//
// `--name value`, `--name=value`, `-n value`, `--` ends the flags. Nothing is guessed: an unknown or repeated
// flag, a missing or wrong value and one argument too many are errors that say what was meant.

import WeirConfig

/// The command line is wrong.
struct UsageError: Error, Equatable {
    let text: String

    init(_ text: String) { self.text = text }
}

/// What a command was given.
struct ParsedArguments: Sendable {
    /// Texts by option name; checked.
    fileprivate(set) var values: [String: String] = [:]
    fileprivate(set) var positionals: [String] = []
    /// Options that were given as flags, not by the environment.
    fileprivate(set) var flags: Set<String> = []
    /// `-h` or `--help` was given: then nothing else was checked.
    fileprivate(set) var wantsHelp = false

    /// The value of an option: from its flag, else from its variable, else nil.
    subscript<Value>(_ option: Option<Value>) -> Value? {
        guard let text = values[option.spec.name] else { return nil }
        return try? option.parse(text)
    }

    /// Whether a switch is on.
    func isOn(_ option: Option<Bool>) -> Bool { self[option] ?? false }

    /// Whether an option was given as a flag.
    func wasFlag<Value>(_ option: Option<Value>) -> Bool { flags.contains(option.spec.name) }
}

/// Parses the words after a command's name.
struct ArgumentParser {
    private let options: [OptionSpec]
    private let positionals: [Positional]
    private let refused: [RefusedOption]
    private var rest: ArraySlice<String>
    private var parsed = ParsedArguments()

    static func parse(
        _ words: [String], for command: Command, environment: [String: String]
    ) throws(UsageError) -> ParsedArguments {
        if asksForHelp(words) {
            var parsed = ParsedArguments()
            parsed.wantsHelp = true
            return parsed
        }
        var parser = ArgumentParser(
            options: command.options, positionals: command.positionals, refused: command.refused, rest: words[...])
        try parser.readWords()
        try parser.readEnvironment(environment)
        return parser.parsed
    }

    private static func asksForHelp(_ words: [String]) -> Bool {
        words.prefix { $0 != "--" }.contains { $0 == "--help" || $0 == "-h" }
    }

    private mutating func readWords() throws(UsageError) {
        var flagsEnded = false
        while let word = rest.popFirst() {
            if !flagsEnded, word == "--" {
                flagsEnded = true
            } else if !flagsEnded, word.hasPrefix("--") {
                try readLong(word.dropFirst(2))
            } else if !flagsEnded, word.hasPrefix("-"), word.utf8.count > 1 {
                try readShort(word.dropFirst())
            } else {
                guard parsed.positionals.count < positionals.count else {
                    throw UsageError("'\(word)' is one argument too many")
                }
                parsed.positionals.append(word)
            }
        }
        let given = parsed.positionals.count
        if let missing = positionals.dropFirst(given).first, missing.isRequired {
            throw UsageError("\(missing.name) is missing: \(missing.help)")
        }
    }

    private mutating func readLong(_ word: Substring) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts.first ?? "")
        if let refusal = refused.first(where: { $0.name == name }) { throw UsageError("--\(name): \(refusal.advice)") }
        guard let option = options.first(where: { $0.name == name || $0.aliases.contains(name) }) else {
            throw UsageError(unknown("--" + name))
        }
        try take(option, as: "--" + name, attached: parts.count == 2 ? String(parts[1]) : nil)
    }

    private mutating func readShort(_ word: Substring) throws(UsageError) {
        guard let letter = word.first, let option = options.first(where: { $0.short == letter }) else {
            throw UsageError(unknown("-" + word))
        }
        var attached: String?
        if word.count > 1 {
            guard option.placeholder != nil else { throw UsageError(unknown("-" + word)) }
            attached = String(word.dropFirst())
        }
        try take(option, as: "-\(letter)", attached: attached)
    }

    private mutating func take(_ option: OptionSpec, as flag: String, attached: String?) throws(UsageError) {
        let text: String
        if let attached {
            text = attached
        } else if option.placeholder == nil {
            text = "yes"
        } else if let next = rest.popFirst() {
            text = next
        } else {
            throw UsageError("\(flag) needs a value: \(option.placeholder ?? "")")
        }
        guard !parsed.flags.contains(option.name) else {
            throw UsageError("\(flag) stands twice")
        }
        parsed.flags.insert(option.name)
        try store(option, text, as: flag)
    }

    /// The environment counts where no flag was given; an empty variable counts as none.
    private mutating func readEnvironment(_ environment: [String: String]) throws(UsageError) {
        for option in options where parsed.values[option.name] == nil {
            for variable in option.variables {
                guard let text = environment[variable], !text.isEmpty else { continue }
                try store(option, text, as: variable)
                break
            }
        }
    }

    private mutating func store(_ option: OptionSpec, _ text: String, as name: String) throws(UsageError) {
        do {
            try option.check(text)
        } catch {
            throw UsageError("\(name) \(error.text)")
        }
        parsed.values[option.name] = text
    }

    private func unknown(_ flag: String) -> String {
        let known = options.flatMap { ["--" + $0.name] + $0.aliases.map { "--" + $0 } } + ["--help"]
        guard let hint = NearestWord.hint(flag, in: known) else { return "unknown flag '\(flag)'" }
        return "unknown flag '\(flag)'; \(hint)"
    }
}
