// `weir plugins`: what there is, what a file offers, how to start one's own. One file per command below it.

enum PluginsCommand {
    static let command: Command = Command(
        name: "plugins",
        summary: "List, look into and start plugins.",
        examples: [
            ("weir plugins list", "the plugins that are found, and their transforms"),
            ("weir plugins new my-transform --lang swift", "a package for a transform of your own"),
        ],
        children: [PluginsListCommand.command, PluginsInfoCommand.command, PluginsNewCommand.command])
}
