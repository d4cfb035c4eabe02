// `weir run`: runs a topology. Takes the flags of Shotover; those without a meaning here are refused with what to do instead.

import Glibc
import WeirBase
import WeirConfig

enum RunCommand {
    private static let topology = Option.text(
        "topology-file", short: "t", placeholder: "FILE", help: "the topology, instead of the argument FILE")
    private static let config = Option.text(
        "config-file", short: "c", placeholder: "FILE",
        help: "a file with main_log_level and observability_interface, as Shotover's config.yaml")
    private static let workers = Option.integer(
        "workers", aliases: ["core-threads"], in: 1...1024, help: "threads that serve; default one per processor")
    private static let admin = Option.text(
        "admin", placeholder: "ADDRESS", help: "where /metrics, /health and /ready are served, such as 127.0.0.1:9001")
    private static let drain = Option.duration(
        "drain", maximum: "1h", help: "how long owed answers may take after SIGTERM; default 10s")
    private static let logLevel = Option.logLevel(
        "log-level", help: "trace, debug, info, warn, error or off, or directives as in RUST_LOG; default info")
    private static let logFormat = Option.choice(
        "log-format", of: ["human", "json"], help: "how log lines look on standard error; default human")

    static let command: Command = Command(
        name: "run",
        summary: "Run a topology until SIGTERM or SIGINT.",
        description: """
            Serves every source of the topology. On SIGTERM or SIGINT nothing new is accepted, owed answers are delivered, \
            and the program ends with 0. Everything that is wrong with the file is said before any listener opens.
            The log level is taken from --log-level, else WEIR_LOG_LEVEL, else RUST_LOG, else the files.
            """,
        options: [topology.spec, config.spec, workers.spec, admin.spec, drain.spec, logLevel.spec, logFormat.spec],
        positionals: [Positional(name: "FILE", help: "the topology file", isRequired: false)],
        refused: [
            RefusedOption(
                name: "stack-size",
                advice: "not needed: Weir's workers do not recurse over what clients send. Leave it out"),
            RefusedOption(
                name: "hotreload-socket",
                advice:
                    "a running process cannot be replaced yet. Leave it out, and restart with SIGTERM, which delivers "
                    + "owed answers first (see --drain)"),
            RefusedOption(
                name: "hotreload-gradual-shutdown-seconds", advice: "use --drain, such as --drain 60s"),
        ],
        examples: [
            ("weir run topology.yaml", "runs it"),
            ("weir run topology.yaml --workers 4 --admin 127.0.0.1:9001", "with four threads, and metrics"),
            ("weir run -t config/topology.yaml -c config/config.yaml --log-format json", "as Shotover is started"),
        ],
        run: { arguments, terminal in
            do throws(UsageError) {
                var request = try request(arguments, environment: terminal.environment)
                Log.configure(format: arguments[logFormat] == "json" ? .json : .human)
                if let file = arguments[config], let code = apply(settingsOf: file, to: &request, terminal) {
                    return code
                }
                guard Files.isReadable(request.topologyFile) else {
                    let error = FileError("read", request.topologyFile)
                    terminal.say("weir run: \(error.text)")
                    return error.exitCode
                }
                if let level = request.logLevel { Log.level = level }
                return ExitCode(terminal.host.run(request))
            } catch {
                return CommandLineTool.fail([CommandLineTool.root, RunCommand.command], error, terminal)
            }
        })

    /// What flags and environment ask for.
    private static func request(
        _ arguments: ParsedArguments, environment: [String: String]
    ) throws(UsageError) -> RunRequest {
        let argument = arguments.positionals.first
        if argument != nil, arguments.wasFlag(topology) {
            throw UsageError("the topology is named twice: FILE and --topology-file")
        }
        guard let file = argument ?? arguments[topology] else {
            throw UsageError("FILE is missing: the topology file")
        }
        var level = arguments[logLevel]
        if level == nil, let directives = environment["RUST_LOG"], !directives.isEmpty {
            do {
                level = try LogLevel.asked(by: directives)
            } catch {
                throw UsageError("RUST_LOG: '\(error.word)' is no log level")
            }
        }
        return RunRequest(
            topologyFile: file, workerCount: arguments[workers], adminAddress: arguments[admin],
            drainNanoseconds: arguments[drain] ?? 10_000_000_000, logLevel: level)
    }

    /// Fills in what a config file says and nobody said before it; an exit code when the file is wrong.
    private static func apply(
        settingsOf file: String, to request: inout RunRequest, _ terminal: borrowing Terminal
    ) -> ExitCode? {
        let environment = terminal.environment
        let found: (settings: Settings?, diagnostics: [Diagnostic])
        do {
            let bytes = try Files.read(file, maximumByteCount: 1 << 20)
            found = TopologyReader.settings(
                bytes: bytes, file: file, lookup: ReferenceLookup(environment: { environment[$0] }))
        } catch {
            terminal.say("weir run: \(error.text)")
            return error.exitCode
        }
        terminal.sayText(DiagnosticRenderer().text(found.diagnostics))
        guard let settings = found.settings else { return .configuration }
        request.adminAddress = request.adminAddress ?? settings.adminAddress
        request.logLevel = request.logLevel ?? settings.logLevel.flatMap { LogLevel(word: $0) }
        return nil
    }
}
