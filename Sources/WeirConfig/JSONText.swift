// Writes JSON. The reading side is ConfigDocument: JSON is YAML.

/// A JSON text under construction.
public struct JSONText: Sendable {
    public private(set) var text = ""

    public init() {}

    /// Appends text that is JSON already.
    public mutating func raw(_ json: String) {
        text += json
    }

    /// Appends a string in quotes, escaped.
    public mutating func string(_ value: String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let hex = String(scalar.value, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        text += "\""
    }

    /// Appends a configuration value. Depth is bounded by the document it came from.
    public mutating func value(_ node: ConfigNode) {
        switch node.value {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .int(let number): text += String(number)
        case .float(let number): text += number.isFinite ? "\(number)" : "null"
        case .text(let string): self.string(string)
        case .list(let items):
            text += "["
            for (i, item) in items.enumerated() {
                if i > 0 { text += "," }
                value(item)
            }
            text += "]"
        case .map(let members):
            text += "{"
            for (i, member) in members.enumerated() {
                if i > 0 { text += "," }
                string(member.key)
                text += ":"
                value(member.value)
            }
            text += "}"
        }
    }
}
