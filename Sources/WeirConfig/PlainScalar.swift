// What an unquoted word means: the core schema of YAML 1.2 (section 10.3.2), so `yes` and `on` are text.
// Works on bytes; knows nothing of documents.

/// The meaning of a plain scalar.
enum PlainScalar {
    case null
    case bool(Bool)
    case int(Int64)
    /// Written as a whole number, but beyond 64 bits.
    case intOutOfRange
    case float(Double)
    case text

    static func resolve(_ word: String) -> PlainScalar {
        let bytes = Array(word.utf8)
        switch word {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".nan", ".NaN", ".NAN": return .float(.nan)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .float(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .float(-.infinity)
        default: break
        }
        guard let first = bytes.first, isDigit(first) || first == 0x2B || first == 0x2D || first == 0x2E else {
            return .text
        }
        if bytes.count > 2, first == 0x30, bytes[1] == 0x78 { return based(bytes.dropFirst(2), radix: 16) }
        if bytes.count > 2, first == 0x30, bytes[1] == 0x6F { return based(bytes.dropFirst(2), radix: 8) }
        return decimal(bytes, word)
    }

    private static func decimal(_ bytes: [UInt8], _ word: String) -> PlainScalar {
        var i = 0
        let isNegative = bytes[0] == 0x2D
        if bytes[0] == 0x2B || isNegative { i = 1 }
        let digits = i
        while i < bytes.count, isDigit(bytes[i]) { i += 1 }
        let integerDigits = i - digits
        if i == bytes.count { return integerDigits > 0 ? integer(bytes[digits...], isNegative) : .text }
        if bytes[i] == 0x2E {
            i += 1
            let fraction = i
            while i < bytes.count, isDigit(bytes[i]) { i += 1 }
            if integerDigits == 0, i == fraction { return .text }
        } else if integerDigits == 0 {
            return .text
        }
        if i < bytes.count {
            guard bytes[i] == 0x65 || bytes[i] == 0x45 else { return .text }
            i += 1
            if i < bytes.count, bytes[i] == 0x2B || bytes[i] == 0x2D { i += 1 }
            let exponent = i
            while i < bytes.count, isDigit(bytes[i]) { i += 1 }
            if i == exponent || i < bytes.count { return .text }
        }
        return Double(word).map { .float($0) } ?? .text
    }

    private static func integer(_ digits: ArraySlice<UInt8>, _ isNegative: Bool) -> PlainScalar {
        var value: Int64 = 0
        for digit in digits {
            let d = Int64(digit - 0x30)
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) =
                isNegative ? shifted.subtractingReportingOverflow(d) : shifted.addingReportingOverflow(d)
            if overflow || carry { return .intOutOfRange }
            value = next
        }
        return .int(value)
    }

    private static func based(_ digits: ArraySlice<UInt8>, radix: Int64) -> PlainScalar {
        var value: Int64 = 0
        var isTooLarge = false
        for digit in digits {
            guard let d = digitValue(digit), d < radix else { return .text }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: radix)
            let (next, carry) = shifted.addingReportingOverflow(d)
            if overflow || carry { isTooLarge = true }
            value = isTooLarge ? 0 : next
        }
        return isTooLarge ? .intOutOfRange : .int(value)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func digitValue(_ byte: UInt8) -> Int64? {
        switch byte {
        case 0x30...0x39: Int64(byte - 0x30)
        case 0x61...0x66: Int64(byte - 0x61 + 10)
        case 0x41...0x46: Int64(byte - 0x41 + 10)
        default: nil
        }
    }
}
