// Numbers for /metrics (weir.metrics/1). A counter is a word of this worker alone: counting is a plain store.
// The host adds up the workers and puts weir_ before the name and the site among the labels.

import CWeir

/// A number that goes up.
public struct Counter {
    @usableFromInline let cell: UnsafeMutablePointer<UInt64>

    @inlinable
    init(_ cell: UnsafeMutablePointer<UInt64>) { self.cell = cell }

    @inlinable
    public func add(_ amount: Int = 1) { cell.pointee &+= UInt64(truncatingIfNeeded: amount) }

    /// What this worker has counted.
    @inlinable public var value: UInt64 { cell.pointee }
}

/// A number that goes up and down.
public struct Gauge {
    @usableFromInline let cell: UnsafeMutablePointer<Int64>

    @inlinable
    init(_ cell: UnsafeMutablePointer<Int64>) { self.cell = cell }

    @inlinable
    public func add(_ amount: Int) { cell.pointee &+= Int64(amount) }

    @inlinable
    public func set(_ value: Int) { cell.pointee = Int64(value) }
}

/// A distribution of times.
public struct Histogram {
    let raw: OpaquePointer?
    let worker: Worker

    public func observe(nanoseconds: UInt64) {
        guard let raw, let table = worker.environment.pointee.metrics else { return }
        table.pointee.observe(raw, nanoseconds)
    }
}

extension Worker {
    /// A counter of this worker; the same name and labels give the same. Label values must be a bounded set and
    /// without , = " \ and line ends. Where the host refuses the series, counts go nowhere.
    public func counter(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Counter {
        guard let table = environment.pointee.metrics,
            let cell = withLabels(name, labels, { table.pointee.counter(site, raw, $0, $1) })
        else { return Counter(environment.pointee.spill) }
        return Counter(cell)
    }

    public func gauge(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Gauge {
        guard let table = environment.pointee.metrics,
            let cell = withLabels(name, labels, { table.pointee.gauge(site, raw, $0, $1) })
        else { return Gauge(environment.pointee.gaugeSpill) }
        return Gauge(cell)
    }

    public func histogram(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Histogram {
        guard let table = environment.pointee.metrics else { return Histogram(raw: nil, worker: self) }
        return Histogram(raw: withLabels(name, labels) { table.pointee.histogram(site, raw, $0, $1) }, worker: self)
    }

    private func withLabels<Result>(
        _ name: String, _ labels: KeyValuePairs<String, String>,
        _ body: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Result
    ) -> Result {
        var text = ""
        for (label, value) in labels {
            if !text.isEmpty { text += "," }
            text += label
            text += "="
            text += value
        }
        return name.withCString { name in text.withCString { body(name, $0) } }
    }
}

/// Whether text can be the value of a label.
public func isLabelValue(_ text: String) -> Bool {
    !text.utf8.contains { $0 == 0x2C || $0 == 0x3D || $0 == 0x22 || $0 == 0x5C || $0 < 0x20 || $0 == 0x7F }
}
