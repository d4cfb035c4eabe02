// Reads what a plugin's entry point returned: weir_plugin and its weir_transforms.
//
// The tables are a plugin's, so they may be wrong: sizes are checked before members are read, pointers that the header
// calls non-null are read as if they were not, texts are bounded. Calls nothing but the host's extension().

import CWeir
import WeirConfig

struct PluginTables {
    let path: String
    let host: UnsafePointer<weir_host>

    static let maximumTransformCount = 1024
    static let maximumTextByteCount = 1 << 20

    /// Sizes of the structs in ABI 1.0: members beyond are optional, so these numbers never change.
    static let pluginSize = UInt32(MemoryLayout<weir_plugin>.size)
    static let transformSize = UInt32(MemoryLayout<weir_transform>.size)

    func read(_ table: UnsafePointer<weir_plugin>, _ file: PluginFile) throws(PluginError) -> LoadedPlugin {
        let raw = UnsafeRawPointer(table)
        let size = raw.load(as: UInt32.self)
        guard size >= Self.pluginSize else {
            throw broken("weir_plugin.size is \(size), at least \(Self.pluginSize) is needed", file)
        }
        let name = try text(raw, \weir_plugin.name, "weir_plugin.name", file)
        let version = try text(raw, \weir_plugin.version, "weir_plugin.version", file)
        let builtWith = try text(raw, \weir_plugin.built_with, "weir_plugin.built_with", file, default: "")
        guard Self.isWord(name) else { throw broken("its name '\(name)' is empty or not a single word", file) }
        // Numbers too are read one by one: a copy of the whole struct would take NULL for a pointer that is never NULL.
        let needed: UInt16? = load(raw, \weir_plugin.abi_minor_min)
        try checkVersion(needed ?? 0, "\(name) \(version)", builtWith)
        let abiMinor: UInt16? = load(raw, \weir_plugin.abi_minor)
        let transformCount: UInt32? = load(raw, \weir_plugin.transform_count)
        let count = Int(transformCount ?? 0)
        guard count <= Self.maximumTransformCount else {
            throw broken("\(name) \(version) claims \(count) transforms", file)
        }
        let list: UnsafePointer<UnsafePointer<weir_transform>?>? = load(raw, \weir_plugin.transforms)
        var transforms: [LoadedTransform] = []
        for i in 0..<count {
            guard let transform = list?[i] else {
                throw broken("\(name) \(version): transform \(i + 1) of \(count) is NULL", file)
            }
            let owner = Owner(plugin: name, version: version, file: file)
            let loaded = try read(transform, number: i + 1, owner)
            if transforms.contains(where: { $0.description.id == loaded.description.id }) {
                throw PluginError(
                    .pluginDuplicateID, path: path, "\(name) \(version) offers '\(loaded.description.id)' twice")
            }
            transforms.append(loaded)
        }
        return LoadedPlugin(
            file: file, name: name, version: version, builtWith: builtWith, abiMinor: Int(abiMinor ?? 0),
            transforms: transforms, table: table)
    }

    private struct Owner {
        let plugin: String
        let version: String
        let file: PluginFile
    }

    private func checkVersion(_ needed: UInt16, _ name: String, _ builtWith: String) throws(PluginError) {
        let have = host.pointee.abi_minor
        guard needed <= have else {
            let built = builtWith.isEmpty ? "" : " (built with \(builtWith))"
            throw PluginError(
                .pluginNewerABI, path: path,
                "\(name)\(built) needs the plugin ABI 1.\(needed) or newer, this host has 1.\(have)",
                hint: "update Weir, or use an older build of the plugin")
        }
    }

