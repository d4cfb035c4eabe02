// What the admin server answers: request in, response out. No sockets, no time.
//
//     GET /metrics   Prometheus text            GET /health   the process lives
//     GET /ready     whether traffic may come    GET /         what is here
//
// `/health` asks nothing and nobody: a process that answers is alive.

public import WeirBase
import WeirConfig
import WeirTelemetry

/// Whether traffic may be sent here.
public struct ReadyState: Sendable {
    /// A part that is not ready, and why.
    public struct Missing: Sendable {
        public let part: String
        public let reason: String

        public init(part: String, reason: String) {
            self.part = part
            self.reason = reason
        }
    }

    /// Shutting down: owed answers are delivered, nothing new is taken.
    public var isDraining: Bool
    public var missing: [Missing]

    public init(isDraining: Bool = false, missing: [Missing] = []) {
        self.isDraining = isDraining
        self.missing = missing
    }

    var isReady: Bool { !isDraining && missing.isEmpty }

    /// `{"ready":false,"draining":false,"missing":[{"part":"source cache","reason":"…"}]}`
    var json: String {
        var text = JSONText()
        text.raw("{\"ready\":\(isReady),\"draining\":\(isDraining),\"missing\":[")
        for (index, part) in missing.enumerated() {
            text.raw(index == 0 ? "{\"part\":" : ",{\"part\":")
            text.string(part.part)
            text.raw(",\"reason\":")
            text.string(part.reason)
            text.raw("}")
        }
        text.raw("]}\n")
        return text.text
    }
}

/// Where the answers come from. Called on the thread of the admin server.
public struct AdminRoutes: Sendable {
    let metrics: @Sendable () -> [MetricFamily]
    let ready: @Sendable () -> ReadyState

    /// `metrics`: the registry's families; those of the process are added here.
    public init(metrics: @escaping @Sendable () -> [MetricFamily], ready: @escaping @Sendable () -> ReadyState) {
        self.metrics = metrics
        self.ready = ready
    }

    /// The answer. `requiresLoopbackHost`: the server listens on loopback, so a request whose Host names anything else was
    /// sent by a browser that was tricked (DNS rebinding), and is refused.
    func answer(_ request: HTTPRequest, requiresLoopbackHost: Bool) -> HTTPResponse {
        if requiresLoopbackHost, let host = request.host, !LoopbackHost.matches(host) {
            return .text(
                .forbidden, "This server is for this machine: the Host must be localhost, 127.0.0.1 or [::1].\n")
        }
        guard let route = Route(rawValue: request.path) else {
            return .text(.notFound, "Nothing is here. What there is: GET /\n")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return .text(.methodNotAllowed, "Only GET and HEAD.\n", allow: "GET, HEAD")
        }
        switch route {
        case .contents: return .text(.ok, AdminRoutes.contents)
        case .health: return .text(.ok, "ok\n")
        case .ready:
            let state = ready()
            return HTTPResponse(
                status: state.isReady ? .ok : .unavailable, contentType: "application/json",
                body: Array(state.json.utf8))
        case .metrics:
            let families = (metrics() + ProcessMetrics.gather()).sorted { $0.name < $1.name }
            return HTTPResponse(
                status: .ok, contentType: PrometheusText.contentType, body: PrometheusText.render(families))
        }
    }

    private enum Route: String {
        case contents = "/"
        case health = "/health"
        case ready = "/ready"
        case metrics = "/metrics"
    }

    private static let contents = """
        Weir \(WeirVersion.text)

        GET /metrics   metrics for Prometheus
        GET /health    200 while the process lives
        GET /ready     200 when traffic may come, else 503 and JSON that says what is missing

        """
}

/// Names of this machine as they may stand in a Host header.
enum LoopbackHost {
    static func matches(_ host: String) -> Bool {
        var name = host.lowercased()[...]
        if name.hasPrefix("[") {
            guard let end = name.firstIndex(of: "]"), isPort(name[name.index(after: end)...]) else { return false }
            return name[...end] == "[::1]"
        }
        if let colon = name.firstIndex(of: ":") {
            guard isPort(name[colon...]) else { return false }
            name = name[..<colon]
        }
        if name == "localhost" || name == "localhost." { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Nothing, or a colon and digits.
    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || text.first == ":" && text.dropFirst().utf8.allSatisfy { (48...57).contains($0) }
    }
}
