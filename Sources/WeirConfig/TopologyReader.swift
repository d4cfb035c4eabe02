// topology.yaml → Topology, or all that is wrong with it.
//
//   bytes ─► ConfigDocument ─► references ─► file's fields ─► each source ─► ChainReader (sites, sub-chains)
//
// Both dialects of Shotover (0.7 and 0.8) and Weir's additions, within one file too. Opens no listener, looks up no
// name, loads no plugin: the catalog says what is there. Reads the environment and ${file:} through ReferenceLookup.

/// Reads topologies.
public enum TopologyReader {
    /// The topology, or nil with at least one error; warnings may accompany a topology.
    public static func read(
        bytes: [UInt8], file: String, catalog: [TransformDescription], lookup: ReferenceLookup
    ) -> (topology: Topology?, diagnostics: [Diagnostic]) {
        let document = ConfigDocument(bytes: bytes, file: file)
        var diagnostics = document.diagnostics
        guard let root = document.root else { return (nil, diagnostics.sorted) }
        let resolved = lookup.resolve(root, &diagnostics)
        let chains = ChainReader(catalog: Catalog(catalog), diagnostics: diagnostics)
        var reader = FileReader(chains: chains, file: file)
        let topology = reader.read(resolved)
        let all = reader.chains.diagnostics
        return (all.hasErrors ? nil : topology, all.sorted)
    }

    public static func read(
        bytes: [UInt8], file: String, catalog: [TransformDescription],
        environment: @escaping (String) -> String?
    ) -> (topology: Topology?, diagnostics: [Diagnostic]) {
        read(bytes: bytes, file: file, catalog: catalog, lookup: ReferenceLookup(environment: environment))
    }

    public static func read(
        text: String, file: String, catalog: [TransformDescription],
        environment: @escaping (String) -> String?
    ) -> (topology: Topology?, diagnostics: [Diagnostic]) {
        read(bytes: Array(text.utf8), file: file, catalog: catalog, environment: environment)
    }

    /// First pass: the entries of `plugins:`, so that plugins can be loaded before options are checked. Reports
    /// nothing that `read` reports as well; a file that cannot be parsed has no entries.
    public static func pluginPaths(bytes: [UInt8], file: String, lookup: ReferenceLookup) -> [PluginPath] {
        let document = ConfigDocument(bytes: bytes, file: file)
        guard let entries = document.root?["plugins"] else { return [] }
        var ignored = DiagnosticList(source: document.source)
        return pluginPaths(lookup.resolve(entries, &ignored), file: file)
    }

    static func pluginPaths(_ entries: ConfigNode, file: String) -> [PluginPath] {
        (entries.list ?? [entries]).compactMap { entry in
            guard let path = entry.text, !path.isEmpty else { return nil }
            let isRelative = !path.hasPrefix("/")
            let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
            return PluginPath(path: isRelative ? folder + path : path, position: entry.range)
        }
    }

    /// Shotover's config.yaml: `main_log_level` and `observability_interface`.
    public static func settings(bytes: [UInt8], file: String, lookup: ReferenceLookup)
        -> (settings: Settings?, diagnostics: [Diagnostic])
    {
        let document = ConfigDocument(bytes: bytes, file: file)
        var diagnostics = document.diagnostics
        guard let root = document.root else { return (nil, diagnostics.sorted) }
        let node = lookup.resolve(root, &diagnostics)
        var validator = SchemaValidator(diagnostics: diagnostics)
        _ = validator.check(
            node.isNull ? ConfigNode(.map([]), range: node.range) : node, HostSchemas.settings.root,
            .root("the file", owner: .fileStart))
        var reader = FileReader(
            chains: ChainReader(catalog: Catalog([]), diagnostics: validator.diagnostics), file: file)
        let settings = Settings(adminAddress: reader.adminAddress(node)?.text, logLevel: reader.logLevel(node))
        let all = reader.chains.diagnostics
        return (all.hasErrors ? nil : settings, all.sorted)
    }
}

/// Reads the root of the file and its sources.
struct FileReader {
    var chains: ChainReader
    let file: String
    private var addresses: [(address: Address, owner: String)] = []
    private var lineOfName: [String: Int] = [:]

    /// Kinds of sources: what is built, and what is known from Shotover.
    static let built = ["Redis", "Valkey"]
    static let known = ["Cassandra", "Kafka", "OpenSearch"]

    init(chains: ChainReader, file: String) {
        self.chains = chains
        self.file = file
    }

    mutating func read(_ root: ConfigNode) -> Topology? {
        guard let members = root.map else {
            let isNothing = root.isNull
            chains.diagnostics.error(
                isNothing ? .noSources : .wrongType, at: isNothing ? .fileStart : root.range,
                isNothing ? "the file holds nothing" : "a topology is a map, this is \(root.kindInWords)",
                hint: "it begins with 'sources:'")
            return nil
        }
        var validator = SchemaValidator(diagnostics: chains.diagnostics)
        let values = validator.check(root, HostSchemas.topology.root, .root("the topology", owner: .fileStart))
        chains.diagnostics = validator.diagnostics
        // Fields are read although others are wrong: all errors at once.
        let admin = adminAddress(root)
        if let admin { addresses.append((admin, "the admin interface")) }
        let level = logLevel(root)
        let sources = members.first { $0.key == "sources" }.map { self.sources($0) } ?? []
        return Topology(
            source: chains.diagnostics.source, sources: sources,
            pluginPaths: (root["plugins"].map { TopologyReader.pluginPaths($0, file: file) } ?? []).map(\.path),
            workerCount: values?["workers"]?.int.map { Int($0) }, adminAddress: admin?.text, logLevel: level)
    }

