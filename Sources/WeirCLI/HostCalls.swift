// The only place where commands reach the host: what they ask of it, and how the admin server is joined to it.

import WeirBase
import WeirConfig
import WeirPlugins
import WeirRuntime

/// What `run` asks for. nil: what the topology file says, else the default.
struct RunRequest: Sendable, Equatable {
    var topologyFile: String
    var workerCount: Int?
    var adminAddress: String?
    var drainNanoseconds: UInt64
    /// Before the file's.
    var logLevel: LogLevel?
}

/// The host as the commands see it.
struct HostCalls: Sendable {
    /// Everything that is wrong with a topology file and its plugins; opens no listener.
    var check: @Sendable (_ file: String) -> [Diagnostic]
    /// Runs until a signal ends it; the exit code.
    var run: @Sendable (RunRequest) -> Int32
    /// Loads a plugin into this process.
    var loadPlugin: @Sendable (_ path: String) -> Result<LoadedPlugin, PluginError>
    /// Asks a plugin what it offers, in another process.
    var askPlugin: @Sendable (_ path: String, PluginProbe.Form) -> (text: String?, failure: String?)

    static let standard = HostCalls(
        check: { Host.check(file: $0) },
        run: { request in
            Host.run(
                RunOptions(
                    topologyFile: request.topologyFile, workerCount: request.workerCount,
                    adminAddress: request.adminAddress, drainNanoseconds: request.drainNanoseconds,
                    logLevel: request.logLevel))
        },
        loadPlugin: { PluginLoader.load($0, host: Host.pluginTable) },
        askPlugin: { PluginProbe().ask($0, $1) })
}
