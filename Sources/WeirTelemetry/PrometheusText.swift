// The text format of Prometheus, version 0.0.4, as `promtool check metrics` wants it: families of metrics in, bytes out.
//
// Knows nothing of where the numbers come from. Histograms are in seconds and cumulative; every fraction is written
// as an exact decimal number.
//
//     # HELP weir_wait_seconds Time that requests waited.
//     # TYPE weir_wait_seconds histogram
//     weir_wait_seconds_bucket{source="cache",le="0.000001024"} 0
//     …
//     weir_wait_seconds_bucket{source="cache",le="+Inf"} 3
//     weir_wait_seconds_sum{source="cache"} 0.000006
//     weir_wait_seconds_count{source="cache"} 3

public import WeirBase

public enum PrometheusText {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The families in the order given.
    public static func render(_ families: [MetricFamily]) -> [UInt8] {
        var text = PrometheusWriter()
        for family in families { text.append(family) }
        return text.bytes
    }

    /// The buckets that are shown, and their upper edges: powers of two from 1 µs to 69 s, and steps half way where
    /// most latencies lie, from 16 µs to 1 s. The finer cells below and above are added to the next edge.
    static let shownEdges: [(bucket: Int, nanoseconds: UInt64)] = (0..<HistogramCells.bucketCount).compactMap {
        bucket in
        guard let edge = HistogramSnapshot.upperEdgeNanoseconds(ofBucket: bucket) else { return nil }
        let isPowerOfTwo = edge & (edge - 1) == 0
        return isPowerOfTwo || (16_384...1_073_741_824).contains(edge) ? (bucket, edge) : nil
    }

    /// Nanoseconds as a decimal number of seconds, without trailing zeros.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let whole = String(nanoseconds / 1_000_000_000)
        let fraction = nanoseconds % 1_000_000_000
        guard fraction > 0 else { return whole }
        let digits = String(fraction)
        var text = whole + "." + String(repeating: "0", count: 9 - digits.utf8.count) + digits
        while text.last == "0" { text.removeLast() }
        return text
    }
}

/// Appends the lines of families.
private struct PrometheusWriter {
    var bytes: [UInt8] = []

    mutating func append(_ family: MetricFamily) {
        put("# HELP \(family.name) ")
        putEscaped(family.help, quotes: false)
        put("\n# TYPE \(family.name) \(family.kind)\n")
        for series in family.series {
            switch series.value {
            case .unsigned(let number): sample(family.name, series.labels, String(number))
            case .signed(let number): sample(family.name, series.labels, String(number))
            case .real(let number): sample(family.name, series.labels, PrometheusWriter.text(number))
            case .histogram(let histogram): append(histogram, family.name, series.labels)
            }
        }
    }

    private mutating func append(_ histogram: HistogramSnapshot, _ name: String, _ labels: [MetricLabel]) {
        var cumulative: UInt64 = 0
        var next = 0
        for edge in PrometheusText.shownEdges {
            while next <= edge.bucket {
                cumulative &+= histogram.buckets[next]
                next += 1
            }
            sample(name + "_bucket", labels, le: PrometheusText.seconds(edge.nanoseconds), String(cumulative))
        }
        let count = String(histogram.count)
        sample(name + "_bucket", labels, le: "+Inf", count)
        sample(name + "_sum", labels, PrometheusText.seconds(histogram.sumNanoseconds))
        sample(name + "_count", labels, count)
    }

    private mutating func sample(_ name: String, _ labels: [MetricLabel], le: String? = nil, _ value: String) {
        put(name)
        var separator = "{"
        for label in labels {
            put("\(separator)\(label.name)=\"")
            putEscaped(label.value, quotes: true)
            put("\"")
            separator = ","
        }
        if let le {
            put("\(separator)le=\"\(le)\"")
            separator = ","
        }
        put(separator == "{" ? " \(value)\n" : "} \(value)\n")
    }

    private static func text(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        return number.description
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func putEscaped(_ text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): put(#"\\"#)
            case UInt8(ascii: "\n"): put(#"\n"#)
            case UInt8(ascii: "\"") where quotes: put(#"\""#)
            default: bytes.append(byte)
            }
        }
    }
}
