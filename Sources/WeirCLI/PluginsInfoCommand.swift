// `weir plugins info`: one plugin file, its transforms and their options.

import WeirConfig
import WeirPlugins

enum PluginsInfoCommand {
    private static let json = Option.flag("json", help: "print JSON, with the schema of every transform's options")

    static let command: Command = Command(
        name: "info",
        summary: "Say what a plugin file offers: transforms, protocols, options.",
        description: """
            The file is inspected first, without running anything of it; then it is loaded in a process of its own, so \
            that a broken plugin does no harm. Ends with 1 when it is refused.
            """,
        options: [json.spec],
        positionals: [Positional(name: "FILE", help: "the plugin, such as libMyTransform.so", isRequired: true)],
        examples: [("weir plugins info ./libMyTransform.so", "its transforms and their options")],
        run: { arguments, terminal in
            let file = arguments.positionals.first ?? ""
            guard Files.isReadable(file) else {
                let error = FileError("read", file)
                terminal.say("weir plugins info: \(error.text)")
                return error.exitCode
            }
            if case .failure(let error) = PluginFile.inspect(file) {
                terminal.sayText(DiagnosticRenderer().text(error.diagnostic))
                return .no
            }
            let isJSON = arguments.isOn(json)
            let answer = terminal.host.askPlugin(file, isJSON ? .infoJSON : .infoText)
            if let failure = answer.failure { terminal.say("weir plugins info: \(failure)") }
            guard let text = answer.text else { return .no }
            terminal.output(isJSON ? text + "\n" : text)
            return .done
        })
}
