// What a topology file says, checked: sources, their chains, the sites in them with their options and upstreams.
//
// Values only; nothing here opens a socket or loads a library. Made by TopologyReader.

/// One kind of transform, as the loader found it.
public struct TransformDescription: Sendable, Equatable {
    public let id: String
    public let version: String
    public let summary: String
    /// Protocols of its requests, separated by spaces, or "*".
    public let accepts: String
    /// "=" the same protocol, "" nothing (a sink), else the protocol it translates to.
    public let emits: String
    /// JSON Schema of its options; empty: none.
    public let schemaText: String
    public let pluginName: String
    public let pluginVersion: String
    public let pluginPath: String

    public init(
        id: String, version: String, summary: String = "", accepts: String, emits: String, schemaText: String,
        pluginName: String, pluginVersion: String, pluginPath: String
    ) {
        self.id = id
        self.version = version
        self.summary = summary
        self.accepts = accepts
        self.emits = emits
        self.schemaText = schemaText
        self.pluginName = pluginName
        self.pluginVersion = pluginVersion
        self.pluginPath = pluginPath
    }

    /// It answers or sends away every request; nothing can stand behind it.
    public var isSink: Bool { emits.isEmpty }

    /// Whether it takes requests of a protocol.
    public func accepts(protocol name: String) -> Bool {
        accepts.split(separator: " ").contains { $0 == "*" || $0 == name }
    }

    /// The protocol of what it passes on.
    public func emitted(from protocol: String) -> String { emits == "=" ? `protocol` : emits }
}

/// A whole topology.
public struct Topology: Sendable {
    /// The file, for diagnostics that come later (a plugin's reports, a bind that fails).
    public let source: SourceText
    public let sources: [SourceSpec]
    /// Files and folders of `plugins:`, relative ones resolved against the file's folder.
    public let pluginPaths: [String]
    /// Nil: one for each processor.
    public let workerCount: Int?
    /// "ip:port"; nil: none.
    public let adminAddress: String?
    /// One of trace, debug, info, warn, error, off; nil: not said.
    public let logLevel: String?
}

/// What Shotover's config.yaml says.
public struct Settings: Sendable, Equatable {
    public let adminAddress: String?
    public let logLevel: String?

    public init(adminAddress: String?, logLevel: String?) {
        self.adminAddress = adminAddress
        self.logLevel = logLevel
    }
}

/// Where applications connect to.
public struct SourceSpec: Sendable {
    public let name: String
    /// "resp"
    public let protocolName: String
    /// "ip:port"; port 0: the system chooses.
    public let listenAddress: String
    public let connectionLimit: Int
    /// Above the limit: refuse at once, rather than leave clients in the backlog.
    public let hardConnectionLimit: Bool
    /// 0: never.
    public let idleTimeoutNanoseconds: UInt64
    public let chain: ChainSpec
    public let position: SourceRange
}

/// Transforms in order, the last one a sink.
public struct ChainSpec: Sendable {
    /// That of the source; of a sub-chain: "redis/tee/chain".
    public let name: String
    /// Of the requests that enter it.
    public let protocolName: String
    public let sites: [SiteSpec]
}

/// A transform in its place, configured.
public struct SiteSpec: Sendable {
    /// Unique in its chain.
    public let name: String
    public let transformID: String
    /// Its index in the catalog that the topology was read with.
    public let descriptionIndex: Int
    /// Of the requests that reach it.
    public let protocolName: String
    /// Valid against the plugin's schema, defaults filled in, without credentials of upstreams.
    public let options: ConfigTape
    /// The same as JSON.
    public let optionsJSON: String
    /// Sub-chains by the JSON pointer of their place in the options.
    public let subchains: [(pointer: String, chain: ChainSpec)]
    /// Upstreams likewise; pointer "" when their fields stand beside the transform's own.
    public let upstreams: [(pointer: String, upstream: UpstreamSpec)]
    /// Of the transform's name in the file.
    public let position: SourceRange
    let positions: [String: SourceRange]

    /// The place in the file of a JSON pointer into the options; of its nearest parent when it is a default.
    public func position(of pointer: String) -> SourceRange {
        var pointer = pointer
        while true {
            if let range = positions[pointer] { return range }
            guard let slash = pointer.lastIndex(of: "/") else { return position }
            pointer = String(pointer[..<slash])
        }
    }
}

/// Where requests go.
public struct UpstreamSpec: Sendable {
    /// "host:port"
    public let addresses: [String]
    public let connectTimeoutNanoseconds: UInt64
    /// 0: none.
    public let requestTimeoutNanoseconds: UInt64
    /// Shared connections of each worker.
    public let connectionCount: Int
    /// Connections of each worker that one client has to itself.
    public let maximumPinnedConnections: Int
    public let user: String?
    public let password: String?
    public let position: SourceRange
}

/// A file or folder of `plugins:`.
public struct PluginPath: Sendable, Equatable {
    /// Absolute, or relative to the working directory as the file's name is.
    public let path: String
    public let position: SourceRange
}
