// Which metric series exist, and where the cells of each worker are.
//
// Registration takes a lock and allocates; it happens when a topology is built or a worker starts, never per
// message. What comes back is a pointer to plain memory that only that worker writes. The registry knows
// nothing of text formats and nothing of what is counted.
//
//     registry.counter("weir_requests_total", help: "…", labels: [("source", "cache")], worker: 3)  ->  cell
//     registry.gather()                                   ->  families, sorted, each series summed over workers

import Synchronization

/// What a family measures.
public enum MetricKind: UInt8, Sendable {
    case counter, gauge, histogram
}

/// The value of one series at one moment.
public enum MetricValue: Sendable, Equatable {
    case unsigned(UInt64)
    case signed(Int64)
    case real(Double)
    case histogram(HistogramSnapshot)
}

/// One series: its labels, sorted by name, and its value.
public struct MetricSeries: Sendable {
    public var labels: [MetricLabel]
    public var value: MetricValue

    public init(labels: [(String, String)] = [], value: MetricValue) {
        self.labels = labels.map { MetricLabel(name: $0.0, value: $0.1) }.sorted { $0.name < $1.name }
        self.value = value
    }

    init(labels: [MetricLabel], value: MetricValue) {
        self.labels = labels
        self.value = value
    }
}

public struct MetricLabel: Sendable, Hashable {
    public let name: String
    public let value: String
}

/// All series of one name.
public struct MetricFamily: Sendable {
    public var name: String
    public var help: String
    public var kind: MetricKind
    public var series: [MetricSeries]

    public init(name: String, help: String, kind: MetricKind, series: [MetricSeries]) {
        self.name = name
        self.help = help
        self.kind = kind
        self.series = series
    }
}

/// All metrics of a process.
public final class MetricRegistry: @unchecked Sendable {
    /// Why a series was not given; the label values of `weir_metric_series_refused_total`.
    enum Refusal: String, CaseIterable {
        case limit, malformed, kind
    }

    private struct Family {
        let kind: MetricKind
        let help: String
        /// Per series the cell of each worker that asked for one.
        var series: [[MetricLabel]: [Int: UInt]] = [:]
    }

    private struct Contents {
        var families: [String: Family] = [:]
        var blocks: [Int: CellBlocks] = [:]
        var refused: [Refusal: UInt64] = [:]
    }

    static let refusedName = "weir_metric_series_refused_total"

    private let maximumSeriesPerFamily: Int
    private let contents = Mutex(Contents())

    public init(maximumSeriesPerFamily: Int = 1000) {
        self.maximumSeriesPerFamily = maximumSeriesPerFamily
    }

    /// The cell of a counter: it only grows. The name is the whole series name and by convention ends in `_total`.
    ///
    /// The same name, labels and worker give the same cell. nil, and counted in `weir_metric_series_refused_total`, when the
    /// name or a label is malformed, the name is already another kind of metric, or the family is full.
    public func counter(
        _ name: String, help: String, labels: [(String, String)] = [], worker: Int
    ) -> UnsafeMutablePointer<UInt64>? {
        cell(.counter, name, help, labels, worker)
    }

    /// The cell of a gauge: it goes up and down. The value shown is the sum over all workers. nil as for `counter`.
    public func gauge(
        _ name: String, help: String, labels: [(String, String)] = [], worker: Int
    ) -> UnsafeMutablePointer<Int64>? {
        cell(.gauge, name, help, labels, worker)
    }

    /// The cells of a histogram of durations: observed in nanoseconds, shown in seconds. The name by convention ends
    /// in `_seconds`. nil as for `counter`.
    public func histogram(
        _ name: String, help: String, labels: [(String, String)] = [], worker: Int
    ) -> UnsafeMutablePointer<HistogramCells>? {
        cell(.histogram, name, help, labels, worker)
    }

    /// Every family with its series summed over the workers; sorted by name and labels, so two calls differ in numbers only.
    public func gather() -> [MetricFamily] {
        var gathered = contents.withLock { contents in
            var families: [MetricFamily] = []
            for (name, family) in contents.families {
                let series = family.series
                    .map { MetricSeries(labels: $0.key, value: MetricRegistry.sum(family.kind, $0.value.values)) }
                    .sorted { MetricRegistry.precedes($0.labels, $1.labels) }
                families.append(MetricFamily(name: name, help: family.help, kind: family.kind, series: series))
            }
            let refused = Refusal.allCases.map {
                MetricSeries(labels: [("reason", $0.rawValue)], value: .unsigned(contents.refused[$0] ?? 0))
            }
            families.append(
                MetricFamily(
                    name: MetricRegistry.refusedName, help: "Metric series that were asked for and not given.",
                    kind: .counter, series: refused.sorted { MetricRegistry.precedes($0.labels, $1.labels) }))
            return families
        }
        gathered.sort { $0.name < $1.name }
        return gathered
    }

