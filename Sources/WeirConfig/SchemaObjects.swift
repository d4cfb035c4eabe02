// The map half of SchemaValidator: known, unknown, missing and doubled fields, aliases, defaults, alternatives.

extension SchemaValidator {
    mutating func object(_ value: ConfigNode, _ members: [ConfigMember], _ schema: SchemaNode, _ place: Place)
        -> ConfigNode?
    {
        let content = schema.content
        let errorsBefore = diagnostics.count
        var taken = Set<String>()
        var result: [ConfigMember] = []
        var presentNames = Set<String>()
        let suspects = unknownFields(members, schema, place)
        for property in content.properties {
            guard let member = given(property, members, schema, &taken) else {
                if var value = property.node.content.defaultValue {
                    value.range = place.owner
                    let here = self.place(of: property.name, key: property.name, in: place, owner: place.owner)
                    if let value = check(value, property.node, here) {
                        result.append(ConfigMember(key: property.name, keyRange: place.owner, value: value))
                    }
                }
                continue
            }
            presentNames.insert(property.name)
            let here = self.place(of: property.name, key: member.key, in: place, owner: member.keyRange)
            positions[here.pointer] = Self.isScalar(member.value) ? member.value.range : member.keyRange
            if let value = check(member.value, property.node, here) {
                result.append(ConfigMember(key: property.name, keyRange: member.keyRange, value: value))
            }
        }
        additional(members, schema, place, &result, &presentNames)
        missing(content, presentNames, suspects, place)
        // An upstream is noted although other fields are wrong: its address is checked all the same.
        if content.role == .upstream { result = split(result, schema, place) }
        guard diagnostics.count == errorsBefore else { return nil }
        var node = value
        node.value = .map(result)
        return node
    }

    private func place(of name: String, key: String, in parent: Place, owner: SourceRange) -> Place {
        Place(pointer: parent.pointer + JSONPointer.step(name), name: "'\(key)'", key: key, owner: owner)
    }

    private static func isScalar(_ node: ConfigNode) -> Bool {
        node.map == nil && node.list == nil && !node.isEmpty
    }

    /// The member that gives a property: by its name, else by an alias. An explicit `null` for an optional field is
    /// the same as leaving it out.
    private mutating func given(
        _ property: SchemaProperty, _ members: [ConfigMember], _ schema: SchemaNode, _ taken: inout Set<String>
    ) -> ConfigMember? {
        var found: ConfigMember?
        for key in [property.name] + property.aliases {
            guard let member = members.first(where: { $0.key == key }), !taken.contains(key) else { continue }
            if key != property.name, schema.properties.contains(where: { $0.name == key }) { continue }
            if let first = found {
                // `name` beside `counter_name` is the name of the site.
                if reservedKeys.contains(key) { continue }
                diagnostics.error(
                    .fieldTwice, at: member.keyRange, "'\(key)' is another name of '\(property.name)'",
                    hint: "'\(first.key)' stands in line \(first.keyRange.start.line) already; remove one of them")
                taken.insert(key)
                continue
            }
            taken.insert(key)
            found = member
        }
        guard let member = found, member.value.isNull, !member.value.isEmpty else { return found }
        let isNullable = property.node.content.types.isEmpty || property.node.content.types.contains(.null)
        return isNullable || schema.content.required.contains(property.name) ? member : nil
    }

