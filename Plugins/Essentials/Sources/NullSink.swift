// NullSink: the end of a chain that leads nowhere. Every request is answered with an error.

import WeirPlugin

final class NullSink: Transform, RequestHook {
    static let about = About(
        id: "NullSink", version: "1.0.0", summary: "answers every request with an error", accepts: "resp", emits: "",
        schema: #"{"type":"object","description":"Answers every request with an error."}"#)

    init(settings: NoSettings, worker: Worker) {}

    func requests(_ batch: Batch) {
        for request in batch { request.fail(.rejected, "Handled by shotover null transform") }
    }
}
