// One transform of a chain: its options against its schema, its sub-chains, its upstreams.

/// Where a site stands.
struct SitePlace {
    let name: String
    let chain: String
    let protocolName: String

    var path: String { "\(chain)/\(name)" }
}

extension ChainReader {
    mutating func site(_ entry: Entry, _ index: Int, _ place: SitePlace) -> SiteSpec? {
        let schema: OptionsSchema
        switch catalog.schema(index) {
        case .success(let compiled): schema = compiled
        case .failure(let problems):
            let d = catalog.descriptions[index]
            diagnostics.error(
                .pluginBadSchema, at: entry.range,
                "the option schema of '\(d.id)' (plugin \(d.pluginName) \(d.pluginVersion)) is broken: "
                    + problems.description)
            return nil
        }
        var validator = SchemaValidator(diagnostics: diagnostics)
        validator.chainNamePrefix = place.path
        validator.reservedKeys = ["name"]
        let options = validator.check(entry.options, schema.root, .root("'\(entry.name)'", owner: entry.range))
        diagnostics = validator.diagnostics
        var positions = validator.positions
        positions[""] = entry.range
        var subchains: [(pointer: String, chain: ChainSpec)] = []
        for (pointer, node) in validator.chains {
            let chain = chain(
                node, name: place.path + pointer, protocolName: place.protocolName,
                owner: positions[pointer] ?? entry.range)
            if let chain { subchains.append((pointer, chain)) }
        }
        let upstreams = validator.upstreams.compactMap { found in
            upstream(found.fields, owner: found.owner).map { (pointer: found.pointer, upstream: $0) }
        }
        guard let options, subchains.count == validator.chains.count, upstreams.count == validator.upstreams.count
        else { return nil }
        var json = JSONText()
        json.value(options)
        return SiteSpec(
            name: place.name, transformID: catalog.descriptions[index].id, descriptionIndex: index,
            protocolName: place.protocolName, options: ConfigTape(options), optionsJSON: json.text,
            subchains: subchains, upstreams: upstreams, position: entry.range, positions: positions)
    }

    /// The fields fit the host's schema; what is left is what a schema cannot say.
    private mutating func upstream(_ fields: ConfigNode, owner: SourceRange) -> UpstreamSpec? {
        guard let address = fields["remote_address"], let text = address.text else { return nil }
        if fields["username"] != nil, fields["password"] == nil {
            diagnostics.error(
                .fieldCombination, at: owner, "an upstream with 'username' needs 'password'",
                hint: "Redis authenticates with both, or with the password alone")
            return nil
        }
        switch Address.upstream(text) {
        case .failure(let failure):
            let isSecret = address.reference != nil
            diagnostics.error(
                .badAddress, at: address.range,
                isSecret ? "the referenced value is no valid address" : failure.message,
                hint: isSecret ? nil : failure.hint)
            return nil
        case .success(let parsed):
            // The defaults are those of HostSchemas.upstream, which has filled them in.
            return UpstreamSpec(
                addresses: [parsed.text],
                connectTimeoutNanoseconds: UInt64(clamping: fields["connect_timeout_ms"]?.int ?? 3_000_000_000),
                requestTimeoutNanoseconds: UInt64(clamping: fields["request_timeout"]?.int ?? 30_000_000_000),
                connectionCount: Int(fields["connection_count"]?.int ?? 1),
                maximumPinnedConnections: Int(fields["maximum_pinned_connections"]?.int ?? 10_000),
                user: fields["username"]?.text, password: fields["password"]?.text, position: owner)
        }
    }
}
