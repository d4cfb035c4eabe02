// QueryCounter: how often each command came by, as the metric query_count. On the way of a message it is one load
// and one add; the cell of a command is asked for when the command first comes. Commands that the host does not
// know count together, so clients cannot make series.

import WeirPlugin

final class QueryCounter: Transform, RequestHook {
    static let about = About(
        id: "QueryCounter", version: "1.0.0", summary: "counts requests by command", accepts: "resp",
        requires: "weir.metrics/1 weir.resp/1",
        schema: #"""
            {
              "type": "object",
              "description": "Counts requests by command.",
              "required": ["counter_name"],
              "properties": {
                "counter_name": {
                  "type": "string", "minLength": 1, "maxLength": 128, "x-aliases": ["name"],
                  "description": "The label `name` of the metric."
                }
              }
            }
            """#)

    private let name: String
    private let worker: Worker
    private let protocolNumber: UInt16
    /// By verb; 0 is for what is unknown.
    private let counters: UnsafeMutablePointer<Counter?>
    private let counterCount: Int

    static func settings(from configuration: Configuration) throws -> String {
        guard let option = configuration["counter_name"], let name = option.text else {
            throw Problem(at: "", "counter_name is missing")
        }
        guard isLabelValue(name) else {
            throw Problem(at: option.path, "must not contain a comma, =, a quote, a backslash or a control character")
        }
        return name
    }

    init(settings name: String, worker: Worker) {
        self.name = name
        self.worker = worker
        protocolNumber = worker.protocolNumber("resp")
        counterCount = max(worker.respVerbCount, 1)
        counters = .allocate(capacity: counterCount)
        counters.initialize(repeating: nil, count: counterCount)
        counters[0] = counter(for: "unknown")
    }

    deinit {
        counters.deinitialize(count: counterCount)
        counters.deallocate()
    }

    func requests(_ batch: Batch) {
        for request in batch {
            let verb = Int(request.verb)
            let index = verb < counterCount ? verb : 0
            if let counter = counters[index] { counter.add() } else { countFirst(index) }
        }
    }

    @inline(never)
    private func countFirst(_ verb: Int) {
        let command = worker.verbName(UInt32(truncatingIfNeeded: verb), ofProtocol: protocolNumber)
        let counter = command.isEmpty ? counters[0] : counter(for: command.string)
        counters[verb] = counter
        counter?.add()
    }

    private func counter(for command: String) -> Counter {
        worker.counter("query_count", ["name": name, "query": command, "type": "redis"])
    }
}
