// The one function that the library exports.

import WeirPlugin

@c(weir_plugin_v1)
public func plugin(_ host: HostTable) -> PluginTable? {
    makePlugin("@NAME@", version: "0.1.0", host, [@TRANSFORM@.self])
}
