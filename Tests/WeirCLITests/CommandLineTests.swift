// The command line: finding commands, help, hints, exit codes.

import Foundation
import Testing
import WeirBase
import WeirConfig

@testable import WeirCLI

@Suite struct `Command line` {
    @Test func `without a command the help goes to standard error, and the use was wrong`() {
        let outcome = weir()
        #expect(outcome.code == .usage)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains("Usage: weir COMMAND"))
    }

    @Test(arguments: [
        ["--help"], ["-h"], ["help"], ["run", "--help"], ["help", "run"], ["plugins", "--help"],
        ["plugins", "new", "-h"],
        ["help", "plugins", "new"], ["check", "nothing", "--json", "--help"],
    ])
    func `help that was asked for is data`(words: [String]) {
        let recorder = Recorder()
        let terminal = Terminal(
            environment: [:], usesColor: false, host: .standard, output: { recorder.put(output: $0) },
            error: { recorder.put(error: $0) })
        #expect(CommandLineTool.run(words, terminal) == .done)
        #expect(recorder.output.contains("Usage: weir"))
        #expect(recorder.error.isEmpty)
    }

    @Test func `every command explains itself with examples and exit codes`() {
        func visit(_ path: [Command]) {
            guard let command = path.last else { return }
            let help = HelpText.of(path)
            #expect(help.contains("Examples:"), "\(command.name)")
            #expect(help.contains("Exit codes:") && help.contains("128+n"), "\(command.name)")
            #expect(help.split(separator: "\n").allSatisfy { $0.count <= 110 }, "\(command.name)")
            for option in command.options {
                #expect(help.contains("--\(option.name)") && help.contains("[\(option.variable)]"), "\(option.name)")
            }
            #expect((command.run == nil) != command.children.isEmpty, "\(command.name)")
            command.children.forEach { visit(path + [$0]) }
        }
        visit([CommandLineTool.root])
    }

    @Test(arguments: [("rnu", "run"), ("chekc", "check"), ("plugin", "plugins"), ("versoin", "version")])
    func `a mistyped command is answered with the nearest one`(typed: String, meant: String) {
        let outcome = weir(typed)
        #expect(outcome.code == .usage)
        #expect(outcome.error.contains("no command '\(typed)'; did you mean '\(meant)'?"))
    }

    @Test func `a mistyped command below another, or a mistyped flag, is answered too`() {
        #expect(weir("plugins", "lst").error.contains("no command 'plugins lst'; did you mean 'list'?"))
        #expect(weir("run", "--wrokers", "3").error.contains("unknown flag '--wrokers'; did you mean '--workers'?"))
        #expect(weir("--hepl").error.contains("did you mean '--help'?"))
        #expect(weir("help", "rnu").code == .usage)
        #expect(weir("help", "run", "fast").code == .usage)
    }

    @Test func `the version is printed in three ways`() {
        #expect(weir("version").output == "weir \(WeirVersion.text) (plugin ABI 1.0)\n")
        #expect(weir("--version").output == weir("version").output)
        #expect(weir("-V").output == weir("version").output)
        #expect(weir("version", "--json").output == "{\"version\":\"\(WeirVersion.text)\",\"pluginABI\":\"1.0\"}\n")
        #expect(weir("version", environment: ["WEIR_JSON": "1"]).output.hasPrefix("{"))
        #expect(!weir("version", "--json=no", environment: ["WEIR_JSON": "1"]).output.hasPrefix("{"))
    }

    @Test(arguments: [
        (["version", "x"], "'x' is one argument too many"), (["version", "--json", "--json"], "--json stands twice"),
        (["version", "--json=perhaps"], "--json takes yes or no, not 'perhaps'"), (["check"], "FILE is missing"),
        (["run", "x", "--workers"], "--workers needs a value"),
        (["run", "x", "--workers", "0"], "from 1 to 1024, not '0'"),
        (["run", "x", "--workers=many"], "a whole number"),
        (["run", "x", "--log-format", "xml"], "human, json, not 'xml'"),
        (["run", "x", "--drain", "10"], "such as 250ms, 10s or 2m, not '10'"),
        (["run", "x", "--drain", "2h"], "at most 1h"),
        (["run", "x", "--log-level", "loud"], "not 'loud'"), (["run", "x", "--admin", ""], "must not be empty"),
        (["run", "x", "-x"], "unknown flag '-x'"), (["version", "-jx"], "unknown flag '-jx'"),
    ])
    func `a wrong command line is refused with what is wrong`(words: [String], text: String) {
        let recorder = Recorder()
        let terminal = Terminal(
            environment: [:], usesColor: false, host: .standard, output: { recorder.put(output: $0) },
            error: { recorder.put(error: $0) })
        #expect(CommandLineTool.run(words, terminal) == .usage)
        #expect(recorder.error.contains(text))
        #expect(recorder.error.contains("--help'"))
        #expect(recorder.output.isEmpty)
    }
}

@Suite struct `weir check` {
    private func finding(_ severity: Diagnostic.Severity) -> Diagnostic {
        Diagnostic(code: .noSources, severity: severity, file: "t.yaml", message: "it has none")
    }

    @Test func `findings are data, the answer is the exit code`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let topology = try folder.write("t.yaml", "sources: []")
        let bad = weir("check", topology, findings: [finding(.error), finding(.warning)])
        #expect(bad.code == .no)
        #expect(bad.output == "t.yaml: error[W0110]: it has none\nt.yaml: warning[W0110]: it has none\n")
        #expect(bad.error.hasSuffix("t.yaml: 1 error, 1 warning\n"))
        let fair = weir("check", topology, findings: [finding(.warning)])
        #expect(fair.code == .done)
        #expect(fair.error.hasSuffix("t.yaml: no error, 1 warning\n"))
        #expect(weir("check", topology).error.hasSuffix("t.yaml: no finding\n"))
    }

    @Test func `JSON holds the findings`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let topology = try folder.write("t.yaml", "")
        let outcome = weir("check", "--json", topology, findings: [finding(.error)])
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        #expect(object?["ok"] as? Bool == false)
        #expect((object?["findings"] as? [[String: Any]])?.first?["code"] as? String == "W0110")
        #expect(outcome.error.isEmpty)
    }

    @Test func `a file that is not there is 66`() {
        let outcome = weir("check", "/nowhere/t.yaml")
        #expect(outcome.code == .noInput)
        #expect(outcome.error.contains("cannot read /nowhere/t.yaml: No such file or directory"))
    }
}
