// RedisSinkSingle: the end of a chain that leads to one Redis or Valkey server. Connections, multiplexing,
// pinning, deadlines and reconnection are the host's; the sink names the target and hands it each batch whole.

import WeirPlugin

final class RedisSinkSingle: Transform, RequestHook, ResponseHook {
    static let about = About(
        id: "RedisSinkSingle", version: "1.0.0", summary: "sends requests to one Redis or Valkey server",
        accepts: "resp", emits: "", requires: "weir.metrics/1",
        schema: #"""
            {
              "type": "object",
              "description": "One Redis or Valkey server.",
              "x-weir": "upstream"
            }
            """#)

    private let server: Target
    private let failed: Counter

    init(settings: NoSettings, worker: Worker) throws {
        server = try worker.openTarget("")
        failed = worker.counter("failed_requests_total")
    }

    deinit { server.close() }

    func requests(_ batch: Batch) { batch.route(to: server) }

    /// Counts errors, the server's own and those that stand for an answer it did not give.
    func responses(_ batch: Batch) {
        for response in batch where response.isError { failed.add() }
    }
}
