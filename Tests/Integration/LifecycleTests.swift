// Starting, stopping, signals, and what the admin listener says.

import Foundation
import Glibc
import Testing
import WeirTestSupport

extension Integration {
    @Suite(.weirOnly) struct Lifecycle {
        let redis: RedisServer
        let weir: WeirServer

        init() throws {
            redis = try RedisServer()
            weir = try WeirServer(upstream: redis.port)
        }

        @Test func `SIGTERM delivers owed answers, closes, and the process ends well`() throws {
            let (waiting, idle) = (try weir.client(), try weir.client())
            try idle.call("PING")
            try waiting.write("BLPOP", "queue", "1")
            try eventually("Redis to block") { try redis.info("blocked_clients") == "1" }
            weir.process.signal(SIGTERM)
            #expect(try waiting.receive().isNull)
            #expect(try waiting.receiveUntilClosed().isEmpty)
            #expect(try idle.receiveUntilClosed().isEmpty)
            #expect(try weir.process.waitForExit(within: 20) == 0, "\(weir.process.log.suffix(800))")
            #expect(throws: Failure.self) { try weir.client() }
        }

        @Test func `SIGTERM under load loses no answer that was owed`() throws {
            let clients = try (0..<20).map { _ in try weir.client() }
            for client in clients { try client.call("PING") }
            var request: [UInt8] = []
            for n in 0..<200 { request += RespClient.encode("ECHO", "\(n)") }
            for client in clients { try client.send(request) }
            // The first answer shows that the batch was read whole (it fits one read).
            for client in clients { #expect(try client.receive() == .bulk("0")) }
            weir.process.signal(SIGTERM)
            for client in clients {
                for n in 1..<200 { try #require(try client.receive() == .bulk("\(n)")) }
                #expect(try client.receiveUntilClosed().isEmpty)
            }
            #expect(try weir.process.waitForExit(within: 20) == 0)
        }

        @Test func `a command that blocks for ever does not hold up the end for ever`() throws {
            let client = try weir.client()
            try client.write("BLPOP", "queue", "0")
            try eventually("Redis to block") { try redis.info("blocked_clients") == "1" }
            weir.process.signal(SIGTERM)
            try weir.process.waitForExit(within: 45)
        }

        @Test func `a second SIGTERM ends it at once`() throws {
            let client = try weir.client()
            try client.write("BLPOP", "queue", "0")
            try eventually("Redis to block") { try redis.info("blocked_clients") == "1" }
            weir.process.signal(SIGTERM)
            try eventually("the drain to begin") { (try? weir.get("/ready").status) != 200 }
            weir.process.signal(SIGTERM)
            try weir.process.waitForExit(within: 3)
        }

        @Test func `while it drains it is not ready and takes no new clients`() throws {
            let client = try weir.client()
            try client.write("BLPOP", "queue", "3")
            try eventually("Redis to block") { try redis.info("blocked_clients") == "1" }
            #expect(try weir.get("/ready").status == 200)
            weir.process.signal(SIGTERM)
            try eventually("/ready to turn") { (try? weir.get("/ready").status) != 200 }
            try eventually("new clients to be refused") { (try? weir.client(patience: 0.2).call("PING")) == nil }
            #expect(try client.receive().isNull)
        }

        @Test func `SIGPIPE and SIGHUP do not end it`() throws {
            for number in [SIGPIPE, SIGHUP, SIGHUP] { weir.process.signal(number) }
            for _ in 0..<20 { #expect(try weir.client().call("PING") == .simple("PONG")) }
            #expect(weir.process.isRunning)
        }

        @Test func `health, readiness and metrics answer, and unknown paths are 404`() throws {
            #expect(try weir.get("/health").status == 200)
            #expect(try weir.get("/ready").status == 200)
            #expect(try weir.get("/nosuch").status == 404)
            let metrics = try weir.get("/metrics")
            #expect(metrics.status == 200)
            #expect(metrics.head.lowercased().contains("content-type: text/plain; version=0.0.4"))
        }

        @Test func `an upstream that is gone leaves the process healthy`() throws {
            redis.destroy()
            #expect(try weir.client().call("GET", "k").errorText != nil)
            #expect(try weir.get("/health").status == 200)
        }

        @Test func `metrics are well-formed before and after requests, and counters never fall`() throws {
            let before = try MetricsText(weir.get("/metrics").body)
            let client = try weir.client()
            for n in 0..<50 { try client.call("SET", "k\(n)", "v") }
            try client.call("GET", "k0")
            try client.call("NOSUCH", "\"quoted\"\nline")
            let after = try MetricsText(weir.get("/metrics").body)
            for text in [before, after] { #expect(text.complaints == []) }
            #expect(after.samples.count >= before.samples.count)
            for (series, value) in before.samples where before.isCounter(series) {
                #expect((after.samples[series] ?? -1) >= value, "\(series) fell or is gone")
            }
            let counted = after.samples.filter { $0.key.contains("first") && $0.key.contains("SET") }
            #expect(counted.values.contains(50), "QueryCounter 'first' did not count 50 SETs: \(counted)")
        }

        @Test(.enabled(if: findProgram("promtool") != nil, "promtool is not installed"))
        func `promtool finds nothing to say about the metrics`() throws {
            try weir.client().call("SET", "k", "v")
            let folder = try TemporaryFolder("promtool")
            let file = try folder.write("metrics", try weir.get("/metrics").body)
            let (status, output) = try run(["sh", "-c", "promtool check metrics < \(file)"])
            #expect(status == 0 && output.isEmpty, "\(output)")
        }

        @Test func `a port that is taken is said, and the process ends`() throws {
            let topology = Topology(port: weir.port, upstream: redis.port)
            // Without an admin listener nothing but the source's port is in the way.
            do {
                _ = try WeirServer(topology)
                Issue.record("it started on a port that is taken")
            } catch let failure as Failure {
                #expect(failure.description.contains("\(weir.port)"), "\(failure)")
            }
        }

        /// All resident memory is about 12 MB in a release build: 11 MB of it are pages of the Swift runtime and libc.
        @Test func `an idle process has at most 8 MB of its own, and an idle connection costs at most 2 KiB`() throws {
            try weir.client().call("PING")
            let own = ProcessUsage.ownKiB(weir.pid)
            #expect(own <= 8 * 1024, "\(own) KiB")
            let idle = ProcessUsage.residentKiB(weir.pid)
            let clients = try (0..<1000).map { _ in try weir.client() }
            for client in clients { try client.call("GET", "k") }
            try eventually("slabs to be given back: \(ProcessUsage.residentKiB(weir.pid) - idle) KiB for 1000") {
                ProcessUsage.residentKiB(weir.pid) - idle <= 2 * 1000
            }
        }
    }
}

/// The Prometheus text format, checked as promtool would: names, HELP and TYPE, histograms, duplicates.
struct MetricsText {
    var samples: [String: Double] = [:]
    var types: [String: String] = [:]
    var complaints: [String] = []

    init(_ text: String) throws {
        var helps: Set<String> = []
        if !text.hasSuffix("\n") { complaints.append("the last line has no end") }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP "), words.count == 4 {
                if !helps.insert(words[2]).inserted { complaints.append("HELP twice: \(words[2])") }
            } else if line.hasPrefix("# TYPE "), words.count == 4 {
                if types.updateValue(words[3], forKey: words[2]) != nil { complaints.append("TYPE twice: \(words[2])") }
            } else if !line.hasPrefix("#") {
                readSample(String(line), helps)
            }
        }
        for (name, type) in types { checkFamily(name, type) }
    }

    private mutating func readSample(_ line: String, _ helps: Set<String>) {
        guard let split = line.lastIndex(of: " "), let value = Double(line[line.index(after: split)...]) else {
            return complaints.append("no value: \(line)")
        }
        let series = String(line[..<split])
        let family = Self.family(String(series.prefix { $0 != "{" }), types)
        if samples.updateValue(value, forKey: series) != nil { complaints.append("twice: \(series)") }
        if !helps.contains(family) { complaints.append("no HELP before \(series)") }
        if types[family] == nil { complaints.append("no TYPE before \(series)") }
        if !series.hasPrefix("weir_"), !series.hasPrefix("process_") { complaints.append("prefix: \(series)") }
        if series.contains("{"), !series.hasSuffix("}") { complaints.append("labels: \(series)") }
    }

    private static func family(_ name: String, _ types: [String: String]) -> String {
        for end in ["_bucket", "_sum", "_count"] where name.hasSuffix(end) {
            let base = String(name.dropLast(end.count))
            if types[base] == "histogram" || types[base] == "summary" { return base }
        }
        return name
    }

    private mutating func checkFamily(_ name: String, _ type: String) {
        let letters = name.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 95 }
        if !letters { complaints.append("name: \(name)") }
        if type == "counter", !name.hasSuffix("_total") { complaints.append("a counter without _total: \(name)") }
        if type != "counter", name.hasSuffix("_total") { complaints.append("_total on a \(type): \(name)") }
        if type == "summary" { complaints.append("a summary where a histogram is wanted: \(name)") }
        guard type == "histogram" else { return }
        let infinite = samples.keys.filter { $0.hasPrefix("\(name)_bucket{") && $0.contains("le=\"+Inf\"") }
        if infinite.isEmpty, samples.keys.contains(where: { $0.hasPrefix(name) }) {
            complaints.append("no +Inf bucket: \(name)")
        }
        for series in infinite {
            let labels = series.dropFirst("\(name)_bucket".count).replacing(",le=\"+Inf\"", with: "")
                .replacing("le=\"+Inf\",", with: "").replacing("{le=\"+Inf\"}", with: "")
            if samples["\(name)_count\(labels)"] != samples[series] {
                complaints.append("_count is not +Inf: \(series)")
            }
            if samples["\(name)_sum\(labels)"] == nil { complaints.append("no _sum: \(series)") }
        }
    }

    func isCounter(_ series: String) -> Bool {
        let name = String(series.prefix { $0 != "{" })
        return types[name] == "counter" || types[Self.family(name, types)] == "histogram"
    }
}
