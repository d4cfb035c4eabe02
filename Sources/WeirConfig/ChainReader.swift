// A list of transforms → ChainSpec: names, options, protocols, sinks; sub-chains and upstreams inside of options.
//
// Recursion into sub-chains is bounded by the depth of the document. A site that is wrong is reported and left out,
// so that everything else of the file is still checked.

/// The transforms that are there, with their compiled schemas.
struct Catalog {
    let descriptions: [TransformDescription]
    private let schemas: [Result<OptionsSchema, SchemaProblems>]
    private let indexOfID: [String: Int]

    init(_ descriptions: [TransformDescription]) {
        self.descriptions = descriptions
        schemas = descriptions.map { OptionsSchema.compile($0.schemaText) }
        indexOfID = Dictionary(descriptions.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func schema(_ index: Int) -> Result<OptionsSchema, SchemaProblems> { schemas[index] }

    /// RedisX and ValkeyX are one transform, whichever of the two the plugin calls it.
    func index(of name: String) -> Int? {
        indexOfID[name] ?? Self.otherSpelling(name).flatMap { indexOfID[$0] }
    }

    static func otherSpelling(_ name: String) -> String? {
        if name.hasPrefix("Valkey") { return "Redis" + name.dropFirst(6) }
        if name.hasPrefix("Redis") { return "Valkey" + name.dropFirst(5) }
        return nil
    }

    /// The transform that was probably meant, spelled in the family (Redis or Valkey) that the user writes.
    func nearest(_ name: String) -> (name: String, index: Int)? {
        let others = descriptions.compactMap { Self.otherSpelling($0.id) }
        guard let found = NearestWord.find(name, in: descriptions.map(\.id) + others), let index = index(of: found)
        else { return nil }
        return (found, index)
    }
}

struct ChainReader {
    let catalog: Catalog
    var diagnostics: DiagnosticList

    /// One list entry `- Kind: options`.
    struct Entry {
        let name: String
        let range: SourceRange
        /// A map; empty when there are none.
        let options: ConfigNode
    }

    init(catalog: Catalog, diagnostics: DiagnosticList) {
        self.catalog = catalog
        self.diagnostics = diagnostics
    }

    /// Transforms of Shotover that a plugin would have to bring.
    static let shotoverTransforms = [
        "CassandraSinkCluster", "CassandraSinkSingle", "CassandraPeersRewrite", "KafkaSinkCluster", "KafkaSinkSingle",
        "RedisSinkCluster", "RedisSinkSingle", "RedisClusterPortsRewrite", "RedisCache", "Tee", "Coalesce",
        "ParallelMap", "QueryCounter", "QueryTypeFilter", "RequestThrottling", "ConnectionBalanceAndPool", "NullSink",
        "DebugPrinter", "DebugReturner", "DebugForceParse", "DebugForceEncode", "DebugLogToFile",
        "OpenSearchSinkSingle", "Protect",
    ]

    // MARK: entries

    mutating func entry(_ node: ConfigNode, noun: String, names: [String]) -> Entry? {
        let nothing = ConfigNode(.map([]), range: node.range)
        if let name = node.text, node.reference == nil { return Entry(name: name, range: node.range, options: nothing) }
        guard let members = node.map, !members.isEmpty else {
            diagnostics.error(
                .entryShape, at: node.range, "an entry of this list is a \(noun), this is \(node.kindInWords)",
                hint: "write '- Name:' and its options below, indented")
            return nil
        }
        guard members.count == 1 else {
            let isUnindented = members[0].value.isEmpty
            let hint =
                isUnindented
                ? "indent the options of '\(members[0].key)' deeper than its name"
                : "begin each \(noun) with '- '"
            diagnostics.error(
                .entryShape, at: members[1].keyRange, "a second key in the entry of '\(members[0].key)'", hint: hint)
            return nil
        }
        let member = members[0]
        if member.value.isNull { return Entry(name: member.key, range: member.keyRange, options: nothing) }
        guard member.value.map != nil else {
            let hint = names.contains(member.key) ? nil : NearestWord.hint(member.key, in: names)
            diagnostics.error(
                .entryShape, at: member.keyRange,
                "the options of '\(member.key)' are a map, this is \(member.value.kindInWords)",
                hint: hint ?? "write each option as 'field: value' below the name")
            return nil
        }
        return Entry(name: member.key, range: member.keyRange, options: member.value)
    }

    /// Names label metrics and logs, so they are short and printable.
    mutating func accept(name: String, _ range: SourceRange) -> Bool {
        if name.isEmpty {
            diagnostics.error(.badName, at: range, "the name is empty", hint: "metrics and logs are labelled with it")
        } else if name.unicodeScalars.count > 128 {
            diagnostics.error(.badName, at: range, "the name has more than 128 characters")
        } else if name.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) {
            diagnostics.error(.badName, at: range, "the name has a control character in it")
        } else {
            return true
        }
        return false
    }

    // MARK: chains

    mutating func chain(_ node: ConfigNode, name: String, protocolName: String, owner: SourceRange) -> ChainSpec? {
        guard let items = node.list, !items.isEmpty else {
            diagnostics.error(
                .emptyChain, at: owner, "the chain has no transforms", hint: "it needs at least a sink at its end")
            return nil
        }
        let entries = items.map { entry($0, noun: "transform", names: catalog.descriptions.map(\.id)) }
        let indices = entries.map { $0.flatMap { self.transform($0) } }
        let names = siteNames(entries, indices)
        var sites: [SiteSpec] = []
        // Nil behind a transform that is not known: what it passes on is not known either.
        var spoken: String? = protocolName
        for (i, entry) in entries.enumerated() {
            guard let entry, let index = indices[i] else {
                spoken = nil
                continue
            }
            let description = catalog.descriptions[index]
            if let spoken { checkProtocol(spoken, description, entry, isFirst: i == 0) }
            checkSink(description, entry, isLast: i == items.count - 1, spoken)
            let place = SitePlace(name: names[i], chain: name, protocolName: spoken ?? protocolName)
            if let site = site(entry, index, place) { sites.append(site) }
            spoken = spoken.map { description.emitted(from: $0) }
            if spoken == "" { spoken = nil }
        }
        guard sites.count == items.count else { return nil }
        return ChainSpec(name: name, protocolName: protocolName, sites: sites)
    }

    private mutating func transform(_ entry: Entry) -> Int? {
        if let index = catalog.index(of: entry.name) { return index }
        if !diagnostics.isFull, let nearest = catalog.nearest(entry.name) {
            let d = catalog.descriptions[nearest.index]
            diagnostics.error(
                .unknownTransform, at: entry.range, "no transform '\(entry.name)'",
                hint: "did you mean '\(nearest.name)' (plugin \(d.pluginName) \(d.pluginVersion))?")
            return nil
        }
        let spellings = [entry.name, Catalog.otherSpelling(entry.name) ?? entry.name]
        let isShotover = Self.shotoverTransforms.contains(where: spellings.contains)
        let hint =
            isShotover
            ? "Shotover has it, but none of the plugins that were found offers it"
            : catalog.descriptions.isEmpty ? "no plugins were found" : "'weir plugins list' shows what there is"
        diagnostics.error(.unknownTransform, at: entry.range, "no transform '\(entry.name)'", hint: hint)
        return nil
    }

    private mutating func checkProtocol(
        _ spoken: String, _ description: TransformDescription, _ entry: Entry, isFirst: Bool
    ) {
        guard !description.accepts(protocol: spoken) else { return }
        let before = isFirst ? "the requests that enter this chain are" : "the transform before it passes on"
        diagnostics.error(
            .protocolMismatch, at: entry.range,
            "'\(entry.name)' takes \(description.accepts), but \(before) \(spoken)")
    }

    private mutating func checkSink(
        _ description: TransformDescription, _ entry: Entry, isLast: Bool, _ spoken: String?
    ) {
        if description.isSink, !isLast {
            diagnostics.error(
                .sinkNotLast, at: entry.range, "'\(entry.name)' is a sink, but not the last of its chain",
                hint: "no request would reach what stands behind it")
        }
        guard isLast, !description.isSink else { return }
        let sinks = catalog.descriptions.filter { sink in
            sink.isSink && spoken.map { sink.accepts(protocol: $0) } ?? true
        }
        .map(\.id)
        diagnostics.error(
            .noSink, at: entry.range, "the chain ends in '\(entry.name)', which is not a sink",
            hint: sinks.isEmpty
                ? "nobody would answer the requests" : "end it with \(sinks.prefix(3).joined(separator: " or "))")
    }

    /// Given names, and for the others the transform's id, numbered where there are several.
    private mutating func siteNames(_ entries: [Entry?], _ indices: [Int?]) -> [String] {
        var given: [String?] = []
        var lineOfName: [String: Int] = [:]
        for (i, entry) in entries.enumerated() {
            guard let entry, let node = nameNode(entry, indices[i]), !node.isUnresolved else {
                given.append(nil)
                continue
            }
            guard let name = node.text else {
                diagnostics.error(.wrongType, at: node.range, "'name' must be text, but is \(node.kindInWords)")
                given.append(nil)
                continue
            }
            given.append(accept(name: name, node.range) ? name : nil)
            if let line = lineOfName[name] {
                diagnostics.error(
                    .duplicateName, at: node.range, "two transforms of this chain are named '\(name)'",
                    hint: "the other one stands in line \(line)")
            }
            lineOfName[name] = node.range.start.line
        }
        var used = Set(lineOfName.keys)
        var lastNumber: [String: Int] = [:]
        return given.enumerated().map { i, name in
            if let name { return name }
            let base = indices[i].map { catalog.descriptions[$0].id } ?? entries[i]?.name ?? ""
            var candidate = base
            var number = lastNumber[base] ?? 1
            while used.contains(candidate) {
                number += 1
                candidate = "\(base)-\(number)"
            }
            lastNumber[base] = number
            used.insert(candidate)
            return candidate
        }
    }

    /// `name` is the site's, unless the transform has it as another spelling of an option that is not given: in
    /// Shotover 0.7 `QueryCounter: {name: main}` means what 0.8 calls counter_name.
    private func nameNode(_ entry: Entry, _ index: Int?) -> ConfigNode? {
        guard let node = entry.options["name"], let index, case .success(let schema) = catalog.schema(index) else {
            return entry.options["name"]
        }
        if schema.root.properties.contains(where: { $0.name == "name" }) { return node }
        let isOption = schema.root.properties.contains { property in
            property.aliases.contains("name") && entry.options[property.name] == nil
        }
        return isOption ? nil : node
    }
}
