// Runs command lines in this process, with a host that only notes what it is asked.

import Foundation
import Synchronization
import WeirConfig
import WeirPlugins

@testable import WeirCLI

final class Recorder: Sendable {
    private let contents = Mutex((output: "", error: "", requests: [RunRequest]()))

    var output: String { contents.withLock { $0.output } }
    var error: String { contents.withLock { $0.error } }
    var requests: [RunRequest] { contents.withLock { $0.requests } }

    func put(output text: String) { contents.withLock { $0.output += text } }
    func put(error text: String) { contents.withLock { $0.error += text } }
    func note(_ request: RunRequest) { contents.withLock { $0.requests.append(request) } }
}

/// What a command line did.
struct Outcome {
    let code: ExitCode
    let output: String
    let error: String
    let requests: [RunRequest]
}

func weir(
    _ words: String..., environment: [String: String] = [:], findings: [Diagnostic] = [],
    ask: @escaping @Sendable (String, PluginProbe.Form) -> (text: String?, failure: String?) = { _, _ in (nil, nil) }
) -> Outcome {
    let recorder = Recorder()
    let host = HostCalls(
        check: { _ in findings },
        run: {
            recorder.note($0)
            return 0
        },
        loadPlugin: { .failure(PluginError(.pluginLoadFailed, path: $0, "no plugin is loaded in tests")) },
        askPlugin: ask)
    let terminal = Terminal(
        environment: environment, usesColor: false, host: host, output: { recorder.put(output: $0) },
        error: { recorder.put(error: $0) })
    let code = CommandLineTool.run(words, terminal)
    return Outcome(code: code, output: recorder.output, error: recorder.error, requests: recorder.requests)
}

/// A folder for a test, which removes it at its end.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "weir-cli-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, with its folders.
    @discardableResult func write(_ name: String, _ text: String, mode: Int = 0o644) throws -> String {
        let file = path + "/" + name
        let folder = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: path + "/" + name, encoding: .utf8) }
}
