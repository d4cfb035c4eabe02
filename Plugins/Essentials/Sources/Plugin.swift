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
