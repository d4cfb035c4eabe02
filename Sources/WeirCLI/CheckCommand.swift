// `weir check`: everything that is wrong with a topology, at once. Opens no listener and connects to nothing.

import WeirConfig

enum CheckCommand {
    private static let json = Option.flag("json", help: "print JSON")

    static let command: Command = Command(
        name: "check",
        summary: "Say everything that is wrong with a topology.",
        description: """
            Reads the topology, finds and loads the plugins it needs, and checks every option against them. Findings \
            go to standard output. Ends with 0 when there is no error, with 1 when there is one.
            """,
        options: [json.spec],
        positionals: [Positional(name: "FILE", help: "the topology file", isRequired: true)],
        examples: [
            ("weir check topology.yaml", "findings with the line, a caret and a hint"),
            ("weir check topology.yaml --json", #"{"file":"topology.yaml","ok":false,"findings":[…]}"#),
        ],
        run: { arguments, terminal in
            let file = arguments.positionals.first ?? ""
            guard Files.isReadable(file) else {
                let error = FileError("read", file)
                terminal.say("weir check: \(error.text)")
                return error.exitCode
            }
            let findings = terminal.host.check(file)
            let errorCount = findings.count { $0.severity == .error }
            if arguments.isOn(json) {
                var text = JSONText()
                text.raw("{\"file\":")
                text.string(file)
                text.raw(",\"ok\":\(errorCount == 0),\"findings\":\(DiagnosticRenderer.json(findings))}\n")
                terminal.output(text.text)
            } else {
                terminal.output(DiagnosticRenderer(usesColor: terminal.usesColor).text(findings))
                terminal.say(summary(file, findings, errorCount))
            }
            return errorCount == 0 ? .done : .no
        })

    private static func summary(_ file: String, _ findings: [Diagnostic], _ errorCount: Int) -> String {
        let warningCount = findings.count { $0.severity == .warning }
        func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
        if errorCount > 0 { return "\(file): \(count(errorCount, "error")), \(count(warningCount, "warning"))" }
        return warningCount > 0 ? "\(file): no error, \(count(warningCount, "warning"))" : "\(file): no finding"
    }
}
