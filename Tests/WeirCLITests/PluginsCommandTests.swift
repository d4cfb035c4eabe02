// `weir plugins`: asking a plugin in another process, and starting a new one.

import Foundation
import Testing

@testable import WeirCLI

// One after the other: a file that is being written while another test starts a process cannot be run (ETXTBSY).
@Suite(.serialized) struct `Asking a plugin` {
    /// A program in place of `weir --probe-plugin`.
    private func probe(_ folder: TemporaryFolder, _ script: String, timeoutMilliseconds: Int32 = 10_000) throws
        -> PluginProbe
    {
        let program = try folder.write("program", "#!/bin/sh\n" + script, mode: 0o755)
        return PluginProbe(program: program, timeoutMilliseconds: timeoutMilliseconds)
    }

    @Test func `the answer is what comes on descriptor 3, whatever is printed besides`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let probe = try probe(folder, "echo noise; echo \"$1 $2 $3\" >&3")
        let answer = probe.ask("x.so", .infoJSON)
        #expect(answer.text == "--probe-plugin info-json x.so\n")
        #expect(answer.failure == nil)
    }

    @Test func `a crash is a result that names the signal`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let answer = try probe(folder, "kill -ILL $$").ask("x.so", .listText)
        #expect(answer.text == nil)
        #expect(answer.failure?.contains("x.so: it ended the process with signal 4 (Illegal instruction)") == true)
    }

    @Test func `a plugin that hangs is given up`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let answer = try probe(folder, "exec sleep 60", timeoutMilliseconds: 50).ask("x.so", .listText)
        #expect(answer.text == nil)
        #expect(answer.failure?.contains("did not say what it offers") == true)
    }

    @Test func `a refusal has been told by the child`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let answer = try probe(folder, "exit 1").ask("x.so", .listText)
        #expect(answer.text == nil)
        #expect(answer.failure == nil)
    }

    @Test func `a file that is no plugin is refused without being loaded`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let file = try folder.write("x.so", "hello")
        let outcome = weir("plugins", "info", file) { _, _ in ("loaded", nil) }
        #expect(outcome.code == .no)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains("W0202"))
        #expect(weir("plugins", "info", folder.path + "/none.so").code == .noInput)
        let list = weir("plugins", "list", "--json", environment: ["WEIR_PLUGIN_PATH": folder.path])
        #expect(list.code == .no)
        #expect(list.error.contains("W0202"))
        #expect(list.output.hasPrefix("["))
    }
}

@Suite struct `weir plugins new` {
    private func sdk(_ folder: TemporaryFolder) throws -> String {
        try folder.write("plugin-sdk/CWeir/include/weir.h", "")
        try folder.write(
            "plugin-sdk/templates/c/src/@TRANSFORM@.c", "name @NAME@ transform @TRANSFORM@ mail a@b.c @OTHER@ 100@")
        try folder.write("plugin-sdk/WeirPlugin/Message.swift", "")
        try folder.write("plugin-sdk/templates/c/build.sh", "#!/bin/sh\n", mode: 0o755)
        try folder.write("plugin-sdk/templates/c/build/left.o", "")
        return folder.path + "/plugin-sdk"
    }

    @Test func `the template is copied with its names, modes kept, build results left out`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let into = folder.path + "/mine"
        let outcome = weir("plugins", "new", "my-audit-2", "--lang", "c", "--sdk", try sdk(folder), "--into", into)
        #expect(outcome.code == .done)
        #expect(outcome.output == into + "\n")
        #expect(outcome.error.contains("make test"))
        let text = try folder.read("mine/src/MyAudit2.c")
        #expect(text == "name my-audit-2 transform MyAudit2 mail a@b.c @OTHER@ 100@")
        #expect(FileManager.default.isExecutableFile(atPath: into + "/build.sh"))
        #expect(!FileManager.default.fileExists(atPath: into + "/build"))
    }

    @Test func `nothing is overwritten`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try folder.write("mine/precious", "x")
        let sdk = try sdk(folder)
        let outcome = weir("plugins", "new", "a", "--lang", "c", "--sdk", sdk, "--into", folder.path + "/mine")
        #expect(outcome.code == .no)
        #expect(outcome.error.contains("it exists and is not empty"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/mine") == ["precious"])
    }

    @Test(arguments: ["", "9a", "a b", "../a", "a--b", "a-", "-a", "a/b", "ä", String(repeating: "a", count: 65)])
    func `a name that is none is refused`(name: String) throws {
        #expect(PluginNames(name) == nil)
        #expect(weir("plugins", "new", name).code == .usage)
    }

    @Test(arguments: ["message", "weir-plugin", "swift"])
    func `a name that the SDK needs itself is refused`(name: String) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sdk = try sdk(folder)
        let outcome = weir("plugins", "new", name, "--lang", "c", "--sdk", sdk, "--into", folder.path + "/mine")
        #expect(outcome.code == .usage)
        #expect(outcome.error.contains("is a name of the SDK itself"))
    }

    @Test func `a folder that is no SDK is refused`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let outcome = weir("plugins", "new", "a", "--sdk", folder.path)
        #expect(outcome.code == .noInput)
        #expect(outcome.error.contains("no plugin-sdk with a template for swift"))
    }

    @Test func `links in a template are refused`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sdk = try sdk(folder)
        try FileManager.default.createSymbolicLink(
            atPath: sdk + "/templates/c/passwd", withDestinationPath: "/etc/passwd")
        let outcome = weir("plugins", "new", "a", "--lang", "c", "--sdk", sdk, "--into", folder.path + "/mine")
        #expect(outcome.code == .no)
        #expect(outcome.error.contains("neither a file nor a folder"))
    }
}
