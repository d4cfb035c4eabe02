// @TRANSFORM@: refuses requests that are larger than an option says, and counts them.
//
// What it conforms to says which hooks the host calls. `settings` reads the options, once; an object of the class is
// made per worker, so there is nothing to lock; what `requests` does not dispose of moves on when it returns.

import WeirPlugin

final class @TRANSFORM@: Transform, RequestHook {
    static let about = About(
        id: "@TRANSFORM@", version: "0.1.0", summary: "refuses requests that are too large",
        requires: "weir.metrics/1",
        schema: #"""
            {
              "type": "object",
              "properties": {
                "max_bytes": {
                  "type": "integer", "x-unit": "bytes", "minimum": 1, "default": "1MiB",
                  "description": "Larger requests are refused."
                }
              }
            }
            """#)

    private let maximumByteCount: Int
    private let refused: Counter

    /// The options are valid against the schema, with defaults filled in.
    static func settings(from configuration: Configuration) throws -> Int {
        guard let option = configuration["max_bytes"], let count = option.integer, count > 0 else {
            throw Problem(at: "/max_bytes", "must be 1 B or more")
        }
        return count
    }

    init(settings maximumByteCount: Int, worker: Worker) {
        self.maximumByteCount = maximumByteCount
        refused = worker.counter("too_large_requests_total")
    }

    /// For each batch: keep this short, and allocate nothing on the way of the many.
    func requests(_ batch: Batch) {
        for request in batch where request.byteCount > maximumByteCount {
            refused.add()
            request.fail(.rejected, "a request of \(request.byteCount) bytes is larger than \(maximumByteCount)")
        }
    }
}