    /// Reports keys that nobody knows; returns the known names that were probably meant.
    private mutating func unknownFields(_ members: [ConfigMember], _ schema: SchemaNode, _ place: Place)
        -> Set<String>
    {
        guard case .refused = schema.content.additional else { return [] }
        let isRoot = place.pointer.isEmpty
        var names: [String] = []
        for property in schema.properties where property.node.content.notBuilt == nil {
            names.append(property.name)
            names += property.aliases
        }
        if isRoot { names += reservedKeys.filter { !names.contains($0) } }
        var suspects = Set<String>()
        let given = Set(members.map(\.key))
        for member in members {
            if schema.property(member.key) != nil || (isRoot && reservedKeys.contains(member.key)) { continue }
            let nearest =
                diagnostics.isFull
                ? nil
                : NearestWord.find(member.key, in: names.filter { !given.contains($0) })
                    ?? NearestWord.find(member.key, in: names)
            if let nearest, let property = schema.property(nearest) { suspects.insert(property.name) }
            if let nearest { suspects.insert(nearest) }
            diagnostics.error(
                .unknownField, at: member.keyRange, "\(place.name) has no field '\(member.key)'",
                hint: nearest.map { "did you mean '\($0)'?" } ?? Self.list(names, member.key))
        }
        return suspects
    }

    private static func list(_ names: [String], _ key: String) -> String? {
        if key == "<<" { return "merge keys are not part of YAML 1.2" }
        if names.isEmpty { return "it has no options" }
        return names.count > 12 ? nil : "its fields are " + names.joined(separator: ", ")
    }

    /// Members that the schema does not name, where it allows such.
    private mutating func additional(
        _ members: [ConfigMember], _ schema: SchemaNode, _ place: Place, _ result: inout [ConfigMember],
        _ present: inout Set<String>
    ) {
        let isRoot = place.pointer.isEmpty
        for member in members where schema.property(member.key) == nil {
            if isRoot && reservedKeys.contains(member.key) { continue }
            let here = self.place(of: member.key, key: member.key, in: place, owner: member.keyRange)
            switch schema.content.additional {
            case .refused: continue
            case .any:
                present.insert(member.key)
                positions[here.pointer] = Self.isScalar(member.value) ? member.value.range : member.keyRange
                result.append(member)
            case .schema(let schema):
                present.insert(member.key)
                positions[here.pointer] = Self.isScalar(member.value) ? member.value.range : member.keyRange
                if let value = check(member.value, schema, here) {
                    result.append(ConfigMember(key: member.key, keyRange: member.keyRange, value: value))
                }
            }
        }
    }

    private mutating func missing(
        _ content: SchemaNode.Content, _ present: Set<String>, _ suspects: Set<String>, _ place: Place
    ) {
        for name in content.required where !present.contains(name) && !suspects.contains(name) {
            diagnostics.error(.missingField, at: place.owner, "\(place.name) needs '\(name)'")
        }
        for alternatives in content.alternatives {
            let names = alternatives.groups.map { "'" + $0.joined(separator: "' and '") + "'" }
            let met = alternatives.groups.count { $0.allSatisfy(present.contains) }
            let isSuspected = alternatives.groups.contains { $0.contains(where: suspects.contains) }
            if met == 0, !isSuspected {
                let which = alternatives.isExclusive ? "exactly one of" : "at least one of"
                diagnostics.error(
                    .fieldCombination, at: place.owner, "\(place.name) needs \(which) \(names.joined(separator: ", "))")
            } else if met > 1, alternatives.isExclusive {
                let given = alternatives.groups.filter { $0.allSatisfy(present.contains) }
                    .map { "'" + $0.joined(separator: "' and '") + "'" }
                diagnostics.error(
                    .fieldCombination, at: place.owner,
                    "\(place.name) has \(given.joined(separator: " and ")), which exclude each other",
                    hint: "keep one of them")
            }
        }
    }

    /// Takes the fields of an upstream out; what the plugin gets has no credentials.
    private mutating func split(_ members: [ConfigMember], _ schema: SchemaNode, _ place: Place) -> [ConfigMember] {
        let names = Set(schema.properties.filter(\.isUpstreamField).map(\.name))
        let fields = members.filter { names.contains($0.key) }
        noteUpstream(ConfigNode(.map(fields), range: place.owner), place)
        return members.filter { !names.contains($0.key) || !HostSchemas.secretUpstreamFields.contains($0.key) }
    }
}
