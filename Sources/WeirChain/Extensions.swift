// The tables of extensions that the host offers to plugins: metrics here; those of protocols are registered by
// whoever knows the protocol.

import CWeir
import WeirBase

public enum Extensions {
    nonisolated(unsafe) private static var registered: [(id: String, table: UnsafeRawPointer)] = []

    /// Offers a table; before any plugin is loaded.
    public static func register(_ id: String, _ table: UnsafeRawPointer) { registered.append((id, table)) }

    static func find(_ id: UnsafePointer<CChar>) -> UnsafeRawPointer? {
        let id = String(cString: id)
        return registered.first { $0.id == id }?.table
    }

    /// `weir.metrics/1`; it lives as long as the process.
    public static func makeMetrics() -> UnsafeRawPointer {
        let table = UnsafeMutablePointer<weir_metrics_v1>.allocate(capacity: 1)
        table.initialize(
            to: weir_metrics_v1(
                size: UInt32(MemoryLayout<weir_metrics_v1>.size), reserved: 0,
                counter: { site, worker, name, labels in
                    let worker = WorkerRef(worker)
                    guard let labels = Extensions.pluginLabels(site, labels) else { return nil }
                    // Prometheus wants counters to say that they are totals.
                    let given = String(cString: name)
                    let series = "weir_" + given + (given.hasSuffix("_total") ? "" : "_total")
                    return worker.pointee.metrics.counter(
                        series, help: "Counted by a transform.", labels: labels, worker: Int(worker.pointee.head.index))
                },
                gauge: { site, worker, name, labels in
                    let worker = WorkerRef(worker)
                    guard let labels = Extensions.pluginLabels(site, labels) else { return nil }
                    return worker.pointee.metrics.gauge(
                        "weir_" + String(cString: name), help: "Set by a transform.", labels: labels,
                        worker: Int(worker.pointee.head.index))
                },
                histogram: { site, worker, name, labels in
                    let worker = WorkerRef(worker)
                    guard let labels = Extensions.pluginLabels(site, labels) else { return nil }
                    let cells = worker.pointee.metrics.histogram(
                        "weir_" + String(cString: name), help: "Observed by a transform.", labels: labels,
                        worker: Int(worker.pointee.head.index))
                    return cells.map { OpaquePointer($0) }
                },
                observe: { histogram, nanoseconds in
                    UnsafeMutablePointer<HistogramCells>(histogram).pointee.observe(nanoseconds)
                }))
        return UnsafeRawPointer(table)
    }

    /// "table=users,op=read" with the site in front; nil when malformed.
    private static func pluginLabels(_ site: OpaquePointer, _ labels: UnsafePointer<CChar>) -> [(String, String)]? {
        var pairs = [("site", Site.from(site).name)]
        let text = String(cString: labels)
        if text.isEmpty { return pairs }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = part.firstIndex(of: "=") else { return nil }
            pairs.append((String(part[..<equals]), String(part[part.index(after: equals)...])))
        }
        return pairs
    }
}