    mutating func adminAddress(_ root: ConfigNode) -> Address? {
        guard let node = root["admin"] ?? root["observability_interface"], let text = node.text, !node.isUnresolved
        else { return nil }
        return address(node, Address.listening(text))
    }

    mutating func logLevel(_ root: ConfigNode) -> String? {
        guard let node = root["log_level"] ?? root["main_log_level"], let text = node.text, !node.isUnresolved
        else { return nil }
        switch LogLevel.parse(text) {
        case .level(let level): return level
        case .unspecific: return nil
        case .failure(let message, let hint):
            chains.diagnostics.error(.badLogLevel, at: node.range, message, hint: hint)
            return nil
        }
    }

    private mutating func address(_ node: ConfigNode, _ parsed: Result<Address, Address.Failure>) -> Address? {
        switch parsed {
        case .success(let address): return address
        case .failure(let failure):
            let isSecret = node.reference != nil
            chains.diagnostics.error(
                .badAddress, at: node.range, isSecret ? "the referenced value is no valid address" : failure.message,
                hint: isSecret ? nil : failure.hint)
            return nil
        }
    }

    private mutating func sources(_ member: ConfigMember) -> [SourceSpec] {
        guard let entries = member.value.list else { return [] }
        if entries.isEmpty {
            chains.diagnostics.error(
                .noSources, at: member.keyRange, "the topology has no sources", hint: "Weir would serve nobody")
        }
        return entries.compactMap { entry in
            let names = Self.built + Self.known
            guard let kind = chains.entry(entry, noun: "source", names: names) else { return nil }
            if Self.built.contains(kind.name) { return source(kind) }
            if Self.known.contains(kind.name) {
                chains.diagnostics.error(
                    .notBuilt, at: kind.range, "\(kind.name) sources are not built yet",
                    hint: "built are \(Self.built.joined(separator: " and "))")
            } else {
                let hint =
                    NearestWord.hint(kind.name, in: names) ?? "built are \(Self.built.joined(separator: " and "))"
                chains.diagnostics.error(
                    .unknownSource, at: kind.range, "no source '\(kind.name)'", hint: hint)
            }
            return nil
        }
    }

    private mutating func source(_ entry: ChainReader.Entry) -> SourceSpec? {
        var validator = SchemaValidator(diagnostics: chains.diagnostics)
        let checked = validator.check(
            entry.options, HostSchemas.source.root, .root("'\(entry.name)'", owner: entry.range))
        chains.diagnostics = validator.diagnostics
        let name = self.name(entry)
        // Its chain is read although a field is wrong: all errors at once.
        let chain = entry.options["chain"].flatMap { node -> ChainSpec? in
            guard node.list != nil else { return nil }
            let at = entry.options.map?.first { $0.key == "chain" }?.keyRange ?? entry.range
            return chains.chain(node, name: name ?? "", protocolName: "resp", owner: at)
        }
        let address = listenAddress(entry)
        if let address { claim(address, name ?? entry.name, entry) }
        guard let checked, let name, let chain, let address else { return nil }
        return SourceSpec(
            name: name, protocolName: "resp", listenAddress: address.text,
            connectionLimit: Int(checked["connection_limit"]?.int ?? 512),
            hardConnectionLimit: checked["hard_connection_limit"]?.bool ?? false,
            idleTimeoutNanoseconds: UInt64(clamping: checked["timeout"]?.int ?? 0), chain: chain,
            position: entry.range)
    }

    private mutating func name(_ entry: ChainReader.Entry) -> String? {
        guard let node = entry.options["name"], let name = node.text, !node.isUnresolved else { return nil }
        guard chains.accept(name: name, node.range) else { return nil }
        if let line = lineOfName[name] {
            chains.diagnostics.error(
                .duplicateName, at: node.range, "two sources are named '\(name)'",
                hint: "the other one stands in line \(line)")
        }
        lineOfName[name] = node.range.start.line
        return name
    }

    private mutating func listenAddress(_ entry: ChainReader.Entry) -> Address? {
        guard let node = entry.options["listen_addr"], let text = node.text, !node.isUnresolved else { return nil }
        return address(node, Address.listening(text))
    }

    /// Reports an address that something else listens on.
    private mutating func claim(_ address: Address, _ owner: String, _ entry: ChainReader.Entry) {
        let clash = addresses.first { address.overlaps($0.address) }
        if let clash {
            let range = entry.options["listen_addr"]?.range ?? entry.range
            let isSame = clash.address.ip == address.ip
            chains.diagnostics.error(
                .duplicateAddress, at: range,
                isSame
                    ? "\(clash.owner) listens on \(address.text) already"
                    : "\(address.text) and \(clash.address.text) of \(clash.owner) share a port",
                hint: "give each its own port")
        }
        addresses.append((address, "'\(owner)'"))
    }
}
