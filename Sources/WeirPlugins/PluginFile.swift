// A plugin's file, looked at without running anything of it: is it a library for this machine that exports the entry
// point, which C library does it need, what does its note say, and can nobody else replace it.

import Glibc
import WeirConfig

/// What the note section of a plugin says of it.
public struct PluginNote: Sendable, Equatable {
    public let abiMajor: Int
    public let abiMinor: Int
    public let name: String
    public let version: String

    /// `weir 1.0 name version\n`, anywhere in the section: a toolchain may put a note's header before it.
    static func parse(_ bytes: [UInt8]) -> PluginNote? {
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(whereSeparator: { $0 == "\n" || $0 == "\0" }) {
            let words = line.split(separator: " ")
            guard words.count == 4, words[0] == "weir" else { continue }
            let numbers = words[1].split(separator: ".")
            guard numbers.count == 2, let major = Int(numbers[0]), let minor = Int(numbers[1]) else { continue }
            return PluginNote(abiMajor: major, abiMinor: minor, name: String(words[2]), version: String(words[3]))
        }
        return nil
    }
}

/// A file that may be loaded.
public struct PluginFile: Sendable, Equatable {
    /// Without symbolic links.
    public let path: String
    public let device: UInt64
    public let inode: UInt64
    public let byteCount: Int
    public let note: PluginNote?
    /// The newest GLIBC version that it needs ("2.34"), nil when it needs none.
    public let neededLibc: String?

    /// Reads a file; runs nothing of it.
    public static func inspect(_ path: String) -> Result<PluginFile, PluginError> {
        do throws(PluginError) {
            return .success(try read(path))
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ path: String) throws(PluginError) -> PluginFile {
        let real = try resolve(path)
        let descriptor = real.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PluginError(.pluginNotElf, path: path, "it is not a regular file")
        }
        try checkPermissions(path, real, status)
        let elf: ELFFile
        do throws(ELFProblem) {
            elf = try ELFFile(descriptor: descriptor, size: Int(status.st_size))
        } catch {
            throw refusal(error, path)
        }
        try checkEntry(elf, path)
        let note = elf.section(named: ".note.weir", maximum: 4096).flatMap(PluginNote.parse)
        if let note, note.abiMajor != 1 {
            throw PluginError(
                .pluginNewerABI, path: path,
                "\(note.name) \(note.version) was built for the plugin ABI \(note.abiMajor).\(note.abiMinor); this host has 1.x",
                hint: "use a build for this version of Weir")
        }
        return PluginFile(
            path: real, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), byteCount: Int(status.st_size),
            note: note, neededLibc: try checkLibc(elf, path))
    }

    private static func unreadable(_ path: String) -> PluginError {
        PluginError(.pluginNotFound, path: path, "it cannot be opened: \(String(cString: strerror(errno)))")
    }

    private static func resolve(_ path: String) throws(PluginError) -> String {
        guard let real = realpath(path, nil) else { throw unreadable(path) }
        defer { free(real) }
        return String(cString: real)
    }

    private static func checkPermissions(_ path: String, _ real: String, _ status: stat) throws(PluginError) {
        if status.st_mode & 0o002 != 0 {
            throw PluginError(
                .pluginUnsafeFile, path: path, "every user of this machine may write to it", hint: "chmod o-w \(real)")
        }
        // Where the name is a symbolic link, whoever replaces the link chooses the file.
        for name in path == real ? [real] : [path, real] {
            let folder = name.lastIndex(of: "/").map { $0 == name.startIndex ? "/" : String(name[..<$0]) } ?? "."
            var folderStatus = stat()
            guard stat(folder, &folderStatus) == 0 else { continue }
            // With the sticky bit (as /tmp has) only the owner may replace a file.
            if folderStatus.st_mode & 0o002 != 0, folderStatus.st_mode & 0o1000 == 0 {
                throw PluginError(
                    .pluginUnsafeFile, path: path, "every user of this machine may replace files in '\(folder)'",
                    hint: "chmod o-w \(folder)")
            }
        }
    }

    private static func refusal(_ problem: ELFProblem, _ path: String) -> PluginError {
        switch problem.kind {
        case .notELF:
            PluginError(.pluginNotElf, path: path, "it is not an ELF file: \(problem.text)")
        case .wrongMachine:
            PluginError(.pluginWrongMachine, path: path, problem.text, hint: "build it for this machine")
        case .notLibrary:
            PluginError(.pluginNotLibrary, path: path, problem.text, hint: "link it with -shared")
        }
    }

    private static func checkEntry(_ elf: ELFFile, _ path: String) throws(PluginError) {
        switch elf.entry() {
        case .exported, .unknown: return
        case .missing:
            throw PluginError(
                .pluginNoEntry, path: path, "it does not export weir_plugin_v1, the entry point of the plugin ABI 1.x",
                hint: "is it a Weir plugin? the function must be extern \"C\" and visible (WEIR_EXPORT)")
        case .otherMajor(let symbol):
            throw PluginError(
                .pluginNewerABI, path: path, "it exports \(symbol), this host calls weir_plugin_v1",
                hint: "use a build for this version of Weir")
        }
    }

    /// The newest GLIBC version that is needed, which this machine must have.
    private static func checkLibc(_ elf: ELFFile, _ path: String) throws(PluginError) -> String? {
        let needed = elf.neededVersions().compactMap { need -> [Int]? in
            guard need.version.hasPrefix("GLIBC_") else { return nil }
            return numbers(need.version.dropFirst(6))
        }
        guard let newest = needed.max(by: { $0.lexicographicallyPrecedes($1) }) else { return nil }
        let text = newest.map(String.init).joined(separator: ".")
        let here = libcVersion()
        if let have = numbers(here[...]), have.lexicographicallyPrecedes(newest) {
            throw PluginError(
                .pluginNeedsNewerLibc, path: path, "it needs GLIBC \(text), this machine has \(here)",
                hint: "build it on a system as old as this one")
        }
        return text
    }

    /// "2.36"; empty where the C library is not glibc.
    private static func libcVersion() -> String {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = buffer.withUnsafeMutableBytes {
            confstr(Int32(_CS_GNU_LIBC_VERSION), $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
        }
        guard count > 1, count <= buffer.count else { return "" }
        let text = String(decoding: buffer[..<(count - 1)], as: UTF8.self)
        return text.split(separator: " ").last.map(String.init) ?? ""
    }

    /// "2.34" as numbers; nil for names such as PRIVATE.
    private static func numbers(_ text: Substring) -> [Int]? {
        let parts = text.split(separator: ".").map { Int($0) }
        return parts.isEmpty || parts.contains(nil) ? nil : parts.compactMap { $0 }
    }
}
