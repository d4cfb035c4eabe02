// A configuration value with its place in the file.
//
// A tree of plain values: what the YAML parser builds, what schemas check, what the tape is made from.
// Trees are at most ConfigLimits.maximumDepth deep, so recursion over them is bounded.

/// Bounds on everything that is read from a configuration file or a plugin's schema.
public enum ConfigLimits {
    public static let maximumFileByteCount = 4 << 20
    public static let maximumDepth = 64
    /// Values in one file, those that aliases repeat counted each time.
    public static let maximumNodeCount = 100_000
    /// Bytes of text in one file, those that aliases repeat counted each time.
    public static let maximumTextByteCount = 16 << 20
    public static let maximumReferencedFileByteCount = 64 << 10
}

/// One key of a map with its value.
public struct ConfigMember: Sendable {
    public let key: String
    public let keyRange: SourceRange
    public var value: ConfigNode

    public init(key: String, keyRange: SourceRange, value: ConfigNode) {
        self.key = key
        self.keyRange = keyRange
        self.value = value
    }
}

/// One value.
public struct ConfigNode: Sendable {
    public indirect enum Value: Sendable {
        case null
        case bool(Bool)
        case int(Int64)
        case float(Double)
        case text(String)
        case list([ConfigNode])
        case map([ConfigMember])
    }

    public var value: Value
    public var range: SourceRange
    /// The file's text when the value came from `${env:…}` or `${file:…}`: such a value is shown by this name only,
    /// and its text becomes a number or a bool where one is wanted.
    public var reference: String?
    /// The reference led nowhere, which was reported: nothing more is to be said about this value.
    var isUnresolved = false
    /// A key was written with nothing behind it (`timeout:`), which is not the same as `null`.
    public var isEmpty = false
    /// Values in this tree, this one included, aliases expanded.
    var nodeCount = 1
    /// Bytes of text in this tree, aliases expanded.
    var textByteCount = 0

    public init(_ value: Value, range: SourceRange) {
        self.value = value
        self.range = range
    }

    public var isNull: Bool {
        if case .null = value { return true }
        return false
    }

    public var text: String? {
        if case .text(let text) = value { return text }
        return nil
    }

    public var int: Int64? {
        if case .int(let number) = value { return number }
        return nil
    }

    public var bool: Bool? {
        if case .bool(let flag) = value { return flag }
        return nil
    }

    public var list: [ConfigNode]? {
        if case .list(let items) = value { return items }
        return nil
    }

    public var map: [ConfigMember]? {
        if case .map(let members) = value { return members }
        return nil
    }

    /// The value of a key, when this is a map that has it.
    public subscript(key: String) -> ConfigNode? {
        map?.first { $0.key == key }?.value
    }

    /// The kind of value in words: "text", "a whole number", "a list" …
    public var kindInWords: String {
        switch value {
        case .null: isEmpty ? "empty" : "null"
        case .bool: "true or false"
        case .int: "a whole number"
        case .float: "a number with a fraction"
        case .text: "text"
        case .list: "a list"
        case .map: "a map"
        }
    }

    /// Equal as values, wherever they stand.
    public func hasSameValue(as other: ConfigNode) -> Bool {
        switch (value, other.value) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.int(let a), .int(let b)): return a == b
        case (.float(let a), .float(let b)): return a == b
        case (.int(let a), .float(let b)): return Double(a) == b
        case (.float(let a), .int(let b)): return a == Double(b)
        case (.text(let a), .text(let b)): return a == b
        case (.list(let a), .list(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { $0.hasSameValue(as: $1) }
        case (.map(let a), .map(let b)):
            return a.count == b.count
                && a.allSatisfy { member in other[member.key].map { member.value.hasSameValue(as: $0) } ?? false }
        default: return false
        }
    }
}