    // MARK: Registration

    private func cell<Cell>(
        _ kind: MetricKind, _ name: String, _ help: String, _ labels: [(String, String)], _ worker: Int
    ) -> UnsafeMutablePointer<Cell>? {
        let key = MetricNames.sortedLabels(labels)
        let address: UInt? = contents.withLock { contents in
            func refuse(_ reason: Refusal) -> UInt? {
                contents.refused[reason, default: 0] &+= 1
                return nil
            }
            guard let key, worker >= 0, MetricNames.isName(name), name != MetricRegistry.refusedName else {
                return refuse(.malformed)
            }
            var family = contents.families[name] ?? Family(kind: kind, help: help)
            guard family.kind == kind, !MetricRegistry.collides(name, kind, contents.families) else {
                return refuse(.kind)
            }
            if let known = family.series[key]?[worker] { return known }
            guard family.series[key] != nil || family.series.count < maximumSeriesPerFamily else {
                return refuse(.limit)
            }
            let size = MemoryLayout<Cell>.size
            let address = UInt(bitPattern: contents.blocks[worker, default: CellBlocks()].allocate(byteCount: size))
            family.series[key, default: [:]][worker] = address
            contents.families[name] = family
            return address
        }
        return address.flatMap { UnsafeMutablePointer<Cell>(bitPattern: $0) }
    }

    /// Whether the series of a histogram would get the name of another family: `x_sum` beside a histogram `x`.
    private static func collides(_ name: String, _ kind: MetricKind, _ families: [String: Family]) -> Bool {
        for suffix in ["_bucket", "_sum", "_count"] {
            if kind == .histogram, families[name + suffix] != nil { return true }
            if name.hasSuffix(suffix), families[String(name.dropLast(suffix.count))]?.kind == .histogram { return true }
        }
        return false
    }

    // MARK: Reading

    private static func sum(_ kind: MetricKind, _ addresses: some Sequence<UInt>) -> MetricValue {
        switch kind {
        case .counter:
            .unsigned(addresses.reduce(0) { $0 &+ (UnsafePointer<UInt64>(bitPattern: $1)?.pointee ?? 0) })
        case .gauge:
            .signed(addresses.reduce(0) { $0 &+ (UnsafePointer<Int64>(bitPattern: $1)?.pointee ?? 0) })
        case .histogram:
            .histogram(
                addresses.reduce(into: HistogramSnapshot()) { total, address in
                    if let cells = UnsafePointer<HistogramCells>(bitPattern: address) { total.add(cells) }
                })
        }
    }

    private static func precedes(_ a: [MetricLabel], _ b: [MetricLabel]) -> Bool {
        a.lexicographicallyPrecedes(b) { ($0.name, $0.value) < ($1.name, $1.value) }
    }
}

/// The rules for names and labels (Prometheus data model; UTF-8 names are not used).
public enum MetricNames {
    /// Longer label values are refused: they come from bounded sets, not from traffic.
    public static let maximumLabelValueByteCount = 512

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    public static func isName(_ text: String) -> Bool { matches(text, colons: true) }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, not beginning with two underscores, and not `le`, which histograms need.
    public static func isLabelName(_ text: String) -> Bool {
        matches(text, colons: false) && !text.hasPrefix("__") && text != "le"
    }

    private static func matches(_ text: String, colons: Bool) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 256 else { return false }
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
                continue
            case UInt8(ascii: ":") where colons: continue
            case UInt8(ascii: "0")...UInt8(ascii: "9") where index > 0: continue
            default: return false
            }
        }
        return true
    }

    /// The labels in the order of their names; nil when one is malformed or stands twice.
    static func sortedLabels(_ labels: [(String, String)]) -> [MetricLabel]? {
        var sorted: [MetricLabel] = []
        for (name, value) in labels.sorted(by: { $0.0 < $1.0 }) {
            guard isLabelName(name), value.utf8.count <= maximumLabelValueByteCount, sorted.last?.name != name else {
                return nil
            }
            sorted.append(MetricLabel(name: name, value: value))
        }
        return sorted
    }
}
