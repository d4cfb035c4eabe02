// The process: reads a topology, loads its plugins, configures them, starts the workers, waits for a signal, drains.

public import CWeir
import Glibc
import WeirAdmin
public import WeirBase
import WeirChain
public import WeirConfig
import WeirNet
import WeirPlugins
import WeirRESP
import WeirUpstream
import WeirWire

/// What `weir run` asks for. nil: what the topology file says, else the default.
public struct RunOptions: Sendable {
    public var topologyFile: String
    public var workerCount: Int?
    public var adminAddress: String?
    /// How long owed answers may take after a signal.
    public var drainNanoseconds: UInt64
    public var logLevel: LogLevel?

    public init(
        topologyFile: String, workerCount: Int? = nil, adminAddress: String? = nil,
        drainNanoseconds: UInt64 = 10_000_000_000, logLevel: LogLevel? = nil
    ) {
        self.topologyFile = topologyFile
        self.workerCount = workerCount
        self.adminAddress = adminAddress
        self.drainNanoseconds = drainNanoseconds
        self.logLevel = logLevel
    }
}

public enum Host {
    static let codec = RESPCodec(limits: limits)
    private static let limits: RESPLimits = {
        var limits = RESPLimits()
        // Redis closes a connection at 1 GiB of input not yet executed (client-query-buffer-limit), and others share it.
        limits.maximumFrameByteCount = 768 << 20
        return limits
    }()
    /// The largest topology file.
    static let maximumFileByteCount = 4 << 20

    /// The functions that plugins are given; made once for the process.
    /// Safe: filled in once, never changed.
    nonisolated(unsafe) public static let pluginTable: UnsafePointer<weir_host> = {
        Extensions.register(WEIR_EXT_METRICS, Extensions.makeMetrics())
        Extensions.register(WEIR_EXT_RESP, RESPExtension.make())
        return HostTable.make(
            HostServices(
                version: WeirVersion.text, codecs: [codec],
                log: { site, level, text in
                    Log.line(
                        LogLevel(rawValue: UInt8(clamping: level)) ?? .info, "plugin", ["site": site, "message": text])
                },
                report: { _, level, pointer, text in Assembly.report(level: level, pointer: pointer, text: text) }))
    }()

    /// Everything that is wrong with a topology file and its plugins; opens no listener.
    public static func check(file: String) -> [Diagnostic] {
        let (prepared, diagnostics) = prepare(file, isCheck: true)
        prepared?.assembly.unconfigure()
        return diagnostics
    }

    /// Runs until a signal ends it.
    /// - Returns: the exit code.
    public static func run(_ options: RunOptions) -> Int32 {
        FatalSignals.install()
        Signals.block()
        raiseDescriptorLimit()
        let (prepared, diagnostics) = prepare(options.topologyFile, isCheck: false)
        if !diagnostics.isEmpty {
            let text = DiagnosticRenderer(usesColor: isatty(2) == 1 && getenv("NO_COLOR") == nil).text(diagnostics)
            let line = text.hasSuffix("\n") ? text : text + "\n"
            _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        }
        guard let prepared else { return diagnostics.contains { $0.code == .fileUnreadable } ? 66 : 78 }
        if let level = options.logLevel ?? prepared.topology.logLevel.flatMap({ LogLevel(word: $0) }) {
            Log.level = level
        }
        let process = RunningProcess(prepared, options)
        return process.run()
    }

    struct Prepared {
        let topology: Topology
        let catalog: PluginCatalog
        let assembly: Assembly
        let sources: [SourcePlan]
    }

    /// Reads the file, loads plugins, configures sites. nil when there are errors.
    private static func prepare(_ file: String, isCheck: Bool) -> (Prepared?, [Diagnostic]) {
        let bytes: [UInt8]
        switch ConfigFile.read(file, maximumByteCount: maximumFileByteCount) {
        case .failure(let error):
            return (
                nil,
                [Diagnostic(code: .fileUnreadable, file: file, message: "it cannot be read: \(error.text)", hint: nil)]
            )
        case .success(let read): bytes = read
        }
        let environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }
        let lookup = ReferenceLookup(environment: environment)
        let paths = TopologyReader.pluginPaths(bytes: bytes, file: file, lookup: lookup)
        let search = PluginSearch(paths: paths.map(\.path), environment: environment)
        let (catalog, errors) = PluginCatalog.load(search, host: pluginTable)
        var diagnostics = errors.map(\.diagnostic)
        let read = TopologyReader.read(bytes: bytes, file: file, catalog: catalog.descriptions, lookup: lookup)
        diagnostics += read.diagnostics
        guard let topology = read.topology, !diagnostics.contains(where: { $0.severity == .error }) else {
            return (nil, diagnostics)
        }
        let assembly = Assembly(topology, catalog, host: pluginTable, codecs: [codec], isCheck: isCheck)
        let sources = assembly.build()
        diagnostics += assembly.diagnostics
        if diagnostics.contains(where: { $0.severity == .error }) {
            assembly.unconfigure()
            return (nil, diagnostics)
        }
        return (Prepared(topology: topology, catalog: catalog, assembly: assembly, sources: sources), diagnostics)
    }

    /// As many descriptors as the system allows: each client needs one.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(7), &limit)
    }
}
