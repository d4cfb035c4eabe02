// The program: finds the command, parses what it was given, runs it, and turns the result into an exit code.

import Glibc
import WeirConfig

public enum CommandLineTool {
    static let root: Command = Command(
        name: "weir",
        summary: "Weir: a layer-7 proxy for databases whose transforms are plugins.",
        examples: [
            ("weir check topology.yaml", "says everything that is wrong with a topology, and opens nothing"),
            ("weir run topology.yaml", "runs it until SIGTERM or SIGINT"),
            ("weir plugins list", "the plugins that are found, and their transforms"),
        ],
        children: [
            RunCommand.command, CheckCommand.command, PluginsCommand.command, VersionCommand.command,
            HelpCommand.command,
        ])

    /// Runs the command line of this process and ends it.
    public static func main() -> Never {
        signal(SIGPIPE, SIG_IGN)
        let terminal = Terminal.standard()
        exit(run(Array(CommandLine.arguments.dropFirst()), terminal).number)
    }

    /// Runs one command line.
    static func run(_ words: [String], _ terminal: borrowing Terminal) -> ExitCode {
        if words.first == PluginProbe.flag { return PluginProbe.answer(Array(words.dropFirst()), terminal) }
        if words.first == "--version" || words.first == "-V" { return VersionCommand.printLine(terminal) }
        var path = [root]
        do {
            let found = try root.find(words)
            path = found.path
            guard let command = path.last, let run = command.run else { return explain(path, found.rest, terminal) }
            let arguments = try ArgumentParser.parse(found.rest, for: command, environment: terminal.environment)
            if arguments.wantsHelp {
                terminal.output(HelpText.of(path))
                return .done
            }
            return run(arguments, terminal)
        } catch {
            return fail(path, error, terminal)
        }
    }

    /// A command that only has commands below it: help when asked for, else what is missing.
    private static func explain(_ path: [Command], _ rest: [String], _ terminal: borrowing Terminal) -> ExitCode {
        switch rest.first {
        case "-h", "--help":
            terminal.output(HelpText.of(path))
            return .done
        case .some(let flag):
            let hint = NearestWord.hint(flag, in: ["--help", "--version"]).map { "; " + $0 } ?? ""
            return fail(path, UsageError("unknown flag '\(flag)'\(hint)"), terminal)
        case nil:
            terminal.sayText(HelpText.of(path))
            return .usage
        }
    }

    /// Says what is wrong with the command line.
    static func fail(_ path: [Command], _ error: UsageError, _ terminal: borrowing Terminal) -> ExitCode {
        let name = path.map(\.name).joined(separator: " ")
        terminal.say("\(name): \(error.text)")
        terminal.say("Try '\(name) --help'.")
        return .usage
    }
}
