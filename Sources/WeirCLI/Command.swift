// A command as data: its name, what it takes, what it does, and the commands below it.
//
// The tree is walked by name; a command with children does nothing by itself but explain them.

import WeirConfig

/// One command of the program.
struct Command: Sendable {
    let name: String
    /// One line, for the list in its parent's help.
    let summary: String
    /// What it does, in full.
    var description = ""
    var options: [OptionSpec] = []
    var positionals: [Positional] = []
    var refused: [RefusedOption] = []
    /// A command line, and what it does.
    var examples: [(line: String, does: String)] = []
    var children: [Command] = []
    var run: (@Sendable (ParsedArguments, borrowing Terminal) -> ExitCode)?

    /// The command that the first words name, and what is left of the words.
    func find(_ words: [String]) throws(UsageError) -> (path: [Command], rest: [String]) {
        var path = [self]
        var rest = words[...]
        while let current = path.last, !current.children.isEmpty, let word = rest.first, !word.hasPrefix("-") {
            guard let child = current.children.first(where: { $0.name == word }) else {
                let hint = NearestWord.hint(word, in: current.children.map(\.name)).map { "; " + $0 } ?? ""
                let whole = path.dropFirst().map { $0.name + " " }.joined()
                throw UsageError("no command '\(whole)\(word)'\(hint)")
            }
            path.append(child)
            rest = rest.dropFirst()
        }
        return (path, Array(rest))
    }
}
