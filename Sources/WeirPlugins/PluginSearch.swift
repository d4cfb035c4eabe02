// Where plugins are looked for, and which files are candidates. Opens folders only, no plugin.
//
// In this order: `plugins:` of the topology, WEIR_PLUGIN_PATH, the folder of the executable, /usr/lib/weir/plugins.
// Of two files of one name the first counts, as with programs in PATH. Within a folder the order is that of names.

import Glibc
import WeirConfig

public struct PluginSearch: Sendable {
    public struct Candidate: Sendable, Equatable {
        public let path: String
        /// False for a library that merely lies beside the executable: it need not be a plugin.
        public let isCertain: Bool
    }

    public static let environmentVariable = "WEIR_PLUGIN_PATH"
    public static let systemFolder = "/usr/lib/weir/plugins"

    /// Files and folders that somebody named; they must exist.
    public let named: [String]
    /// Nil: not searched.
    public let executableFolder: String?
    public let systemFolder: String?

    /// `paths` are those of `plugins:`. WEIR_PLUGIN_PATH holds folders and files, separated by colons.
    public init(
        paths: [String], environment: (String) -> String?,
        executableFolder: String? = PluginSearch.folderOfExecutable(),
        systemFolder: String? = PluginSearch.systemFolder
    ) {
        let variable = environment(Self.environmentVariable) ?? ""
        named = paths + variable.split(separator: ":").map(String.init)
        self.executableFolder = executableFolder
        self.systemFolder = systemFolder
    }

    /// The folder of the running program, nil when the system does not say.
    public static func folderOfExecutable() -> String? {
        guard let real = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(real) }
        let path = String(cString: real)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }

    /// The candidates, and what was named but is not there.
    public func find() -> (candidates: [Candidate], errors: [PluginError]) {
        var candidates: [Candidate] = []
        var errors: [PluginError] = []
        var names = Set<String>()
        func add(_ path: String, _ isCertain: Bool) {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if names.insert(name).inserted { candidates.append(Candidate(path: path, isCertain: isCertain)) }
        }
        for path in named {
            var status = stat()
            guard stat(path, &status) == 0 else {
                errors.append(
                    PluginError(
                        .pluginNotFound, path: path, "it cannot be opened: \(String(cString: strerror(errno)))",
                        hint: "named in 'plugins:' or \(Self.environmentVariable)"))
                continue
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                add(path, true)
                continue
            }
            for file in Self.libraries(in: path) { add(file, true) }
        }
        if let executableFolder {
            for file in Self.libraries(in: executableFolder) { add(file, false) }
        }
        if let systemFolder {
            for file in Self.libraries(in: systemFolder) { add(file, true) }
        }
        return (candidates, errors)
    }

    /// Paths of the `*.so` of a folder, sorted; none when it cannot be read.
    private static func libraries(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".so"), !name.hasPrefix(".") { names.append(name) }
        }
        let base = folder.hasSuffix("/") ? folder : folder + "/"
        return names.sorted().map { base + $0 }
    }
}
