// Schema text → SchemaNode, or all that is wrong with it. The text is a plugin's: it comes from outside.
//
// Depth is bounded by the document (ConfigLimits). Knows nothing of topologies; the fields of an upstream come from
// HostSchemas when a node is marked "x-weir":"upstream".

struct SchemaCompiler {
    private var problems: [SchemaProblem] = []
    private let isHost: Bool

    static let keywords = [
        "type", "properties", "required", "additionalProperties", "enum", "const", "default", "minimum", "maximum",
        "minLength", "maxLength", "items", "minItems", "maxItems", "oneOf", "anyOf", "x-weir", "x-unit", "x-aliases",
        "x-bare",
    ]
    /// Say something to people only.
    static let annotations = ["description", "title", "examples", "deprecated", "$schema", "$id", "$comment"]

    private init(isHost: Bool) {
        self.isHost = isHost
    }

    static func compile(_ text: String, isHost: Bool) -> Result<OptionsSchema, SchemaProblems> {
        let document = ConfigDocument(text: text, file: "schema")
        guard let root = document.root else {
            let problems = document.diagnostics.sorted.map { d in
                let at = d.range?.start ?? SourcePosition(line: 1, column: 1)
                return SchemaProblem(pointer: "", text: "line \(at.line), column \(at.column): \(d.message)")
            }
            return .failure(SchemaProblems(list: problems))
        }
        var compiler = SchemaCompiler(isHost: isHost)
        let isNothing = root.isNull && root.isEmpty || text.utf8.allSatisfy { $0 == 0x20 || $0 == 0x0A }
        let schema = isNothing ? ConfigNode(.map([]), range: root.range) : root
        let node = compiler.node(schema, "", isRoot: true)
        guard compiler.problems.isEmpty else { return .failure(SchemaProblems(list: compiler.problems)) }
        return .success(OptionsSchema(root: node))
    }

    private mutating func problem(_ pointer: String, _ text: String) {
        if problems.count < 20 { problems.append(SchemaProblem(pointer: pointer, text: text)) }
    }

    private mutating func node(_ schema: ConfigNode, _ pointer: String, isRoot: Bool = false) -> SchemaNode {
        var content = SchemaNode.Content()
        guard let members = schema.map else {
            problem(pointer, "a schema is a JSON object, this is \(schema.kindInWords)")
            return SchemaNode(content)
        }
        for member in members { apply(member, pointer + JSONPointer.step(member.key), &content) }
        infer(&content, isRoot: isRoot)
        if content.role == .upstream { addUpstream(&content, pointer) }
        checkNames(content, pointer)
        let node = SchemaNode(content)
        if let value = content.defaultValue,
            let text = SchemaValidator.misfit(of: value, to: node, key: lastKey(pointer))
        {
            problem(pointer + "/default", "the default does not fit its own schema: \(text)")
        }
        return node
    }

    private func lastKey(_ pointer: String) -> String {
        JSONPointer.parts(pointer).last ?? ""
    }

    private mutating func apply(_ member: ConfigMember, _ pointer: String, _ content: inout SchemaNode.Content) {
        let value = member.value
        switch member.key {
        case "type": content.types = types(value, pointer)
        case "properties": content.properties = properties(value, pointer)
        case "required": content.required = texts(value, pointer)
        case "additionalProperties":
            if let flag = value.bool {
                content.additional = flag ? .any : .refused
            } else {
                content.additional = .schema(node(value, pointer))
            }
        case "items": content.items = node(value, pointer)
        case "enum":
            content.allowed = value.list ?? []
            if content.allowed.isEmpty { problem(pointer, "'enum' must be a list with at least one value") }
        case "const": content.allowed = [value]
        case "default": content.defaultValue = value
        case "minimum": content.minimum = bound(value, pointer)
        case "maximum": content.maximum = bound(value, pointer)
        case "minLength": content.minLength = count(value, pointer)
        case "maxLength": content.maxLength = count(value, pointer)
        case "minItems": content.minItems = count(value, pointer)
        case "maxItems": content.maxItems = count(value, pointer)
        case "oneOf": content.alternatives.append(alternatives(value, pointer, isExclusive: true))
        case "anyOf": content.alternatives.append(alternatives(value, pointer, isExclusive: false))
        default: applyAnnotation(member, pointer, &content)
        }
    }

    private mutating func applyAnnotation(
        _ member: ConfigMember, _ pointer: String, _ content: inout SchemaNode.Content
    ) {
        let text = member.value.text
        switch member.key {
        case "x-weir":
            switch text {
            case "chain": content.role = .chain
            case "upstream": content.role = .upstream
            default: problem(pointer, "'x-weir' is \"chain\" or \"upstream\"")
            }
        case "x-unit":
            content.unit = text.flatMap(Units.Kind.init(rawValue:))
            if content.unit == nil { problem(pointer, "'x-unit' is \"duration\" or \"bytes\"") }
        case "x-bare":
            let factor = text.flatMap { name in (Units.durations + Units.sizes).first { $0.name == name }?.factor }
            content.bareFactor = factor ?? 0
            if factor == nil { problem(pointer, "'x-bare' is a unit such as \"s\" or \"MiB\"") }
        case "x-hint" where isHost: content.hint = text
        case "x-not-built" where isHost: content.notBuilt = text
        case let key:
            if key.hasPrefix("x-") || Self.annotations.contains(key) { return }
            let hint = NearestWord.hint(key, in: Self.keywords).map { "; \($0)" } ?? ""
            problem(pointer, "the keyword '\(key)' is not part of the supported subset of JSON Schema\(hint)")
        }
    }

