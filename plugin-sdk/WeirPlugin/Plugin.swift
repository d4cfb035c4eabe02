// The one thing that a plugin exports. The author writes
//
//     @c(weir_plugin_v1)
//     public func entry(_ host: HostTable) -> PluginTable? {
//         makePlugin("Essentials", version: "1.0.0", host, [QueryCounter.self, NullSink.self])
//     }
//
// and the tables are made here, once; they and their strings live for ever.

public import CWeir

public typealias HostTable = UnsafePointer<weir_host>
public typealias PluginTable = UnsafePointer<weir_plugin>

/// The tables of a plugin. nil, after a line in the log, when there are more transforms than slots.
public func makePlugin(
    _ name: String, version: String, _ host: HostTable, _ transforms: [any Transform.Type]
) -> PluginTable? {
    guard transforms.count <= Slots.configure.count else {
        "\(name): more than \(Slots.configure.count) transforms in one plugin".withBytes {
            host.pointee.log(host, nil, LogLevel.error.rawValue, $0.raw)
        }
        return nil
    }
    Slots.transforms = transforms
    let list = UnsafeMutablePointer<UnsafePointer<weir_transform>?>.allocate(capacity: max(transforms.count, 1))
    for (slot, transform) in transforms.enumerated() {
        (list + slot).initialize(to: table(of: transform, configure: Slots.configure[slot]))
    }
    let plugin = UnsafeMutablePointer<weir_plugin>.allocate(capacity: 1)
    plugin.initialize(
        to: weir_plugin(
            size: UInt32(MemoryLayout<weir_plugin>.size), abi_minor: UInt16(WEIR_ABI_MINOR), abi_minor_min: 0,
            name: permanent(name), version: permanent(version), built_with: permanent("weir-swift 1.0, Swift 6"),
            transform_count: UInt32(transforms.count), reserved: 0, transforms: UnsafePointer(list), shutdown: nil))
    Slots.plugin = UnsafePointer(plugin)
    return Slots.plugin
}

/// The table of one transform: its hooks are those that it, or its session, conforms to.
private func table<T: Transform>(of type: T.Type, configure: ConfigureFunction) -> UnsafePointer<weir_transform> {
    let about = T.about
    let session = (T.self as? any PerConnection.Type).map { sessionType($0) }
    let hooks: Any.Type = session ?? T.self
    var flags: UInt32 = 0
    if about.keepsRequests { flags |= UInt32(WEIR_F_KEEP_REQUESTS) }
    if about.usesTags { flags |= UInt32(WEIR_F_TAGS) }
    let table = UnsafeMutablePointer<weir_transform>.allocate(capacity: 1)
    table.initialize(
        to: weir_transform(
            size: UInt32(MemoryLayout<weir_transform>.size), flags: flags, id: permanent(about.id),
            version: permanent(about.version), summary: permanent(about.summary), accepts: permanent(about.accepts),
            emits: permanent(about.emits), requires_ext: permanent(about.requires),
            config_schema: permanent(about.schema),
            configure: configure, unconfigure: Hooks.unconfigure, worker_start: Hooks.workerStart,
            worker_stop: Hooks.workerStop, conn_open: session == nil ? nil : Hooks.connectionOpen,
            conn_close: session == nil ? nil : Hooks.connectionClose,
            on_requests: hooks is any RequestHook.Type ? Hooks.requests : nil,
            on_responses: hooks is any ResponseHook.Type ? Hooks.responses : nil,
            on_event: hooks is any EventHook.Type ? Hooks.event : nil))
    return UnsafePointer(table)
}

private func sessionType<T: PerConnection>(_ type: T.Type) -> Any.Type { T.Session.self }

/// A C string that is never freed.
private func permanent(_ text: String) -> UnsafePointer<CChar> {
    let count = text.utf8.count
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: count + 1)
    for (offset, byte) in text.utf8.enumerated() { copy[offset] = CChar(bitPattern: byte) }
    copy[count] = 0
    return UnsafePointer(copy)
}