    private func read(_ table: UnsafePointer<weir_transform>, number: Int, _ owner: Owner) throws(PluginError)
        -> LoadedTransform
    {
        let raw = UnsafeRawPointer(table)
        let file = owner.file
        let size = raw.load(as: UInt32.self)
        guard size >= Self.transformSize else {
            throw broken(
                "transform \(number) of \(owner.plugin) \(owner.version): weir_transform.size is \(size), at least "
                    + "\(Self.transformSize) is needed", file)
        }
        let id = try text(raw, \weir_transform.id, "id of transform \(number)", file)
        guard Self.isWord(id) else {
            throw broken("the id of transform \(number) of \(owner.plugin) is empty or not a single word", file)
        }
        let version = try text(raw, \weir_transform.version, "version of '\(id)'", file)
        let accepts = try text(raw, \weir_transform.accepts, "accepts of '\(id)'", file)
        guard !accepts.split(separator: " ").isEmpty else { throw broken("'\(id)' accepts no protocol", file) }
        let schema = try text(raw, \weir_transform.config_schema, "config_schema of '\(id)'", file, default: "")
        let description = TransformDescription(
            id: id, version: version,
            summary: try text(raw, \weir_transform.summary, "summary of '\(id)'", file, default: ""),
            accepts: accepts, emits: try text(raw, \weir_transform.emits, "emits of '\(id)'", file),
            schemaText: schema, pluginName: owner.plugin, pluginVersion: owner.version, pluginPath: file.path)
        let needs = try text(raw, \weir_transform.requires_ext, "requires_ext of '\(id)'", file, default: "")
        try checkExtensions(needs, id, owner)
        if case .failure(let problems) = OptionsSchema.compile(schema) {
            throw PluginError(
                .pluginBadSchema, path: path,
                "the option schema of '\(id)' (\(owner.plugin) \(owner.version)) is broken: \(problems.description)",
                hint: "this is an error in the plugin")
        }
        return LoadedTransform(description: description, table: table)
    }

    private func checkExtensions(_ needs: String, _ id: String, _ owner: Owner) throws(PluginError) {
        for word in needs.split(separator: " ") {
            let offered = String(word).withCString { host.pointee.extension(host, $0) }
            guard offered == nil else { continue }
            throw PluginError(
                .pluginMissingExtension, path: path,
                "'\(id)' of \(owner.plugin) \(owner.version) needs the extension \(word), "
                    + "which this host (Weir, plugin ABI 1.\(host.pointee.abi_minor)) does not offer",
                hint: "update Weir, or use an older build of the plugin")
        }
    }

    // MARK: reading

    private func broken(_ text: String, _ file: PluginFile) -> PluginError {
        let built = file.note.map { " (its note says: ABI \($0.abiMajor).\($0.abiMinor))" } ?? ""
        return PluginError(
            .pluginBadTable, path: path, "its tables are broken: \(text)\(built)",
            hint: "this is an error in the plugin")
    }

    /// A pointer as it lies in memory; what the header calls non-null may be NULL all the same.
    private func load<Root, Member, Value>(_ raw: UnsafeRawPointer, _ member: KeyPath<Root, Member>)
        -> UnsafePointer<Value>?
    {
        // Safe: stored members of imported C structs have offsets, and the struct reaches as far (size was checked).
        guard let offset = MemoryLayout<Root>.offset(of: member) else { return nil }
        return raw.load(fromByteOffset: offset, as: UnsafePointer<Value>?.self)
    }

    private func load<Root, Number: FixedWidthInteger>(_ raw: UnsafeRawPointer, _ member: KeyPath<Root, Number>)
        -> Number?
    {
        guard let offset = MemoryLayout<Root>.offset(of: member) else { return nil }
        return raw.load(fromByteOffset: offset, as: Number.self)
    }

    private func text<Root, Member>(
        _ raw: UnsafeRawPointer, _ member: KeyPath<Root, Member>, _ what: String, _ file: PluginFile,
        default standard: String? = nil
    ) throws(PluginError) -> String {
        guard let start: UnsafePointer<UInt8> = load(raw, member) else {
            if let standard { return standard }
            throw broken("\(what) is NULL", file)
        }
        var count = 0
        while count < Self.maximumTextByteCount, start[count] != 0 { count += 1 }
        guard count < Self.maximumTextByteCount,
            let text = String(validating: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        else { throw broken("\(what) is not text in UTF-8 of at most 1 MiB", file) }
        return text
    }

    /// Printable ASCII without spaces, 1 to 128 characters.
    private static func isWord(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
