// DebugPrinter: a line in the log, at level info, for each request and response. Keys and values stay out of it
// unless the operator asks for them. Lines are built in place and limited per second and worker, with a count of
// those left out, so that it cannot bury the machine.

import WeirPlugin

final class DebugPrinter: Transform, RequestHook, ResponseHook {
    static let about = About(
        id: "DebugPrinter", version: "1.0.0", summary: "logs every request and response", accepts: "resp",
        schema: #"""
            {
              "type": "object",
              "description": "Logs a line for each request and response.",
              "properties": {
                "show_payload": {
                  "type": "boolean", "default": false,
                  "description": "Show keys and values, escaped and cut."
                },
                "lines_per_second": {
                  "type": "integer", "default": 1000, "minimum": 0,
                  "description": "At most so many lines per second and worker; 0: no limit."
                }
              }
            }
            """#)

    struct Settings {
        var showsPayload: Bool
        var linesPerSecond: Int
    }

    private static let maximumShownItemCount = 8
    private static let maximumShownByteCount = 64

    private let settings: Settings
    private let worker: Worker
    private var secondNanoseconds: UInt64 = 0
    private var lineCount = 0
    private var leftOutCount = 0

    static func settings(from configuration: Configuration) -> Settings {
        Settings(
            showsPayload: configuration["show_payload"]?.bool ?? false,
            linesPerSecond: configuration["lines_per_second"]?.integer ?? 1000)
    }

    init(settings: Settings, worker: Worker) {
        self.settings = settings
        self.worker = worker
    }

    deinit { reportLeftOut() }

    func requests(_ batch: Batch) {
        guard worker.logs(.info) else { return }
        for request in batch where mayPrint() { print("Request: ", request) }
    }

    func responses(_ batch: Batch) {
        guard worker.logs(.info) else { return }
        for response in batch where mayPrint() {
            print(response.kind == .push ? "Push: " : "Response: ", response)
        }
    }

    private func print(_ title: StaticString, _ message: Message) {
        worker.logLine(.info, maximumByteCount: 1024) { line in
            line.append(title)
            let name = worker.verbName(message.verb, ofProtocol: message.protocolNumber)
            line.append(name.isEmpty ? Bytes("unknown") : name)
            // Parsing costs, and an answer can be large: only what is shown is looked at.
            if message.kind == .request || settings.showsPayload, let items = message.items {
                if message.kind == .request {
                    line.append(" arguments=")
                    line.append(max(items.root.childCount - 1, 0))
                }
                if settings.showsPayload { append(items, to: &line) }
            }
            line.append(" bytes=")
            line.append(message.byteCount)
            if message.isError { line.append(" error") }
            if message.flags.contains(.transaction) { line.append(" transaction") }
            line.append(" connection=")
            line.append(Int(truncatingIfNeeded: message.connection?.id ?? 0))
        }
    }

    private func append(_ items: Items, to line: inout LogLine) {
        line.append(" payload=")
        var shown = 0
        for index in 0..<items.count {
            let item = items[index]
            guard item.childCount == 0 else { continue }
            if shown == Self.maximumShownItemCount {
                line.append(" …")
                return
            }
            if shown > 0 { line.append(" ") }
            append(item, to: &line)
            shown += 1
        }
    }

    private func append(_ item: Item, to line: inout LogLine) {
        switch item.kind {
        case .integer: line.append(item.integer)
        case .null: line.append("null")
        case .bool: line.append(item.bool ? "true" : "false")
        default: line.append(escaped: item.bytes, maximumByteCount: Self.maximumShownByteCount)
        }
    }

    /// Whether this second has a line left.
    private func mayPrint() -> Bool {
        guard settings.linesPerSecond > 0 else { return true }
        if worker.nowNanoseconds &- secondNanoseconds >= 1_000_000_000 {
            reportLeftOut()
            secondNanoseconds = worker.nowNanoseconds
            lineCount = 0
        }
        guard lineCount < settings.linesPerSecond else {
            leftOutCount += 1
            return false
        }
        lineCount += 1
        return true
    }

    private func reportLeftOut() {
        guard leftOutCount > 0 else { return }
        let count = leftOutCount
        leftOutCount = 0
        worker.logLine(.info) { line in
            line.append("lines left out: ")
            line.append(count)
        }
    }
}
