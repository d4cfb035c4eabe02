// `weir plugins list`: the plugins that would be found, and their transforms.

import WeirConfig
import WeirPlugins

enum PluginsListCommand {
    private static let json = Option.flag("json", help: "print JSON")

    static let command: Command = Command(
        name: "list",
        summary: "List the plugins that are found, and their transforms.",
        description: """
            Plugins are looked for in WEIR_PLUGIN_PATH (files and folders, separated by colons), beside the program, and in \
            \(PluginSearch.systemFolder). Each is asked in a process of its own. Ends with 1 when one is refused.
            """,
        options: [json.spec],
        examples: [
            ("weir plugins list", "a line for each plugin and each transform"),
            ("WEIR_PLUGIN_PATH=/opt/plugins weir plugins list --json", "those of one's own folder too, as JSON"),
        ],
        run: { arguments, terminal in
            let environment = terminal.environment
            let found = PluginSearch(paths: [], environment: { environment[$0] }).find()
            var refused = found.errors
            var texts: [String] = []
            var hasFailed = false
            for candidate in found.candidates {
                switch PluginFile.inspect(candidate.path) {
                case .failure(let error):
                    // A library that merely lies beside the program need not be a plugin.
                    if candidate.isCertain || error.code != .pluginNoEntry { refused.append(error) }
                case .success:
                    let form = arguments.isOn(json) ? PluginProbe.Form.listJSON : .listText
                    let answer = terminal.host.askPlugin(candidate.path, form)
                    if let text = answer.text { texts.append(text) } else { hasFailed = true }
                    if let failure = answer.failure { terminal.say("weir plugins list: \(failure)") }
                }
            }
            terminal.sayText(DiagnosticRenderer().text(refused.map(\.diagnostic)))
            if arguments.isOn(json) {
                terminal.output("[" + texts.joined(separator: ",") + "]\n")
            } else if texts.isEmpty {
                terminal.say("No plugin was found. Where they are looked for: weir plugins list --help")
            } else {
                terminal.output(texts.joined(separator: "\n"))
            }
            return refused.isEmpty && !hasFailed ? .done : .no
        })
}
