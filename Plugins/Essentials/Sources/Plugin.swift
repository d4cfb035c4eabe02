// What libEssentials.so exports: one function, and a note that the host reads before it runs anything of it.

public import WeirPlugin

@c(weir_plugin_v1)
public func essentials(_ host: HostTable) -> PluginTable? {
    makePlugin(
        "Essentials", version: "0.1.0", host,
        [
            RedisSinkSingle.self, NullSink.self, DebugPrinter.self, QueryCounter.self, QueryTypeFilter.self,
        ])
}

/// "weir 1.0 Essentials 0.1.0" and a line end.
@section(".note.weir") @used
private let note: InlineArray<26, UInt8> = [
    0x77, 0x65, 0x69, 0x72, 0x20,
    0x31, 0x2e, 0x30, 0x20,
    0x45, 0x73, 0x73, 0x65, 0x6e, 0x74, 0x69, 0x61, 0x6c, 0x73, 0x20,
    0x30, 0x2e, 0x31, 0x2e, 0x30, 0x0a,
]
