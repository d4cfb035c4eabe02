// `weir version`: which Weir this is, and which plugins it takes.

import CWeir
import WeirBase
import WeirConfig

enum VersionCommand {
    private static let json = Option.flag("json", help: "print JSON")

    static let command: Command = Command(
        name: "version",
        summary: "Print the version of Weir and of the plugin ABI it offers.",
        options: [json.spec],
        examples: [("weir version --json", #"{"version":"…","pluginABI":"1.0"}"#)],
        run: { arguments, terminal in
            guard arguments.isOn(json) else { return printLine(terminal) }
            var text = JSONText()
            text.raw("{\"version\":")
            text.string(WeirVersion.text)
            text.raw(",\"pluginABI\":\"\(abi)\"}\n")
            terminal.output(text.text)
            return .done
        })

    static func printLine(_ terminal: borrowing Terminal) -> ExitCode {
        terminal.output("weir \(WeirVersion.text) (plugin ABI \(abi))\n")
        return .done
    }

    private static var abi: String { "\(WEIR_ABI_MAJOR).\(WEIR_ABI_MINOR)" }
}
