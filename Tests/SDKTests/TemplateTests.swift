// The templates: each becomes a plugin with one command, in a folder that has nothing but it and with nothing but the
// SDK, and what comes out loads and works.

import CWeir
import Foundation
import Testing
import WeirConfig
import WeirTesting

@Suite struct TemplateTests {
    /// As `weir plugins new size-limit` does.
    private func instantiate(_ language: String, in folder: URL) throws -> URL {
        let template = Tools.sdk.appending(path: "templates/\(language)")
        let plugin = folder.appending(path: "size-limit")
        try FileManager.default.copyItem(at: template, to: plugin)
        let words = [("@NAME@", "size-limit"), ("@TRANSFORM@", "SizeLimit"), ("@SDK@", Tools.sdk.path)]
        let files = try FileManager.default.subpathsOfDirectory(atPath: plugin.path)
        for path in files.sorted(by: >) {
            let file = plugin.appending(path: path)
            if try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true { continue }
            var text = try String(contentsOf: file, encoding: .utf8)
            var name = path
            for (placeholder, value) in words {
                text = text.replacingOccurrences(of: placeholder, with: value)
                name = name.replacingOccurrences(of: placeholder, with: value)
            }
            try FileManager.default.removeItem(at: file)
            let copy = plugin.appending(path: name)
            try text.write(to: copy, atomically: true, encoding: .utf8)
            let mode: Int16 = path.hasSuffix(".sh") ? 0o755 : 0o644
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: copy.path)
        }
        return plugin
    }

    private func run(_ command: String, in folder: URL) throws {
        let result = try Tools.run(command.split(separator: " ").map(String.init), in: folder)
        #expect(result.status == 0, "\(command): \(result.output)")
        #expect(!result.output.contains("warning:"), "\(command): \(result.output)")
    }

    /// Symbols that others can see.
    private func exports(_ library: URL) throws -> [String] {
        let result = try Tools.run(["nm", "-D", "--defined-only", "--extern-only", library.path])
        return result.output.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) }
    }

    private func tryOut(_ library: URL) throws {
        #expect(try exports(library) == ["weir_plugin_v1"])
        let host = try TestHost(library: library.path)
        #expect(String(cString: host.plugin.pointee.name) == "size-limit")
        #expect(host.plugin.pointee.abi_minor == UInt16(WEIR_ABI_MINOR))
        #expect(host.plugin.pointee.transform_count == 1)
        let schema = String(cString: try #require(host.transform("SizeLimit")).pointee.config_schema)
        #expect(throws: Never.self) { try OptionsSchema.compile(schema).get() }
        let client = try host.start("SizeLimit", #"{"max_bytes":40}"#).connect()
        #expect(client.request("SET k v").outcome == .passed)
        #expect(client.request("SET k a-value-that-is-too-long").outcome == .failed)
        #expect(host.misuseCount == 0)
    }

    @Test func `the C template builds with one command, passes its tests and loads`() throws {
        try Tools.withFolder { folder in
            let plugin = try instantiate("c", in: folder)
            try run("./build.sh", in: plugin)
            try run("make test", in: plugin)
            let library = plugin.appending(path: "libsize-limit.so")
            try tryOut(library)
            let note = try Tools.run(["readelf", "-p", ".note.weir", library.path])
            #expect(note.output.contains("weir 1.\(WEIR_ABI_MINOR) size-limit 0.1.0"))
        }
    }

    @Test func `the Swift template builds with one command, passes its tests and loads`() throws {
        try Tools.withFolder { folder in
            let plugin = try instantiate("swift", in: folder)
            try run("./build.sh -j 2", in: plugin)
            try tryOut(plugin.appending(path: ".build/release/libsize-limit.so"))
            try run("swift test -j 2", in: plugin)
        }
    }

    /// The code in the SDK's README after a heading.
    private func example(_ language: String) throws -> String {
        let readme = try String(contentsOf: Tools.sdk.appending(path: "README.md"), encoding: .utf8)
        let parts = readme.components(separatedBy: "```\(language)\n")
        try #require(parts.count == 2, "one block of \(language)")
        return try #require(parts[1].components(separatedBy: "```").first)
    }

    @Test(arguments: ["c", "swift"])
    func `the example of the SDK's README builds, loads and does what it says`(language: String) throws {
        try Tools.withFolder { folder in
            let plugin = try instantiate(language, in: folder)
            if language == "c" {
                try example("c").write(to: plugin.appending(path: "plugin.c"), atomically: true, encoding: .utf8)
            } else {
                let sources = plugin.appending(path: "Sources")
                try FileManager.default.removeItem(at: sources)
                try FileManager.default.createDirectory(at: sources, withIntermediateDirectories: true)
                let file = sources.appending(path: "KeyLog.swift")
                try example("swift").write(to: file, atomically: true, encoding: .utf8)
            }
            let built = try Tools.run(["./build.sh"], in: plugin)
            #expect(built.status == 0, "\(built.output)")
            let library = try #require(built.output.split(separator: "\n").last)
            let host = try TestHost(library: String(library))
            let client = try host.start("KeyLog").connect()
            #expect(client.request("GET secret:1").answer == "-NOPERM this key is not for you\r\n")
            #expect(client.request("MGET a secret:1").outcome == .failed)
            #expect(client.request("SET a secret:1").outcome == .passed)
            if language == "swift" {
                #expect(host.metric("keylog_requests_total", "kind=read") == 2)
                #expect(host.metric("keylog_requests_total", "kind=write") == 1)
            }
            #expect(host.misuseCount == 0)
        }
    }

    @Test(arguments: ["c", "swift"])
    func `no placeholder is left, and the topology names the transform and the library`(language: String) throws {
        try Tools.withFolder { folder in
            let plugin = try instantiate(language, in: folder)
            for path in try FileManager.default.subpathsOfDirectory(atPath: plugin.path) {
                #expect(!path.contains("@"))
                guard let text = try? String(contentsOf: plugin.appending(path: path), encoding: .utf8) else {
                    continue
                }
                for word in ["@NAME@", "@TRANSFORM@", "@SDK@"] { #expect(!text.contains(word), "\(path)") }
            }
            let topology = try String(contentsOf: plugin.appending(path: "example.topology.yaml"), encoding: .utf8)
            #expect(topology.contains("- SizeLimit:"))
            #expect(topology.contains("libsize-limit.so"))
        }
    }
}
