// Builds the tree of values from parser events, on a stack of its own: depth, number of values, what aliases
// repeat and text are counted while building, so a file is refused before it can cost much.
//
//   open ─► frame on the stack ─► scalar/alias/close of a child: complete(node) ─► close ─► complete(parent)
//
// Knows no parser library: its methods are the events. Each returns false when it wants no more.

struct TreeBuilder {
    var diagnostics: DiagnosticList
    private(set) var root: ConfigNode?
    private var stack: [Frame] = []
    private var anchors: [String: ConfigNode] = [:]
    private var nodeCount = 0
    private var textByteCount = 0
    private var documentCount = 0

    private struct Frame {
        let isMap: Bool
        let anchor: String?
        let start: SourcePosition
        var items: [ConfigNode] = []
        var members: [ConfigMember] = []
        var lineOfKey: [String: Int] = [:]
        var key: (text: String, range: SourceRange)?
        var nodeCount = 1
        var textByteCount = 0
    }

    init(diagnostics: DiagnosticList) {
        self.diagnostics = diagnostics
    }

    private var expectsKey: Bool {
        guard let top = stack.indices.last else { return false }
        return stack[top].isMap && stack[top].key == nil
    }

    mutating func documentStart(_ range: SourceRange) -> Bool {
        documentCount += 1
        guard documentCount > 1 else { return true }
        return refuse(
            .severalDocuments, range, "the file holds more than one document", "remove the line '---' and what follows")
    }

    mutating func scalar(_ text: String, isPlain: Bool, tag: String?, anchor: String?, _ range: SourceRange) -> Bool {
        // An escape ("\0") can make what the file itself may not hold; plugins are promised texts without it.
        if text.utf8.contains(0) { return refuse(.controlCharacter, range, "a NUL byte in the text", nil) }
        if expectsKey {
            if let anchor {
                let node = ConfigNode(.text(text), range: range)
                anchors[anchor] = node
            }
            return take(key: text, range)
        }
        guard let value = value(of: text, isPlain: isPlain, tag: tag, range) else { return false }
        var node = ConfigNode(value, range: range)
        node.isEmpty = isPlain && text.isEmpty
        node.textByteCount = text.utf8.count
        if let anchor { anchors[anchor] = node }
        return complete(node)
    }

    mutating func alias(_ name: String, _ range: SourceRange) -> Bool {
        if expectsKey {
            return refuse(.keyNotText, range, "an alias stands where a key is expected", "write the key itself")
        }
        if stack.contains(where: { $0.anchor == name }) {
            return refuse(
                .badAlias, range, "'*\(name)' stands inside of '&\(name)': the value would contain itself", nil)
        }
        guard var node = anchors[name] else {
            let known = NearestWord.hint(name, in: anchors.keys.sorted())
            return refuse(.badAlias, range, "no anchor '&\(name)' stands before this", known)
        }
        node.range = range
        return complete(node)
    }

    mutating func open(isMap: Bool, tag: String?, anchor: String?, _ range: SourceRange) -> Bool {
        if expectsKey {
            return refuse(
                .keyNotText, range, "a list or a map stands where a key is expected",
                "a text that begins with [ or { needs quotes")
        }
        let expected = isMap ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq"
        if let tag, tag != expected, tag != "!" { return refuse(.unknownTag, range, "unknown tag '\(tag)'", nil) }
        guard stack.count < ConfigLimits.maximumDepth else {
            return refuse(
                .tooDeep, range, "nested deeper than \(ConfigLimits.maximumDepth) levels", nil)
        }
        stack.append(Frame(isMap: isMap, anchor: anchor, start: range.start))
        return true
    }

    mutating func close(_ range: SourceRange) -> Bool {
        guard let frame = stack.popLast() else { return true }
        var node = ConfigNode(
            frame.isMap ? .map(frame.members) : .list(frame.items), range: SourceRange(frame.start, range.end))
        node.nodeCount = frame.nodeCount
        node.textByteCount = frame.textByteCount
        if let anchor = frame.anchor { anchors[anchor] = node }
        return complete(node, isCounted: true)
    }

    private mutating func take(key: String, _ range: SourceRange) -> Bool {
        let top = stack.count - 1
        if let line = stack[top].lineOfKey[key] {
            diagnostics.error(
                .duplicateKey, at: range, "the key '\(key)' stands here a second time",
                hint: "it stands in line \(line) already")
        }
        stack[top].lineOfKey[key] = range.start.line
        stack[top].key = (key, range)
        stack[top].textByteCount += key.utf8.count
        textByteCount += key.utf8.count
        return true
    }

    /// A finished value goes to its parent, or is the root.
    private mutating func complete(_ node: ConfigNode, isCounted: Bool = false) -> Bool {
        // What stands inside a collection was counted when it came; an alias counts all that it repeats.
        nodeCount += isCounted ? 1 : node.nodeCount
        textByteCount += isCounted ? 0 : node.textByteCount
        guard nodeCount <= ConfigLimits.maximumNodeCount else {
            return refuse(
                .tooManyValues, node.range,
                "more than \(ConfigLimits.maximumNodeCount) values, those that aliases repeat counted each time", nil)
        }
        guard textByteCount <= ConfigLimits.maximumTextByteCount else {
            return refuse(
                .tooManyValues, node.range,
                "more than \(ConfigLimits.maximumTextByteCount) bytes of text, what aliases repeat counted each time",
                nil)
        }
        guard !stack.isEmpty else {
            root = node
            return true
        }
        let top = stack.count - 1
        stack[top].nodeCount += node.nodeCount
        stack[top].textByteCount += node.textByteCount
        if let key = stack[top].key {
            stack[top].members.append(ConfigMember(key: key.text, keyRange: key.range, value: node))
            stack[top].key = nil
        } else {
            stack[top].items.append(node)
        }
        return true
    }

    private mutating func value(of text: String, isPlain: Bool, tag: String?, _ range: SourceRange)
        -> ConfigNode.Value?
    {
        let prefix = "tag:yaml.org,2002:"
        let kind = tag.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
        if kind == "str" || kind == "!" || (kind == nil && !isPlain) { return .text(text) }
        switch (PlainScalar.resolve(text), kind) {
        case (.intOutOfRange, nil), (.intOutOfRange, "int"):
            _ = refuse(.numberTooLarge, range, "the number is beyond 64 bits", "a text of digits needs quotes")
            return nil
        case (.null, nil), (.null, "null"): return .null
        case (.bool(let flag), nil), (.bool(let flag), "bool"): return .bool(flag)
        case (.int(let number), nil), (.int(let number), "int"): return .int(number)
        case (.int(let number), "float"): return .float(Double(number))
        case (.float(let number), nil), (.float(let number), "float"): return .float(number)
        case (.text, nil): return .text(text)
        default:
            let name = tag ?? ""
            let isCore = kind.map { ["null", "bool", "int", "float"].contains($0) } ?? false
            _ = refuse(
                .unknownTag, range, isCore ? "the tag '\(name)' does not fit this value" : "unknown tag '\(name)'", nil)
            return nil
        }
    }

    private mutating func refuse(_ code: DiagnosticCode, _ range: SourceRange, _ message: String, _ hint: String?)
        -> Bool
    {
        diagnostics.error(code, at: range, message, hint: hint)
        return false
    }
}
