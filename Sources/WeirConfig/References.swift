// ${env:NAME} and ${file:/path} as whole values: replaced before anything else looks at the tree.
//
// A replaced value stays text and remembers its reference; where a schema wants a number or a bool, the text is
// read as one. Messages show the reference, never what it stood for.

import WeirBase

/// Where references are looked up.
public struct ReferenceLookup {
    let environment: (String) -> String?
    let readFile: (String) -> Result<[UInt8], ConfigFileError>

    /// `environment` gives the value of a variable, or nil.
    public init(
        environment: @escaping (String) -> String?,
        readFile: @escaping (String) -> Result<[UInt8], ConfigFileError> = {
            ConfigFile.read($0, maximumByteCount: ConfigLimits.maximumReferencedFileByteCount)
        }
    ) {
        self.environment = environment
        self.readFile = readFile
    }

    /// The tree with every reference replaced; those that lead nowhere are reported.
    func resolve(_ node: ConfigNode, _ diagnostics: inout DiagnosticList) -> ConfigNode {
        var node = node
        switch node.value {
        case .text(let text):
            guard text.utf8.contains(0x24) else { return node }  // $
            node.isUnresolved = !replace(&node, text, &diagnostics)
        case .list(let items):
            node.value = .list(items.map { resolve($0, &diagnostics) })
        case .map(let members):
            node.value = .map(
                members.map {
                    var member = $0
                    member.value = resolve($0.value, &diagnostics)
                    return member
                })
        case .null, .bool, .int, .float: break
        }
        return node
    }

    /// False when a reference was meant, but leads nowhere.
    private func replace(_ node: inout ConfigNode, _ text: String, _ diagnostics: inout DiagnosticList)
        -> Bool
    {
        let isWhole = text.hasPrefix("${") && text.hasSuffix("}")
        let inner = isWhole ? String(text.dropFirst(2).dropLast()) : ""
        guard isWhole, !inner.holds("${") else {
            let isMeant = text.holds("${env:") || text.holds("${file:") || text.hasPrefix("${")
            if isMeant {
                diagnostics.error(
                    .badReference, at: node.range, "a reference must be the whole value",
                    hint: "put the whole text into the variable or file")
            }
            return !isMeant
        }
        if inner.hasPrefix("env:") {
            let name = String(inner.dropFirst(4))
            guard !name.isEmpty, let value = environment(name) else {
                diagnostics.error(
                    .environmentMissing, at: node.range, "the environment variable '\(name)' is not set",
                    hint: "set it for the process that runs Weir")
                return false
            }
            node.value = .text(value)
        } else if inner.hasPrefix("file:") {
            guard let value = content(String(inner.dropFirst(5)), node.range, &diagnostics) else { return false }
            node.value = .text(value)
        } else {
            diagnostics.error(
                .badReference, at: node.range, "'\(text)' is no reference",
                hint: "references are ${env:NAME} and ${file:/path}")
            return false
        }
        node.reference = text
        return true
    }

    private func content(_ path: String, _ range: SourceRange, _ diagnostics: inout DiagnosticList) -> String? {
        guard path.hasPrefix("/") else {
            diagnostics.error(
                .badReference, at: range, "the path '\(path)' is not absolute", hint: "begin it with '/'")
            return nil
        }
        switch readFile(path) {
        case .failure(let error):
            diagnostics.error(.referencedFileUnreadable, at: range, "the file '\(path)' cannot be read: \(error.text)")
            return nil
        case .success(var bytes):
            if bytes.last == 0x0A { bytes.removeLast() }
            if bytes.last == 0x0D { bytes.removeLast() }
            var i = 0
            while i < bytes.count {
                let length = TextCheck.sequenceLength(bytes, at: i)
                guard length > 0, bytes[i] != 0 else {
                    diagnostics.error(
                        .referencedFileUnreadable, at: range, "the file '\(path)' does not hold text in UTF-8")
                    return nil
                }
                i += length
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
