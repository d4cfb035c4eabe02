// `weir help [COMMAND …]`: the same text as `weir COMMAND --help`.

enum HelpCommand {
    static let command: Command = Command(
        name: "help",
        summary: "Explain a command.",
        positionals: [
            Positional(name: "COMMAND", help: "the command, such as run", isRequired: false),
            Positional(name: "SUBCOMMAND", help: "the command below it, such as new", isRequired: false),
        ],
        examples: [("weir help plugins new", "explains how to start a plugin")],
        run: { arguments, terminal in
            do throws(UsageError) {
                let found = try CommandLineTool.root.find(arguments.positionals)
                guard found.rest.isEmpty else {
                    throw UsageError("'\(arguments.positionals.joined(separator: " "))' is no command")
                }
                terminal.output(HelpText.of(found.path))
                return .done
            } catch {
                return CommandLineTool.fail([CommandLineTool.root], error, terminal)
            }
        })
}
