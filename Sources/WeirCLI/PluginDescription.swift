// A plugin in words: what `weir plugins list` and `info` print about it, for people and as JSON.

import WeirConfig
import WeirPlugins

struct PluginDescription {
    private let name: String
    private let version: String
    private let path: String
    private let byteCount: Int
    private let abi: String
    private let builtWith: String
    private let neededLibc: String?
    private let transforms: [TransformDescription]

    init(_ plugin: LoadedPlugin) {
        name = plugin.name
        version = plugin.version
        path = plugin.file.path
        byteCount = plugin.file.byteCount
        abi = "1.\(plugin.abiMinor)"
        builtWith = plugin.builtWith
        neededLibc = plugin.file.neededLibc
        transforms = plugin.transforms.map(\.description)
    }

    /// A line for the plugin and one for each transform.
    var listText: String {
        let width = transforms.map(\.id.count).max() ?? 0
        let rows = transforms.map { "  \(padded($0.id, width))  \($0.summary.isEmpty ? flow($0) : $0.summary)\n" }
        return "\(name) \(version)  \(path)\n" + rows.joined()
    }

    var infoText: String {
        var text = "\(name) \(version)\n"
        text += "  file        \(path) (\(byteCount) bytes)\n"
        text += "  plugin ABI  \(abi)\n"
        if !builtWith.isEmpty { text += "  built with  \(builtWith)\n" }
        if let neededLibc { text += "  needs       glibc \(neededLibc) or newer\n" }
        for transform in transforms {
            text += "\n\(transform.id) \(transform.version)\n"
            if !transform.summary.isEmpty { text += "  \(transform.summary)\n" }
            text += "  requests    \(flow(transform))\n"
            text += options(of: transform)
        }
        return text
    }

    /// "resp → the same", "resp, a sink"
    private func flow(_ transform: TransformDescription) -> String {
        let accepts = transform.accepts == "*" ? "every protocol" : transform.accepts
        if transform.isSink { return "\(accepts), a sink" }
        return transform.emits == "=" ? accepts : "\(accepts), passed on as \(transform.emits)"
    }

    private func options(of transform: TransformDescription) -> String {
        let schema = ConfigDocument(text: transform.schemaText, file: transform.id).root
        let properties = schema?["properties"]?.map ?? []
        // Of a transform that is an upstream as a whole.
        let isUpstream = schema?["x-weir"]?.text == "upstream"
        if properties.isEmpty { return "  options     \(isUpstream ? "those of an upstream" : "none")\n" }
        let required = (schema?["required"]?.list ?? []).compactMap(\.text)
        let width = min(32, properties.map(\.key.count).max() ?? 0)
        var text = "  options\(isUpstream ? "     those of an upstream, and" : "")\n"
        for property in properties {
            var words = [kind(of: property.value)]
            if required.contains(property.key) { words.append("required") }
            if let value = property.value["default"] { words.append("default \(json(value))") }
            if let about = property.value["description"]?.text { words.append(about) }
            text += "    \(padded(property.key, width))  \(words.filter { !$0.isEmpty }.joined(separator: ", "))\n"
        }
        return text
    }

    private func kind(of property: ConfigNode) -> String {
        if let values = property["enum"]?.list { return values.map(json).joined(separator: " or ") }
        if let special = property["x-weir"]?.text { return special == "chain" ? "a chain" : "an upstream" }
        if let unit = property["x-unit"]?.text { return unit == "duration" ? "a duration" : "a size" }
        if let type = property["type"]?.text { return type }
        return (property["type"]?.list ?? []).compactMap(\.text).joined(separator: " or ")
    }

    private func json(_ node: ConfigNode) -> String {
        var text = JSONText()
        text.value(node)
        return text.text
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// One JSON object without a newline.
    func json(withSchemas: Bool) -> String {
        var text = JSONText()
        func member(_ key: String, _ value: String) {
            text.raw(",\"\(key)\":")
            text.string(value)
        }
        text.raw("{\"name\":")
        text.string(name)
        member("version", version)
        member("path", path)
        member("abi", abi)
        member("builtWith", builtWith)
        if let neededLibc { member("neededLibc", neededLibc) }
        text.raw(",\"byteCount\":\(byteCount),\"transforms\":[")
        for (index, transform) in transforms.enumerated() {
            text.raw(index == 0 ? "{\"id\":" : ",{\"id\":")
            text.string(transform.id)
            member("version", transform.version)
            member("summary", transform.summary)
            member("accepts", transform.accepts)
            member("emits", transform.emits)
            text.raw(",\"isSink\":\(transform.isSink)")
            if withSchemas, let schema = ConfigDocument(text: transform.schemaText, file: transform.id).root {
                text.raw(",\"schema\":")
                text.value(schema)
            }
            text.raw("}")
        }
        text.raw("]}")
        return text.text
    }
}
