// The help of a command, made from its declaration: it cannot say what the parser does not do.

enum HelpText {
    private static let width = 100

    /// The help of the last command of a path.
    static func of(_ path: [Command]) -> String {
        guard let command = path.last else { return "" }
        let name = path.map(\.name).joined(separator: " ")
        var text = command.summary + "\n\n"
        text += "Usage: \(usage(name, command))\n"
        if !command.description.isEmpty { text += "\n" + wrap(command.description, indent: 0) }
        text += table("Commands", command.children.map { ($0.name, $0.summary) })
        text += table("Arguments", command.positionals.map { ($0.name, $0.help) })
        text += table("Options", command.options.map(row) + generalRows(isRoot: path.count == 1))
        if !command.options.isEmpty {
            text +=
                "\n"
                + wrap(
                    "A flag counts before its environment variable, that before a file, that before the default.",
                    indent: 0)
        }
        if !command.examples.isEmpty {
            text += "\nExamples:\n"
            for example in command.examples { text += "  \(example.line)\n      \(example.does)\n" }
        }
        text += table("Exit codes", ExitCode.table.map { ($0.code, $0.meaning) })
        if !command.children.isEmpty { text += "\nMore about a command: \(name) COMMAND --help\n" }
        return text
    }

    private static func usage(_ name: String, _ command: Command) -> String {
        var text = name
        if !command.children.isEmpty { text += " COMMAND" }
        for positional in command.positionals {
            text += positional.isRequired ? " \(positional.name)" : " [\(positional.name)]"
        }
        return text + " [OPTIONS]"
    }

    private static func row(_ option: OptionSpec) -> (String, String) {
        let short = option.short.map { "-\($0), " } ?? "    "
        let value = option.placeholder.map { " " + $0 } ?? ""
        var help = option.help
        if !option.aliases.isEmpty { help += " (also \(option.aliases.map { "--" + $0 }.joined(separator: ", ")))" }
        return ("\(short)--\(option.name)\(value)", help + " [\(option.variable)]")
    }

    private static func generalRows(isRoot: Bool) -> [(String, String)] {
        let help = ("-h, --help", "say this")
        return isRoot ? [help, ("-V, --version", "say the version")] : [help]
    }

    private static func table(_ title: String, _ rows: [(String, String)]) -> String {
        guard !rows.isEmpty else { return "" }
        let column = min(34, (rows.map(\.0.count).max() ?? 0) + 4)
        var text = "\n\(title):\n"
        for (left, right) in rows {
            let lines = lines(of: right, length: width - column)
            var first = "  " + left
            if first.count + 2 > column {
                text += first + "\n"
                first = ""
            }
            for (index, line) in lines.enumerated() {
                let start = index == 0 ? first : ""
                text += start + String(repeating: " ", count: column - start.count) + line + "\n"
            }
        }
        return text
    }

    private static func wrap(_ text: String, indent: Int) -> String {
        lines(of: text, length: width - indent).map { String(repeating: " ", count: indent) + $0 + "\n" }.joined()
    }

    private static func lines(of text: String, length: Int) -> [String] {
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var line = ""
            for word in paragraph.split(separator: " ") {
                if !line.isEmpty, line.count + 1 + word.count > length {
                    lines.append(line)
                    line = ""
                }
                line += line.isEmpty ? String(word) : " " + word
            }
            lines.append(line)
        }
        return lines
    }
}