    /// What a schema leaves out but clearly means: most schemas give no "type" beside "properties".
    private func infer(_ content: inout SchemaNode.Content, isRoot: Bool) {
        if content.unit != nil { content.types = .integer }
        guard content.types.isEmpty, content.allowed.isEmpty else { return }
        if isRoot || content.role == .upstream || !content.properties.isEmpty || !content.required.isEmpty {
            content.types = .object
        } else if content.items != nil || content.role == .chain {
            content.types = .array
        } else if case .schema = content.additional {
            content.types = .object
        }
    }

    private mutating func addUpstream(_ content: inout SchemaNode.Content, _ pointer: String) {
        for field in HostSchemas.upstream.root.properties {
            if content.properties.contains(where: { $0.name == field.name || field.aliases.contains($0.name) }) {
                problem(pointer, "'\(field.name)' is a field of every upstream and cannot be declared again")
                continue
            }
            var field = field
            field.isUpstreamField = true
            content.properties.append(field)
        }
        content.required += HostSchemas.upstream.root.content.required
    }

    private mutating func checkNames(_ content: SchemaNode.Content, _ pointer: String) {
        let names = Set(content.properties.map(\.name))
        let isOpen =
            switch content.additional {
            case .refused: false
            case .any, .schema: true
            }
        let groups = content.alternatives.flatMap(\.groups).joined()
        for name in content.required + groups where !names.contains(name) && !isOpen {
            problem(pointer, "'\(name)' is required, but no property of that name is declared")
        }
        if content.minLength > content.maxLength || content.minItems > content.maxItems {
            problem(pointer, "a minimum is greater than its maximum")
        }
    }

    // MARK: values of keywords

    private mutating func types(_ value: ConfigNode, _ pointer: String) -> SchemaTypes {
        let names = value.text.map { [$0] } ?? value.list?.compactMap(\.text) ?? []
        var types: SchemaTypes = []
        for name in names {
            if let known = SchemaTypes.names.first(where: { $0.name == name }) {
                types.insert(known.type)
            } else {
                let hint = NearestWord.hint(name, in: SchemaTypes.names.map(\.name)).map { "; \($0)" } ?? ""
                problem(pointer, "'\(name)' is not a type\(hint)")
            }
        }
        if names.isEmpty { problem(pointer, "'type' is a name or a list of names") }
        return types
    }

    private mutating func properties(_ value: ConfigNode, _ pointer: String) -> [SchemaProperty] {
        guard let members = value.map else {
            problem(pointer, "'properties' is a JSON object, this is \(value.kindInWords)")
            return []
        }
        return members.map { member in
            let here = pointer + JSONPointer.step(member.key)
            let aliases = member.value["x-aliases"].map { texts($0, here + "/x-aliases") } ?? []
            return SchemaProperty(name: member.key, node: node(member.value, here), aliases: aliases)
        }
    }

    private mutating func texts(_ value: ConfigNode, _ pointer: String) -> [String] {
        let texts = value.list?.compactMap(\.text)
        guard let texts, texts.count == value.list?.count else {
            problem(pointer, "this must be a list of names")
            return []
        }
        return texts
    }

    private mutating func count(_ value: ConfigNode, _ pointer: String) -> Int {
        guard let number = value.int, number >= 0 else {
            problem(pointer, "this must be a whole number, 0 or more")
            return 0
        }
        return Int(number)
    }

    private mutating func bound(_ value: ConfigNode, _ pointer: String) -> ConfigNode.Value? {
        switch value.value {
        case .int, .float: return value.value
        default:
            problem(pointer, "this must be a number (nanoseconds or bytes where the value has a unit)")
            return nil
        }
    }

    private mutating func alternatives(_ value: ConfigNode, _ pointer: String, isExclusive: Bool)
        -> SchemaAlternatives
    {
        var groups: [[String]] = []
        for (i, item) in (value.list ?? []).enumerated() {
            guard let members = item.map, members.count == 1, members[0].key == "required" else {
                problem("\(pointer)/\(i)", "only {\"required\": [...]} is supported here")
                continue
            }
            groups.append(texts(members[0].value, "\(pointer)/\(i)/required"))
        }
        if value.list?.isEmpty ?? true { problem(pointer, "this must be a list of {\"required\": [...]}") }
        return SchemaAlternatives(groups: groups, isExclusive: isExclusive)
    }
}

/// JSON pointers (RFC 6901).
public enum JSONPointer {
    /// "/" and an escaped key.
    public static func step(_ key: String) -> String {
        var step = "/"
        for character in key {
            switch character {
            case "~": step += "~0"
            case "/": step += "~1"
            default: step.append(character)
            }
        }
        return step
    }

    /// The keys of a pointer, unescaped.
    public static func parts(_ pointer: String) -> [String] {
        pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { part in
            var text = ""
            var isEscape = false
            for character in part {
                if isEscape {
                    text.append(character == "1" ? "/" : character == "0" ? "~" : character)
                    isEscape = false
                } else if character == "~" {
                    isEscape = true
                } else {
                    text.append(character)
                }
            }
            return text
        }
    }
}
