// A strict reader of the Prometheus text format: what `promtool check metrics` would complain about, and more.

struct ExpositionChecker {
    private(set) var complaints: [String] = []
    private(set) var types: [String: String] = [:]
    /// Series as written, `name{labels}`, and their values.
    private(set) var samples: [String: Double] = [:]
    private var order: [(name: String, labels: [(String, String)], value: Double)] = []
    private var helped: Set<String> = []
    private var finished: Set<String> = []
    private var current = ""

    init(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            complaints.append("not UTF-8")
            return
        }
        if !text.isEmpty, !text.hasSuffix("\n") { complaints.append("no newline at the end") }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() { read(String(line)) }
        checkHistograms()
        for (name, type) in types where type == "counter" && !name.hasSuffix("_total") {
            complaints.append("counter \(name) does not end in _total")
        }
    }

    private mutating func read(_ line: String) {
        if line.hasPrefix("# ") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            guard words.count >= 3 else { return complaints.append("comment: \(line)") }
            switch words[1] {
            case "HELP":
                enter(words[2])
                if !helped.insert(words[2]).inserted { complaints.append("second HELP for \(words[2])") }
                if words.count < 4 || words[3].isEmpty { complaints.append("no help text for \(words[2])") }
            case "TYPE":
                enter(words[2])
                if types.updateValue(words.last ?? "", forKey: words[2]) != nil {
                    complaints.append("second TYPE for \(words[2])")
                }
                if !helped.contains(words[2]) { complaints.append("TYPE before HELP of \(words[2])") }
            default: complaints.append("comment: \(line)")
            }
            return
        }
        guard let sample = ExpositionChecker.sample(line) else { return complaints.append("malformed: \(line)") }
        if samples.updateValue(sample.value, forKey: String(line[..<sample.end])) != nil {
            complaints.append("twice: \(line)")
        }
        if family(of: sample.name) != current { complaints.append("outside its family: \(line)") }
        order.append((sample.name, sample.labels, sample.value))
    }

    private mutating func enter(_ name: String) {
        if name != current {
            if !finished.insert(current).inserted { complaints.append("family \(current) in pieces") }
            current = name
        }
        if name.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) == nil { complaints.append("name \(name)") }
    }

    private func family(of series: String) -> String {
        for suffix in ["_bucket", "_sum", "_count"] where series.hasSuffix(suffix) {
            let base = String(series.dropLast(suffix.count))
            if types[base] == "histogram" { return base }
        }
        return series
    }

    private static func sample(
        _ line: String
    ) -> (name: String, labels: [(String, String)], value: Double, end: String.Index)? {
        guard let head = line.prefixMatch(of: /([a-zA-Z_:][a-zA-Z0-9_:]*)/) else { return nil }
        var rest = line[head.range.upperBound...]
        var labels: [(String, String)] = []
        if rest.hasPrefix("{") {
            rest = rest.dropFirst()
            while let label = rest.prefixMatch(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(,?)/) {
                labels.append((String(label.1), String(label.2)))
                rest = rest[label.range.upperBound...]
                if label.3.isEmpty { break }
            }
            guard rest.hasPrefix("}") else { return nil }
            rest = rest.dropFirst()
        }
        guard rest.hasPrefix(" "), !labels.isEmpty || !line.contains("{}") else { return nil }
        let number = rest.dropFirst()
        guard let value = number == "+Inf" ? .infinity : Double(number) else { return nil }
        guard Set(labels.map(\.0)).count == labels.count else { return nil }
        return (String(head.1), labels, value, rest.startIndex)
    }

    /// Buckets rise in edge and count, the last is +Inf and equals the count, and there is a sum.
    private mutating func checkHistograms() {
        for (name, type) in types where type == "histogram" {
            var seen: [String: (edge: Double, count: Double)] = [:]
            func key(_ labels: [(String, String)]) -> String {
                labels.filter { $0.0 != "le" }.map { "\($0.0)=\($0.1)" }.sorted().joined(separator: ",")
            }
            for sample in order where sample.name == name + "_bucket" {
                guard let le = sample.labels.first(where: { $0.0 == "le" })?.1 else {
                    complaints.append("bucket without le in \(name)")
                    continue
                }
                let edge = le == "+Inf" ? Double.infinity : Double(le) ?? -1
                let before = seen[key(sample.labels)] ?? (-1, 0)
                if edge <= before.edge || sample.value < before.count {
                    complaints.append("buckets of \(name) do not rise at \(le)")
                }
                seen[key(sample.labels)] = (edge, sample.value)
            }
            for sample in order where sample.name == name + "_count" {
                guard let last = seen.removeValue(forKey: key(sample.labels)), last.edge == .infinity,
                    last.count == sample.value
                else {
                    complaints.append("\(name) has no bucket +Inf that equals its count")
                    continue
                }
                let sums = order.filter { $0.name == name + "_sum" && key($0.labels) == key(sample.labels) }
                if sums.count != 1 { complaints.append("\(name) has \(sums.count) sums") }
            }
            if !seen.isEmpty { complaints.append("\(name) has buckets without a count") }
        }
    }
}
