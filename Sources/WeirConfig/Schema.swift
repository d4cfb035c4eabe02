// A compiled option schema: the subset of JSON Schema 2020-12 by which plugins (and the host itself) describe options.
//
// Immutable after compilation. How text becomes this: SchemaCompiler. How values are checked: SchemaValidator.
// The subset is listed in this module's README; a keyword outside of it is refused, never ignored.

/// One thing that is wrong with a schema, in words.
public struct SchemaProblem: Error, Sendable, Equatable {
    /// JSON pointer into the schema; "" is the whole of it.
    public let pointer: String
    public let text: String

    /// `at /properties/ttl: …`
    public var description: String { pointer.isEmpty ? text : "at \(pointer): \(text)" }
}

/// The options of one transform.
public final class OptionsSchema: Sendable {
    let root: SchemaNode

    init(root: SchemaNode) {
        self.root = root
    }

    /// Compiles a schema that came from outside. All problems are told at once; an empty text means no options.
    public static func compile(_ text: String) -> Result<OptionsSchema, SchemaProblems> {
        SchemaCompiler.compile(text, isHost: false)
    }

    /// Names of the options, in the order of the schema.
    public var optionNames: [String] { root.properties.map(\.name) }
}

/// All that is wrong with a schema; never empty.
public struct SchemaProblems: Error, Sendable, Equatable {
    public let list: [SchemaProblem]

    /// In one line.
    public var description: String { list.map(\.description).joined(separator: "; ") }
}

struct SchemaTypes: OptionSet {
    let rawValue: UInt8

    static let null = SchemaTypes(rawValue: 1)
    static let boolean = SchemaTypes(rawValue: 2)
    static let integer = SchemaTypes(rawValue: 4)
    static let number = SchemaTypes(rawValue: 8)
    static let string = SchemaTypes(rawValue: 16)
    static let array = SchemaTypes(rawValue: 32)
    static let object = SchemaTypes(rawValue: 64)

    static let names: [(name: String, type: SchemaTypes, words: String)] = [
        ("null", .null, "null"), ("boolean", .boolean, "true or false"), ("integer", .integer, "a whole number"),
        ("number", .number, "a number"), ("string", .string, "text"), ("array", .array, "a list"),
        ("object", .object, "a map"),
    ]

    /// "text or a whole number"
    var words: String {
        Self.names.filter { contains($0.type) }.map(\.words).joined(separator: " or ")
    }

    /// Whether a value is of one of these types. Empty: any type.
    func accept(_ value: ConfigNode.Value) -> Bool {
        if isEmpty { return true }
        switch value {
        case .null: return contains(.null)
        case .bool: return contains(.boolean)
        case .int: return contains(.integer) || contains(.number)
        case .float: return contains(.number)
        case .text: return contains(.string)
        case .list: return contains(.array)
        case .map: return contains(.object)
        }
    }
}

struct SchemaProperty: Sendable {
    let name: String
    let node: SchemaNode
    /// Other spellings of the key.
    let aliases: [String]
    /// From the host's own upstream schema, not from the plugin.
    var isUpstreamField = false
}

/// Fields of which exactly one group (oneOf) or at least one (anyOf) must be given.
struct SchemaAlternatives: Sendable {
    let groups: [[String]]
    let isExclusive: Bool
}

/// The schema of one value.
final class SchemaNode: Sendable {
    enum Role: Sendable { case plain, chain, upstream }
    enum Additional: Sendable {
        case refused, any
        case schema(SchemaNode)
    }

    /// What can be said about a value; filled by the compiler.
    struct Content: Sendable {
        var types: SchemaTypes = []
        var properties: [SchemaProperty] = []
        var required: [String] = []
        var additional = Additional.refused
        var alternatives: [SchemaAlternatives] = []
        var items: SchemaNode?
        /// enum and const; empty: any value.
        var allowed: [ConfigNode] = []
        var defaultValue: ConfigNode?
        var minimum: ConfigNode.Value?
        var maximum: ConfigNode.Value?
        var minLength = 0
        var maxLength = Int.max
        var minItems = 0
        var maxItems = Int.max
        var role = Role.plain
        var unit: Units.Kind?
        /// What a bare number counts in where its key does not say it; 0: a bare number is refused.
        var bareFactor: Int64 = 0
        /// Host schemas only: said when the value is out of bounds.
        var hint: String?
        /// Host schemas only: the field is known, but what it asks for is not built; its name in words.
        var notBuilt: String?
    }

    let content: Content

    init(_ content: Content) {
        self.content = content
    }

    var properties: [SchemaProperty] { content.properties }

    /// The property that a key means, by its name or an alias.
    func property(_ key: String) -> SchemaProperty? {
        properties.first { $0.name == key } ?? properties.first { $0.aliases.contains(key) }
    }
}
