// The host's own schemas: the file, a source, an upstream. The same language in which plugins describe their options,
// with two words more: "x-hint" (said when the value is out of bounds) and "x-not-built" (known, but not built yet).

enum HostSchemas {
    /// The topology file. Sources are read one by one afterwards.
    static let topology = compiled(
        """
        {"properties": {
          "sources": {"type": "array"},
          "plugins": {"type": ["array", "string"], "items": {"type": "string", "minLength": 1}, "minLength": 1},
          "workers": {"type": "integer", "minimum": 1, "maximum": 1024,
            "x-hint": "leave 'workers' out for one worker per processor"},
          "admin": {"type": "string", "x-aliases": ["observability_interface"]},
          "log_level": {"type": "string", "x-aliases": ["main_log_level"]}},
         "required": ["sources"]}
        """)

    /// Shotover's config.yaml.
    static let settings = compiled(
        """
        {"properties": {
          "admin": {"type": "string", "x-aliases": ["observability_interface"]},
          "log_level": {"type": "string", "x-aliases": ["main_log_level"]}}}
        """)

    /// A source that is built.
    static let source = compiled(
        """
        {"properties": {
          "name": {"type": "string"},
          "listen_addr": {"type": "string"},
          "connection_limit": {"type": "integer", "minimum": 1, "maximum": 10000000, "default": 512,
            "x-hint": "with 0 nobody would ever be served"},
          "hard_connection_limit": {"type": "boolean", "default": false},
          "timeout": {"x-unit": "duration", "x-bare": "s", "minimum": 1000000,
            "x-hint": "leave 'timeout' out and idle connections stay open"},
          "tls": {"x-not-built": "TLS on sources"},
          "chain": {"x-weir": "chain"}},
         "required": ["name", "listen_addr", "chain"]}
        """)

    /// What every value marked "x-weir":"upstream" takes, beside the plugin's own fields.
    static let upstream = compiled(
        """
        {"type": "object", "properties": {
          "remote_address": {"type": "string", "description": "host:port of the server"},
          "connect_timeout_ms": {"x-unit": "duration", "default": 3000, "minimum": 1000000, "maximum": 3600000000000,
            "description": "how long a connect may take",
            "x-hint": "leave it out for 3000 (milliseconds)"},
          "request_timeout": {"x-unit": "duration", "x-bare": "s", "default": "30s", "maximum": 86400000000000,
            "x-aliases": ["read_timeout"], "description": "how long an answer may take; 0: for ever",
            "x-hint": "0 waits for ever"},
          "connection_count": {"type": "integer", "default": 1, "minimum": 1, "maximum": 1024,
            "description": "shared connections of each worker"},
          "maximum_pinned_connections": {"type": "integer", "default": 10000, "minimum": 0, "maximum": 1000000,
            "description": "connections of each worker that one client has to itself (MULTI, SUBSCRIBE, BLPOP)"},
          "username": {"type": "string", "minLength": 1},
          "password": {"type": "string", "minLength": 1},
          "tls": {"x-not-built": "TLS to upstreams"}},
         "required": ["remote_address"]}
        """)

    /// Fields of an upstream that plugins do not get to see.
    static let secretUpstreamFields = ["username", "password"]

    private static func compiled(_ text: String) -> OptionsSchema {
        switch SchemaCompiler.compile(text, isHost: true) {
        case .success(let schema): return schema
        case .failure(let problems):
            // The texts stand above; a test compiles each of them.
            preconditionFailure("a schema of the host itself is broken: \(problems.description)")
        }
    }
}
