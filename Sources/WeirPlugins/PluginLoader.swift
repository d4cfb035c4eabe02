// Loads a plugin: inspected first, then dlopen, the entry point, its tables. Never unloaded: a plugin's code and
// texts stay valid until the process ends.
//
// To be called from one thread (main), before listeners open or while `check` runs.

public import CWeir
import Glibc
import WeirBase
public import WeirConfig

/// A transform that can be put into a chain.
public struct LoadedTransform: @unchecked Sendable {
    public let description: TransformDescription
    /// Static in the plugin: valid for ever.
    public let table: UnsafePointer<weir_transform>
}

/// A plugin whose code is in the process.
public struct LoadedPlugin: @unchecked Sendable {
    public let file: PluginFile
    public let name: String
    public let version: String
    /// "weir-swift 1.0, Swift 6.3"
    public let builtWith: String
    public let abiMinor: Int
    public let transforms: [LoadedTransform]
    /// Static in the plugin: valid for ever.
    public let table: UnsafePointer<weir_plugin>
}

public enum PluginLoader {
    /// Loads a file that was not loaded before. Nothing of it runs unless `PluginFile.inspect` accepts it.
    public static func load(_ path: String, host: UnsafePointer<weir_host>) -> Result<LoadedPlugin, PluginError> {
        PluginFile.inspect(path).flatMap { load($0, path, host) }
    }

    static func load(_ file: PluginFile, _ path: String, _ host: UnsafePointer<weir_host>)
        -> Result<LoadedPlugin, PluginError>
    {
        do throws(PluginError) {
            return .success(try open(file, path, host))
        } catch {
            return .failure(error)
        }
    }

    private static func open(_ file: PluginFile, _ path: String, _ host: UnsafePointer<weir_host>) throws(PluginError)
        -> LoadedPlugin
    {
        var status = stat()
        guard stat(file.path, &status) == 0, UInt64(status.st_dev) == file.device, UInt64(status.st_ino) == file.inode
        else {
            throw PluginError(
                .pluginUnsafeFile, path: path, "it was replaced while it was being read", hint: "try again")
        }
        let crumb = Breadcrumbs.slot()
        let subject = Breadcrumbs.subject("plugin \(file.path)")
        // Constructors of the library run in here.
        crumb.pointee.enter(subject, hook: "dlopen")
        let loaded = dlopen(file.path, RTLD_NOW | RTLD_LOCAL)
        crumb.pointee.leave()
        guard let library = loaded else { throw refusal(path, file.path) }
        guard let symbol = dlsym(library, WEIR_ENTRY_SYMBOL) else {
            throw PluginError(
                .pluginNoEntry, path: path, "it does not export weir_plugin_v1, the entry point of the plugin ABI 1.x")
        }
        typealias Entry = @convention(c) (UnsafePointer<weir_host>) -> UnsafePointer<weir_plugin>?
        let entry = unsafeBitCast(symbol, to: Entry.self)
        crumb.pointee.enter(subject, hook: "weir_plugin_v1")
        let table = entry(host)
        crumb.pointee.leave()
        guard let table else {
            throw PluginError(
                .pluginDeclined, path: path, "its entry point returned no table: it does not want to run here",
                hint: "it may have said why in the log")
        }
        return try PluginTables(path: path, host: host).read(table, file)
    }

    /// The dynamic loader's words, made plainer where it is one of the usual cases.
    private static func refusal(_ path: String, _ real: String) -> PluginError {
        let text = dlerror().map { String(cString: $0) } ?? "no reason was given"
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        let rest = parts.count > 1 ? parts[1] : ""
        if parts[0] != real, rest.holds("cannot open shared object file") {
            return PluginError(
                .pluginLoadFailed, path: path, "the library '\(parts[0])' that it needs was not found",
                hint: "install it, or link it into the plugin")
        }
        if let range = text.firstPlace(of: "undefined symbol: ") {
            let symbol = text[range.upperBound...].prefix { $0 != "," && $0 != " " }
            return PluginError(
                .pluginLoadFailed, path: path,
                "it uses '\(symbol)', which neither it nor a library that it needs defines",
                hint: "link the library that defines it; Weir itself offers no symbols to plugins")
        }
        return PluginError(.pluginLoadFailed, path: path, "the system could not load it: \(text)")
    }
}
