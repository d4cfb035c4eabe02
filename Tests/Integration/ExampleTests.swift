// What stands in the repository for people to copy must work: example topologies and plugin templates.

import Foundation
import Testing
import WeirTestSupport

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// The example topologies of all plugins, as paths below Plugins/.
private let examples: [String] = {
    let all = FileManager.default.enumerator(atPath: root + "/Plugins")?.allObjects as? [String] ?? []
    return all.filter { $0.hasSuffix(".topology.yaml") && !$0.contains(".build/") }.sorted()
}()

/// The ports on which a topology's text listens, and the text with all ports exchanged for free ones.
private func onFreePorts(_ text: String, upstream: UInt16) throws -> (text: String, source: UInt16?) {
    var source: UInt16?
    let lines = try text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
        guard let range = line.firstRange(of: #/127\.0\.0\.1:\d+/#) else { return String(line) }
        var port = upstream
        if line.contains("listen_addr") || line.contains("observability_interface") {
            port = try freePort()
            if line.contains("listen_addr"), !line.trimmingPrefix(" ").hasPrefix("#") { source = source ?? port }
        }
        return line.replacingCharacters(in: range, with: "127.0.0.1:\(port)")
    }
    return (lines.joined(separator: "\n"), source)
}

extension Integration {
    @Suite(.weirOnly) struct Examples {
        @Test(arguments: examples)
        func `an example topology is checked clean, starts and answers`(path: String) throws {
            let redis = try RedisServer()
            let text = try String(contentsOfFile: "\(root)/Plugins/\(path)", encoding: .utf8)
            let (changed, port) = try onFreePorts(text, upstream: redis.port)
            let folder = try TemporaryFolder("example")
            let file = try folder.write("topology.yaml", changed)
            let weir = try #require(WeirServer.binary)
            let (status, output) = try run([weir, "check", file])
            #expect(status == 0, "\(output)")
            let process = try ChildProcess([weir, "run", file], log: folder.path + "/log")
            try WeirServer.waitUntilReady(process)
            let client = try RespClient(port: try #require(port))
            try client.write("PING")
            _ = try client.receive()
            process.stop()
            #expect(process.exitStatus == 0)
        }

        @Test func `every plugin has an example topology`() throws {
            let plugins = try FileManager.default.contentsOfDirectory(atPath: root + "/Plugins")
                .filter { FileManager.default.fileExists(atPath: "\(root)/Plugins/\($0)/Sources") }
            for plugin in plugins { #expect(examples.contains { $0.hasPrefix(plugin + "/") }, "\(plugin)") }
        }

        @Test(.timeLimit(.minutes(10)), arguments: ["c", "swift"])
        func `a plugin of 'weir plugins new' builds against the SDK alone and runs in a chain`(language: String) throws
        {
            let folder = try TemporaryFolder("new-plugin")
            let weir = try #require(WeirServer.binary)
            let sdk = folder.path + "/plugin-sdk"
            try FileManager.default.copyItem(atPath: root + "/plugin-sdk", toPath: sdk)
            let made = try run(
                [weir, "plugins", "new", "my-echo", "--lang", language, "--sdk", sdk], folder: folder.path)
            #expect(made.status == 0, "\(made.output)")
            let place = folder.path + "/my-echo"
            let command = try buildCommand(place)
            let built = try run(command, within: 500, folder: place)
            try #require(built.status == 0, "\(built.output.suffix(3000))")
            let library = try #require(findLibrary(below: place), "nothing was built")
            let info = try run([weir, "plugins", "info", library])
            #expect(info.status == 0, "\(info.output)")
            let transform = try #require(try transformName(place))
            let redis = try RedisServer()
            var topology = Topology(port: try freePort(), upstream: redis.port)
            topology.extra = "plugins: [\"\(library)\"]"
            topology.sources[0].chain.insert("\(transform): {name: mine, max_bytes: 64KiB}", at: 1)
            let server = try WeirServer(topology)
            let client = try server.client()
            #expect(try client.call("SET", "k", "v") == .simple("OK"))
            #expect(try client.call("GET", "k") == .bulk("v"))
        }

        /// The one command that the template's README names.
        private func buildCommand(_ place: String) throws -> [String] {
            for (file, command) in [
                ("build.sh", ["./build.sh"]), ("Makefile", ["make"]), ("Package.swift", ["swift", "build"]),
            ] where FileManager.default.fileExists(atPath: "\(place)/\(file)") {
                return command
            }
            throw Failure("the template has no build.sh, Makefile or Package.swift")
        }

        private func findLibrary(below place: String) -> String? {
            let all = FileManager.default.enumerator(atPath: place)?.allObjects as? [String] ?? []
            return all.filter { $0.hasSuffix(".so") }.sorted { $0.count < $1.count }.first.map { "\(place)/\($0)" }
        }

        /// The transform's name, as the template's own example uses it.
        private func transformName(_ place: String) throws -> String? {
            let text = try String(contentsOfFile: place + "/example.topology.yaml", encoding: .utf8)
            let names = text.matches(of: #/- ([A-Z][A-Za-z0-9]*):/#).map { String($0.output.1) }
            return names.first { !["Redis", "Valkey", "RedisSinkSingle", "ValkeySinkSingle", "NullSink"].contains($0) }
        }
    }
}
