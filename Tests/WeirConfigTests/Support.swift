// What the tests of this module share: a catalog like that of the built-in plugins, and short ways to read.

import WeirConfig

enum Sample {
    static func transform(
        _ id: String, accepts: String = "resp", emits: String = "=", schema: String = "", plugin: String = "Essentials"
    ) -> TransformDescription {
        TransformDescription(
            id: id, version: "1.0.0", accepts: accepts, emits: emits, schemaText: schema, pluginName: plugin,
            pluginVersion: "1.0.0", pluginPath: "/plugins/lib\(plugin).so")
    }

    static let counter = transform(
        "QueryCounter", accepts: "*",
        schema: """
            {"properties": {"counter_name": {"type": "string", "minLength": 1, "x-aliases": ["name"]}},
             "required": ["counter_name"]}
            """)
    static let filter = transform(
        "QueryTypeFilter",
        schema: """
            {"properties": {
               "AllowList": {"type": "array", "minItems": 1, "items": {"enum": ["Read", "Write", "ReadWrite"]}},
               "DenyList": {"type": "array", "minItems": 1, "items": {"enum": ["Read", "Write", "ReadWrite"]}}},
             "oneOf": [{"required": ["AllowList"]}, {"required": ["DenyList"]}]}
            """)
    static let sink = transform("RedisSinkSingle", emits: "", schema: #"{"x-weir": "upstream"}"#)
    static let cluster = transform(
        "RedisSinkCluster", emits: "", schema: #"{"properties": {"seed": {"x-weir": "upstream"}}}"#,
        plugin: "RedisCluster")
    static let null = transform("NullSink", accepts: "*", emits: "")
    static let printer = transform("DebugPrinter", accepts: "*")
    static let tee = transform(
        "Tee", accepts: "*",
        schema: """
            {"properties": {"chain": {"x-weir": "chain"}, "buffer_size": {"type": "integer", "default": 5, "minimum": 1},
              "timeout_micros": {"x-unit": "duration"}, "hold": {"x-unit": "duration", "maximum": 60000000000},
              "memory": {"x-unit": "bytes", "default": "16MiB"}}, "required": ["chain"]}
            """, plugin: "Mirror")
    static let cql = transform("CqlThing", accepts: "cql")

    static let catalog = [counter, filter, sink, cluster, null, printer, tee, cql]

    /// A source named redis with this chain (lines that begin at column 1).
    static func topology(chain: String, extra: String = "") -> String {
        let lines = chain.split(separator: "\n").map { "        \($0)\n" }.joined()
        return
            "sources:\n  - Redis:\n      name: redis\n      listen_addr: \"127.0.0.1:6379\"\n\(extra)      chain:\n\(lines)"
    }

    static func read(_ text: String, environment: [String: String] = [:]) -> (Topology?, [Diagnostic]) {
        let (topology, diagnostics) = TopologyReader.read(
            text: text, file: "topology.yaml", catalog: catalog, environment: { environment[$0] })
        return (topology, diagnostics)
    }

    /// All diagnostics as they are printed.
    static func printed(_ text: String, environment: [String: String] = [:]) -> String {
        DiagnosticRenderer().text(read(text, environment: environment).1)
    }
}
