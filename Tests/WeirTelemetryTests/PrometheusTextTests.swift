// The text format of Prometheus, and the metrics of the process.

import Testing
import WeirBase

@testable import WeirTelemetry

@Suite struct `Prometheus text` {
    private func text(_ families: [MetricFamily]) -> String {
        String(decoding: PrometheusText.render(families), as: UTF8.self)
    }

    @Test func `counters and gauges are written with help, type and labels`() {
        let registry = MetricRegistry()
        registry.counter("weir_a_total", help: "A.", labels: [("x", "1"), ("b", "2")], worker: 0)?.pointee = 7
        registry.gauge("weir_b", help: "B.", labels: [], worker: 0)?.pointee = -2
        let shown = text(registry.gather().filter { $0.name != "weir_metric_series_refused_total" })
        #expect(
            shown == """
                # HELP weir_a_total A.
                # TYPE weir_a_total counter
                weir_a_total{b="2",x="1"} 7
                # HELP weir_b B.
                # TYPE weir_b gauge
                weir_b -2

                """)
    }

    @Test func `what would break a line is escaped`() {
        let registry = MetricRegistry()
        _ = registry.counter("weir_a_total", help: "a\\b\n\"c\"", labels: [("x", "a\\b\n\"c\"")], worker: 0)
        let shown = text(registry.gather())
        #expect(shown.contains(#"# HELP weir_a_total a\\b\n"c""#))
        #expect(shown.contains(#"weir_a_total{x="a\\b\n\"c\""} 0"#))
        #expect(ExpositionChecker(PrometheusText.render(registry.gather())).complaints == [])
    }

    @Test func `a histogram has rising buckets in seconds, and its last equals the count`() throws {
        let registry = MetricRegistry()
        let cells = try #require(registry.histogram("weir_h_seconds", help: "H.", labels: [("s", "1")], worker: 0))
        for nanoseconds in [1, 1024, 1025, 1_000_000, 3_000_000_000, .max >> 20] as [UInt64] {
            cells.pointee.observe(nanoseconds)
        }
        let checker = ExpositionChecker(PrometheusText.render(registry.gather()))
        #expect(checker.complaints == [])
        #expect(checker.samples[#"weir_h_seconds_bucket{s="1",le="0.000001024"}"#] == 2)
        #expect(checker.samples[#"weir_h_seconds_bucket{s="1",le="0.000002048"}"#] == 3)
        #expect(checker.samples[#"weir_h_seconds_bucket{s="1",le="0.001048576"}"#] == 4)
        #expect(checker.samples[#"weir_h_seconds_bucket{s="1",le="68.719476736"}"#] == 5)
        #expect(checker.samples[#"weir_h_seconds_bucket{s="1",le="+Inf"}"#] == 6)
        #expect(checker.samples[#"weir_h_seconds_count{s="1"}"#] == 6)
    }

    @Test func `seconds are exact`() {
        #expect(PrometheusText.seconds(0) == "0")
        #expect(PrometheusText.seconds(1) == "0.000000001")
        #expect(PrometheusText.seconds(1_500_000_000) == "1.5")
        #expect(PrometheusText.seconds(.max) == "18446744073.709551615")
    }

    @Test func `everything that a process shows is well-formed`() {
        let checker = ExpositionChecker(PrometheusText.render(ProcessMetrics.gather() + MetricRegistry().gather()))
        #expect(checker.complaints == [])
        #expect(checker.types["process_cpu_seconds_total"] == "counter")
        #expect((checker.samples["process_resident_memory_bytes"] ?? 0) > 1_000_000)
        #expect((checker.samples["process_open_fds"] ?? 0) >= 3)
        #expect((checker.samples["process_start_time_seconds"] ?? 0) > 1_600_000_000)
        #expect(checker.samples["weir_build_info{version=\"\(WeirVersion.text)\"}"] == 1)
    }

    @Test func `the start time is read past a program name with spaces and parentheses`() {
        let stat = "42 (a ) b) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200"
        #expect(ProcessMetrics.startTicks(inStat: stat) == 987_654)
        #expect(ProcessMetrics.startTicks(inStat: "42 (x") == nil)
        #expect(ProcessMetrics.bootTime(inStat: "cpu 1 2\nbtime 1700000000\n") == 1_700_000_000)
    }

    @Test func `the checker finds what is wrong`() {
        func complaints(_ text: String) -> [String] { ExpositionChecker(Array(text.utf8)).complaints }
        #expect(!complaints("weir_a 1\n").isEmpty)
        #expect(!complaints("# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 1\n").isEmpty)
        #expect(!complaints("# HELP a x\n# TYPE a counter\na 1\n").isEmpty)
        #expect(!complaints("# HELP h x\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n").isEmpty)
        #expect(complaints("# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1\na{b=\"d\"} 1\n").isEmpty)
    }
}
