// Durations and sizes as people write them: 250ms, 1.5s, 16MiB. Integer arithmetic only; overflow is an error.

/// Reads a number with a unit.
public enum Units {
    public enum Kind: String, Sendable {
        /// Nanoseconds.
        case duration
        /// Bytes.
        case bytes
    }

    public enum Failure: Error, Sendable, Equatable {
        case notANumber
        case missingUnit
        case unknownUnit(String)
        case tooLarge
    }

    static let durations: [(name: String, factor: Int64)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
        ("m", 60_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]
    static let sizes: [(name: String, factor: Int64)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ]

    /// A bare number counts in the unit that a key's name ends in; nil when the name says nothing.
    public static func factor(ofKey key: String) -> Int64? {
        if key.hasSuffix("_ms") || key.hasSuffix("_millis") { return 1_000_000 }
        if key.hasSuffix("_micros") || key.hasSuffix("_us") { return 1_000 }
        if key.hasSuffix("_ns") || key.hasSuffix("_nanos") { return 1 }
        if key.hasSuffix("_seconds") || key.hasSuffix("_secs") { return 1_000_000_000 }
        if key.hasSuffix("_bytes") { return 1 }
        return nil
    }

    /// Nanoseconds or bytes. Never negative. Zero needs no unit.
    public static func parse(_ text: String, _ kind: Kind) -> Result<Int64, Failure> {
        var whole: Int64 = 0
        var fraction: Int64 = 0
        var scale: Int64 = 1
        var digits = 0
        var isFraction = false
        var rest = text.utf8[...]
        while let byte = rest.first {
            if byte == 0x2E, !isFraction, digits > 0 {
                isFraction = true
            } else if byte >= 0x30, byte <= 0x39 {
                let digit = Int64(byte - 0x30)
                digits += 1
                if !isFraction {
                    let (shifted, overflow) = whole.multipliedReportingOverflow(by: 10)
                    let (next, carry) = shifted.addingReportingOverflow(digit)
                    if overflow || carry { return .failure(.tooLarge) }
                    whole = next
                } else if scale < 1_000_000_000 {
                    // Safe: at most nine digits of a fraction are kept.
                    fraction = fraction * 10 + digit
                    scale *= 10
                }
            } else {
                break
            }
            rest.removeFirst()
        }
        guard digits > 0 else { return .failure(.notANumber) }
        while rest.first == 0x20 { rest.removeFirst() }
        let unit = String(decoding: Array(rest), as: UTF8.self)
        if unit.isEmpty { return whole == 0 && fraction == 0 ? .success(0) : .failure(.missingUnit) }
        let table = kind == .duration ? durations : sizes
        guard let factor = table.first(where: { $0.name == unit })?.factor else {
            return .failure(.unknownUnit(unit))
        }
        return scaled(whole, fraction, scale, factor)
    }

    private static func scaled(_ whole: Int64, _ fraction: Int64, _ scale: Int64, _ factor: Int64)
        -> Result<Int64, Failure>
    {
        let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
        // Safe: 128 bits hold any product of two 64-bit numbers.
        let part = Int64(Int128(fraction) * Int128(factor) / Int128(scale))
        let (sum, carry) = product.addingReportingOverflow(part)
        return overflow || carry ? .failure(.tooLarge) : .success(sum)
    }

    /// The units of a kind, for hints.
    static func names(_ kind: Kind) -> String {
        kind == .duration ? "ns, us, ms, s, m, h, d" : "B, KiB, MiB, GiB, kB, MB, GB"
    }

    /// How a value is best written, for hints: 3 s rather than 3000000000.
    static func text(_ value: Int64, _ kind: Kind) -> String {
        let table = kind == .duration ? durations : sizes.filter { $0.name.hasSuffix("iB") || $0.name == "B" }
        var best = table[0]
        for unit in table where unit.factor > best.factor && value != 0 && value % unit.factor == 0 { best = unit }
        return "\(value / best.factor)\(best.name)"
    }
}
