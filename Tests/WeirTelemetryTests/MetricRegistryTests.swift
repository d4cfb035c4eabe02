// The metric cells and their registry (WeirBase).

import Testing
import WeirBase

@Suite struct `Metric registry` {
    private func family(_ name: String, in registry: MetricRegistry) -> MetricFamily? {
        registry.gather().first { $0.name == name }
    }

    @Test func `the same name, labels and worker give the same cell, whatever the order of the labels`() throws {
        let registry = MetricRegistry()
        let a = registry.counter("weir_x_total", help: "x", labels: [("a", "1"), ("b", "2")], worker: 0)
        let b = registry.counter("weir_x_total", help: "x", labels: [("b", "2"), ("a", "1")], worker: 0)
        let other = registry.counter("weir_x_total", help: "x", labels: [("a", "1"), ("b", "2")], worker: 1)
        #expect(try #require(a) == #require(b))
        #expect(try #require(a) != #require(other))
    }

    @Test func `gather adds the workers of a series up`() throws {
        let registry = MetricRegistry()
        for worker in 0..<3 {
            let requests = registry.counter("weir_requests_total", help: "r", labels: [("source", "s")], worker: worker)
            try #require(requests).pointee &+= UInt64(worker + 1)
            let open = registry.gauge("weir_connections", help: "c", labels: [], worker: worker)
            try #require(open).pointee -= 1
            let wait = registry.histogram("weir_wait_seconds", help: "w", labels: [], worker: worker)
            try #require(wait).pointee.observe(2000)
        }
        #expect(family("weir_requests_total", in: registry)?.series.map(\.value) == [.unsigned(6)])
        #expect(family("weir_connections", in: registry)?.series.map(\.value) == [.signed(-3)])
        guard case .histogram(let wait) = family("weir_wait_seconds", in: registry)?.series.first?.value else {
            Issue.record("no histogram")
            return
        }
        #expect(wait.count == 3)
        #expect(wait.sumNanoseconds == 6000)
    }

    @Test func `a series exists at zero as soon as it is registered`() {
        let registry = MetricRegistry()
        _ = registry.counter("weir_x_total", help: "x", worker: 0)
        #expect(family("weir_x_total", in: registry)?.series.map(\.value) == [.unsigned(0)])
    }

    @Test func `gather is sorted by name and labels`() {
        let registry = MetricRegistry()
        for name in ["weir_c_total", "weir_a_total", "weir_b_total"] {
            for value in ["2", "1", "3"] { _ = registry.counter(name, help: "", labels: [("l", value)], worker: 0) }
        }
        let gathered = registry.gather().filter { $0.name != "weir_metric_series_refused_total" }
        #expect(gathered.map(\.name) == ["weir_a_total", "weir_b_total", "weir_c_total"])
        #expect(gathered.allSatisfy { $0.series.map { $0.labels[0].value } == ["1", "2", "3"] })
    }

    @Test(arguments: ["", "9x", "a-b", "a b", "é", "a\n", String(repeating: "x", count: 300)])
    func `a malformed name gives no cell`(name: String) {
        #expect(MetricRegistry().counter(name, help: "", worker: 0) == nil)
    }

    @Test(arguments: [[("le", "1")], [("__x", "1")], [("", "1")], [("a:b", "1")], [("a", "1"), ("a", "2")]])
    func `a malformed label gives no cell`(labels: [(String, String)]) {
        #expect(MetricRegistry().counter("weir_x_total", help: "", labels: labels, worker: 0) == nil)
    }

    @Test func `a label value from outside that is too long gives no cell`() {
        let long = String(repeating: "x", count: MetricNames.maximumLabelValueByteCount + 1)
        #expect(MetricRegistry().counter("weir_x_total", help: "", labels: [("a", long)], worker: 0) == nil)
    }

    @Test func `a name keeps its kind, and the series of a histogram keep their names`() {
        let registry = MetricRegistry()
        #expect(registry.counter("weir_x_total", help: "", worker: 0) != nil)
        #expect(registry.gauge("weir_x_total", help: "", worker: 0) == nil)
        #expect(registry.histogram("weir_h_seconds", help: "", worker: 0) != nil)
        #expect(registry.counter("weir_h_seconds_count", help: "", worker: 0) == nil)
        #expect(registry.counter("weir_g_seconds_sum", help: "", worker: 0) != nil)
        #expect(registry.histogram("weir_g_seconds", help: "", worker: 0) == nil)
    }

    @Test func `a full family refuses new series, keeps the old ones and counts what it refused`() {
        let registry = MetricRegistry(maximumSeriesPerFamily: 2)
        for value in ["1", "2", "3", "4"] {
            _ = registry.counter("weir_x_total", help: "", labels: [("l", value)], worker: 0)
        }
        #expect(registry.counter("weir_x_total", help: "", labels: [("l", "1")], worker: 1) != nil)
        #expect(family("weir_x_total", in: registry)?.series.count == 2)
        let refused = family("weir_metric_series_refused_total", in: registry)
        #expect(refused?.series.first { $0.labels[0].value == "limit" }?.value == .unsigned(2))
    }
}

@Suite struct `Histogram cells` {
    private func snapshot(_ nanoseconds: [UInt64]) -> HistogramSnapshot {
        var cells = HistogramCells()
        for value in nanoseconds { cells.observe(value) }
        var snapshot = HistogramSnapshot()
        withUnsafePointer(to: cells) { snapshot.add($0) }
        return snapshot
    }

    @Test func `a value on an edge belongs to the bucket that ends there, the next value to the one after`() {
        for index in 1..<(HistogramCells.bucketCount - 1) {
            guard let edge = HistogramSnapshot.upperEdgeNanoseconds(ofBucket: index) else {
                Issue.record("bucket \(index) has no edge")
                continue
            }
            #expect(snapshot([edge]).buckets[index] == 1)
            #expect(snapshot([edge + 1]).buckets[index + 1] == 1)
        }
    }

    @Test(arguments: [0, 1, 2, 511, 512] as [UInt64])
    func `what is shorter than the first edge is counted below it`(nanoseconds: UInt64) {
        #expect(snapshot([nanoseconds]).buckets[0...1].reduce(0, +) == 1)
    }

    @Test func `what is longer than the last edge is counted in the last bucket`() {
        #expect(snapshot([.max]).buckets.last == 1)
        #expect(snapshot([(1 << 36) + 1]).buckets.last == 1)
        #expect(HistogramSnapshot.upperEdgeNanoseconds(ofBucket: HistogramCells.bucketCount - 1) == nil)
    }
}
