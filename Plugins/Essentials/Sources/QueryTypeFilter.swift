// QueryTypeFilter: refuses commands by what they do. A refused command is answered here and never goes on.
//
// Inside MULTI the server does not see the refused command, so it would execute the rest. Redis refuses a whole
// transaction of which one command was refused; so does the filter: it turns the EXEC into a DISCARD and answers
// it with EXECABORT.
//
//   MULTI      → server        +OK
//   SET k v    refused here    -ERR Message was filtered out by shotover      the transaction is spoiled
//   GET k      → server        +QUEUED
//   EXEC       → DISCARD       +OK becomes -EXECABORT …                       and no more

import WeirPlugin

final class QueryTypeFilter: PerConnection {
    static let about = About(
        id: "QueryTypeFilter", version: "1.0.0", summary: "refuses commands by what they do", accepts: "resp",
        requires: "weir.metrics/1 weir.resp/1",
        schema: #"""
            {
              "type": "object",
              "description": "Refuses commands by what they do: give AllowList or DenyList.",
              "properties": {
                "AllowList": {
                  "type": "array", "description": "Only these pass.",
                  "items": {"enum": ["Read", "Write", "ReadWrite", "SchemaChange", "PubSubMessage"]}
                },
                "DenyList": {
                  "type": "array", "description": "All but these pass.",
                  "items": {"enum": ["Read", "Write", "ReadWrite", "SchemaChange", "PubSubMessage"]}
                }
              },
              "oneOf": [{"required": ["AllowList"]}, {"required": ["DenyList"]}]
            }
            """#)

    let policy: QueryPolicy
    let refused: Counter
    let exec: UInt32
    let discard: UInt32
    let reset: UInt32

    static func settings(from configuration: Configuration) throws -> QueryPolicy {
        let allowed = configuration["AllowList"]
        let denied = configuration["DenyList"]
        switch (allowed, denied) {
        case (let list?, nil): return QueryPolicy(allowing: try kinds(list, configuration))
        case (nil, let list?): return QueryPolicy(denying: try kinds(list, configuration))
        default: throw Problem(at: "", "give exactly one of AllowList and DenyList")
        }
    }

    private static func kinds(_ option: Option, _ configuration: Configuration) throws -> [QueryKind] {
        let list = option.list ?? []
        if list.isEmpty {
            configuration.report(.warning, at: option.path, "is empty: it refuses everything, or nothing")
        }
        return try list.map { element in
            guard let kind = element.text.flatMap(QueryKind.init(rawValue:)) else {
                let words = QueryKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(at: element.path, "is not one of \(words)")
            }
            return kind
        }
    }

    init(settings policy: QueryPolicy, worker: Worker) {
        self.policy = policy
        refused = worker.counter("refused_requests_total")
        exec = worker.verb("EXEC", of: "resp")
        discard = worker.verb("DISCARD", of: "resp")
        reset = worker.verb("RESET", of: "resp")
    }

    func open(_ connection: Connection) -> FilterSession { FilterSession(self) }
}

/// One client's way through the filter.
final class FilterSession: RequestHook, ResponseHook {
    /// In the words of Redis.
    private static let aborted = "EXECABORT Transaction discarded because of previous errors."

    private let filter: QueryTypeFilter
    /// A command of the transaction that is being queued was refused.
    private var isSpoiled = false
    /// EXECs that went on as DISCARD and are not answered yet, oldest first.
    private var spoiledExecs: [UInt64] = []

    init(_ filter: QueryTypeFilter) { self.filter = filter }

    func requests(_ batch: Batch) {
        for request in batch {
            if let kind = QueryKind.of(request.respCommand, isKnown: request.verb != 0) {
                if filter.policy.refuses(kind) { refuse(request) }
            } else if isSpoiled {
                endTransaction(request)
            }
        }
    }

    func responses(_ batch: Batch) {
        // The usual case, decided once per batch.
        guard !spoiledExecs.isEmpty else { return }
        for response in batch where response.kind == .response {
            guard let index = spoiledExecs.firstIndex(of: response.id) else { continue }
            spoiledExecs.remove(at: index)
            answerExec(response)
        }
    }

    private func refuse(_ request: Message) {
        filter.refused.add()
        if request.flags.contains(.transaction) { isSpoiled = true }
        request.fail(.rejected, "Message was filtered out by shotover")
    }

    /// MULTI, EXEC, DISCARD, RESET and others, while a transaction is spoiled.
    private func endTransaction(_ request: Message) {
        let verb = request.verb
        if verb == filter.reset {
            isSpoiled = false
            return
        }
        // One with arguments is an error of the server's, and the transaction goes on.
        guard verb == filter.exec || verb == filter.discard, let items = request.items, items.root.childCount == 1
        else { return }
        isSpoiled = false
        guard verb == filter.exec else { return }
        if request.set(1, to: "DISCARD") == .ok {
            spoiledExecs.append(request.id)
        } else {
            // It must not be executed, and the server still waits for the end of its transaction.
            request.fail(.rejected, Self.aborted)
            request.connection?.close("a refused transaction could not be discarded")
        }
    }

    /// The answer to a DISCARD that was an EXEC.
    private func answerExec(_ response: Message) {
        if !response.isError {
            response.fail(.rejected, Self.aborted)
        } else if let items = response.items, items.root.bytes.starts(with: "ERR DISCARD without MULTI") {
            response.fail(.invalid, "ERR EXEC without MULTI")
        }
    }
}
