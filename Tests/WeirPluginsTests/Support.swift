// Builds tiny C plugins at test time, and a host table that offers one extension.

import CWeir
import Foundation
import Testing
import WeirPlugins

/// A folder that goes away with the test.
final class Folder {
    let path: String

    init() throws {
        // Not below a world-writable folder without the sticky bit; mode 0755.
        path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ content: Data) throws -> String {
        let file = "\(path)/\(name)"
        try content.write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ name: String, _ content: String) throws -> String { try write(name, Data(content.utf8)) }
}

enum Compiler {
    static let path = ["/usr/bin/gcc", "/usr/bin/cc", "/usr/bin/clang", "/opt/swift/usr/bin/clang"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }
    static var isAvailable: Bool { path != nil }

    static let include = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("plugin-sdk/CWeir/include").path

    struct Failure: Error { let output: String }

    @discardableResult
    static func run(_ arguments: [String]) throws -> String {
        guard let path else { throw Failure(output: "no C compiler") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(output: output) }
        return output
    }

    /// A shared library from C source, with weir.h at hand.
    static func library(_ source: String, _ name: String, in folder: Folder, flags: [String] = []) throws -> String {
        let file = try folder.write("\(name).c", source)
        let result = "\(folder.path)/\(name).so"
        try run(["-shared", "-fPIC", "-O1", "-I", include, "-o", result, file] + flags)
        return result
    }
}

enum Source {
    /// A whole plugin; what is left out has a good value.
    static func plugin(
        name: String = "tiny", id: String = "Tiny", schema: String = "{}", requires: String = "", plugin: String = "",
        transform: String = "", before: String = "", entry: String = "return &plugin;", count: Int = 1
    ) -> String {
        """
        #include "weir.h"
        \(before)
        static const weir_transform one = {
            .size = sizeof one, .id = "\(id)", .version = "1.2.3", .summary = "does nothing", .accepts = "*",
            .emits = "=", .requires_ext = "\(requires)", .config_schema = "\(schema.replacing("\"", with: "\\\""))",
            \(transform)
        };
        static const weir_transform *const all[] = { &one, &one };
        static const weir_plugin plugin = {
            .size = sizeof plugin, .abi_minor = WEIR_ABI_MINOR, .name = "\(name)", .version = "0.9.0",
            .built_with = "C", .transform_count = \(count), .transforms = all, \(plugin)
        };
        const weir_plugin *weir_plugin_v1(const weir_host *host) { (void)host; \(entry) }
        """
    }
}

/// A host table of which only the general part is filled in; loading touches nothing else.
enum TestHost {
    nonisolated(unsafe) static let table: UnsafePointer<weir_host> = {
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<weir_host>.size, alignment: MemoryLayout<weir_host>.alignment)
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<weir_host>.size)
        let host = raw.bindMemory(to: weir_host.self, capacity: 1)
        host.pointee.size = UInt32(MemoryLayout<weir_host>.size)
        host.pointee.abi_major = 1
        host.pointee.abi_minor = 0
        host.pointee.extension = { _, id in
            strcmp(id, "weir.metrics/1") == 0 ? UnsafeRawPointer(bitPattern: 1) : nil
        }
        return UnsafePointer(host)
    }()
}

extension Result where Failure == PluginError {
    var error: PluginError? {
        if case .failure(let error) = self { return error }
        return nil
    }
}
