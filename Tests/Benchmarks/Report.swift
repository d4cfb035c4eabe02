// The result as a table for people and as JSON for programs.

import WeirTestSupport

/// Everything that one run of the benchmark measured.
struct Report: Codable {
    struct Row: Codable {
        var workload: String
        var target: String
        var samples: [Sample] = []
        /// CPU per request beside HAProxy's, round by round.
        var ratios: [Double] = []
        var goal: Double?

        var cpu: Double { median(samples.map(\.cpuMicros)) }
        var ratio: Double? { ratios.isEmpty ? nil : median(ratios) }
    }

    var date = timestamp()
    var machine = machineDescription()
    var rows: [Row] = []
    var memory: [String: MemorySample] = [:]

    /// Adds the samples of one round of one workload, by target.
    mutating func add(_ workload: Workload, _ samples: [(target: String, sample: Sample)], weirs: Set<String>) {
        let base = samples.first { $0.target == "haproxy" }?.sample.cpuMicros
        for (target, sample) in samples {
            let index: Int
            if let known = rows.firstIndex(where: { $0.workload == workload.name && $0.target == target }) {
                index = known
            } else {
                rows.append(Row(workload: workload.name, target: target))
                index = rows.count - 1
            }
            rows[index].samples.append(sample)
            rows[index].goal = weirs.contains(target) ? workload.goal : nil
            if let base, base > 0, target != "direct" { rows[index].ratios.append(sample.cpuMicros / base) }
        }
    }

    /// The table.
    var text: String {
        var lines = ["", "\(date) · \(machine)", ""]
        for workload in Workload.all {
            let ours = rows.filter { $0.workload == workload.name }
            if ours.isEmpty { continue }
            lines.append("\(workload.title), \(workload.valueSize) B values, SET:GET 1:10")
            lines.append(
                Self.line(
                    "", ["CPU µs/req", "× haproxy", "goal", "redis µs", "req/s", "p50 µs", "p99 µs", "busy t/r/g %"]))
            for row in ours { lines.append(Self.line(row.target, Self.cells(row))) }
            lines.append("")
        }
        if !memory.isEmpty {
            lines.append("Memory, MiB")
            lines.append(Self.line("", ["idle", "1000 conns", "KiB/conn", "after", "unread 300 MB"]))
            for (name, sample) in memory.sorted(by: { $0.key < $1.key }) {
                let each = Double(sample.withThousand - sample.idle) / 1000
                lines.append(
                    Self.line(
                        name,
                        [
                            Self.number(Double(sample.idle) / 1024, 1),
                            Self.number(Double(sample.withThousand) / 1024, 1),
                            Self.number(each, 2), Self.number(Double(sample.after) / 1024, 1),
                            Self.number(Double(sample.unreadPeak) / 1024, 1),
                        ]))
            }
            lines.append("")
        }
        return lines.joined(separator: "\n")
    }

    private static func cells(_ row: Row) -> [String] {
        let middle = { (field: (Sample) -> Double) in median(row.samples.map(field)) }
        let ratio = row.ratio.map { number($0, 2) } ?? "–"
        var goal = "–"
        if let wanted = row.goal, let have = row.ratio {
            goal = "≤ \(number(wanted, 2)) \(have <= wanted ? "met" : "MISSED")"
        }
        let busy = (0..<3).map { i in number(median(row.samples.map { $0.busy[i] }) * 100, 0) }.joined(separator: "/")
        return [
            row.target == "direct" ? "–" : number(row.cpu, 2), ratio, goal, number(middle(\.redisMicros), 2),
            number(middle(\.requestsPerSecond), 0), number(middle(\.p50Micros), 0), number(middle(\.p99Micros), 0),
            busy,
        ]
    }

    private static func number(_ value: Double, _ digits: Int) -> String { formatted(value, digits: digits) }

    private static func line(_ name: String, _ cells: [String]) -> String {
        "  " + pad(name, 18, left: true) + cells.map { pad($0, 14, left: false) }.joined()
    }

    private static func pad(_ text: String, _ width: Int, left: Bool) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? text + space : space + text
    }
}
