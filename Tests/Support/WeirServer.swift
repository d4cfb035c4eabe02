// Weir itself: found beside the test binary (or where WEIR_BINARY says), started with a topology text, ready
// when it says so, its logs kept.

import Foundation
import Glibc

/// The text of a topology: one RESP source before one Redis.
public struct Topology: Sendable {
    /// Name, listening port and chain of each source.
    public var sources: [Source] = []
    /// Worker threads.
    public var workers = 1
    /// The port of metrics and health; none if nil.
    public var adminPort: UInt16?
    /// More lines for the root of the file.
    public var extra = ""

    /// One listener with its chain.
    public struct Source: Sendable {
        public var name: String
        public var port: UInt16
        public var connectionLimit = 20_000
        /// More lines of the source's map, each indented by six spaces.
        public var extra = ""
        /// The chain's entries, such as `NullSink: {name: n}`.
        public var chain: [String]

        /// A source named `name` on a port of the loopback.
        public init(name: String = "redis", port: UInt16, chain: [String]) {
            self.name = name
            self.port = port
            self.chain = chain
        }
    }

    /// An empty topology.
    public init() {}

    /// One source before one Redis, with three pass-through transforms in the chain.
    public init(port: UInt16, upstream: UInt16, adminPort: UInt16? = nil) {
        self.adminPort = adminPort
        sources = [Source(port: port, chain: Self.passThrough + [Self.sink(upstream)])]
    }

    /// Three transforms that change nothing.
    public static let passThrough = [
        "QueryCounter: {name: first, counter_name: first}",
        "QueryCounter: {name: second, counter_name: second}",
        "QueryTypeFilter: {name: filter, AllowList: [Read, Write, ReadWrite, SchemaChange, PubSubMessage]}",
    ]

    /// The sink to one Redis on the loopback.
    public static func sink(_ port: UInt16, name: String = "sink", connectTimeoutMs: Int = 3000) -> String {
        "RedisSinkSingle: {name: \(name), remote_address: \"127.0.0.1:\(port)\", connect_timeout_ms: \(connectTimeoutMs)}"
    }

    /// As YAML.
    public var text: String {
        var lines: [String] = []
        if let adminPort { lines.append("observability_interface: \"127.0.0.1:\(adminPort)\"") }
        lines.append("workers: \(workers)")
        if !extra.isEmpty { lines.append(extra) }
        lines.append("sources:")
        for source in sources {
            lines += [
                "  - Redis:", "      name: \(source.name)", "      listen_addr: \"127.0.0.1:\(source.port)\"",
                "      connection_limit: \(source.connectionLimit)",
            ]
            if !source.extra.isEmpty { lines.append(source.extra) }
            lines.append("      chain:")
            lines += source.chain.map { "        - \($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A running `weir run`.
public final class WeirServer: RespServer {
    public let port: UInt16
    public let process: ChildProcess
    /// The port of metrics and health.
    public let adminPort: UInt16
    private let folder: TemporaryFolder

    /// The executable: WEIR_BINARY, or `weir` beside the test binary, or nil.
    public static var binary: String? {
        let named = ProcessInfo.processInfo.environment["WEIR_BINARY"]
        let beside = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .map { ($0 as NSString).deletingLastPathComponent + "/weir" }
        return [named, beside].compactMap { $0 }.first { access($0, X_OK) == 0 }
    }

    /// The line that says that all listeners are open.
    public static let readyLine = "Weir is now accepting connections"

    /// Starts Weir with three pass-through transforms before one Redis.
    public convenience init(upstream: UInt16, workers: Int = 1, openFiles: Int? = nil) throws {
        var topology = Topology(port: try freePort(), upstream: upstream, adminPort: try freePort())
        topology.workers = workers
        try self.init(topology, openFiles: openFiles)
    }

    /// Starts Weir with a topology and waits until it is ready.
    public init(
        _ topology: Topology, arguments: [String] = [], environment: [String: String] = [:], openFiles: Int? = nil
    ) throws {
        guard let binary = Self.binary else { throw Failure("weir is not built: set WEIR_BINARY") }
        folder = try TemporaryFolder("weir")
        let file = try folder.write("topology.yaml", topology.text)
        port = topology.sources.first?.port ?? 0
        adminPort = topology.adminPort ?? 0
        process = try ChildProcess(
            [binary, "run"] + arguments + [file], log: folder.path + "/log", environment: environment,
            openFiles: openFiles)
        try Self.waitUntilReady(process)
    }

    /// Waits for the line that says that all listeners are open.
    public static func waitUntilReady(_ process: ChildProcess, within seconds: Double = 10) throws {
        try eventually(within: seconds, "weir to be ready; its log ends: \(process.log.suffix(1500))") {
            if let status = process.exitStatus {
                throw Failure("weir ended with status \(status): \(process.log.suffix(1500))")
            }
            return process.log.contains(readyLine)
        }
    }

    /// Gets a page of the admin listener: status and body.
    public func get(_ path: String) throws -> (status: Int, head: String, body: String) {
        try httpGet(port: adminPort, path: path)
    }

    /// The value of one series of /metrics, nil when it is not there.
    public func metric(_ series: String) throws -> Double? {
        let lines = try get("/metrics").body.split(separator: "\n")
        return lines.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }
}

/// GET over HTTP/1.1 with `Connection: close`.
public func httpGet(port: UInt16, path: String, host: String = "127.0.0.1") throws -> (
    status: Int, head: String, body: String
) {
    let client = try RespClient(port: port)
    try client.send(raw: "GET \(path) HTTP/1.1\r\nHost: \(host):\(port)\r\nConnection: close\r\n\r\n")
    let text = String(decoding: try client.receiveUntilClosed(), as: UTF8.self)
    guard let split = text.range(of: "\r\n\r\n"), let status = Int(text.split(separator: " ").dropFirst().first ?? "")
    else { throw Failure("not HTTP: \(text.prefix(200))") }
    return (status, String(text[..<split.lowerBound]), String(text[split.upperBound...]))
}
