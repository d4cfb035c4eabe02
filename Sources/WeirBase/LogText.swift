// How one log line is written, for people and as JSON: pure functions of the line's parts.
//
// A line is one line whatever is in it: control characters are escaped, long values are cut. JSON keeps the keys
// that pipelines of the replaced system read: timestamp, level, fields.message, target.
//
//     2026-11-21T15:45:16.000123Z  INFO source.listening name=cache address=127.0.0.1:6379
//     {"timestamp":"2026-…Z","level":"INFO","event":"source.listening","fields":{"message":"source.listening","name":"cache"},"target":"WeirRuntime"}

/// How log lines look.
public enum LogFormat: UInt8, Sendable, CaseIterable {
    case human, json
}

/// A value of a log line. Never a secret, never payload.
public enum LogValue: Sendable, Equatable {
    case text(String)
    case signed(Int64)
    case unsigned(UInt64)
    case real(Double)
    case boolean(Bool)
}

/// What may stand as a value in a log line.
public protocol LogValueConvertible {
    var logValue: LogValue { get }
}

extension LogValue: LogValueConvertible { public var logValue: LogValue { self } }
extension String: LogValueConvertible { public var logValue: LogValue { .text(self) } }
extension Substring: LogValueConvertible { public var logValue: LogValue { .text(String(self)) } }
extension StaticString: LogValueConvertible { public var logValue: LogValue { .text(description) } }
extension Int: LogValueConvertible { public var logValue: LogValue { .signed(Int64(self)) } }
extension Int32: LogValueConvertible { public var logValue: LogValue { .signed(Int64(self)) } }
extension Int64: LogValueConvertible { public var logValue: LogValue { .signed(self) } }
extension UInt: LogValueConvertible { public var logValue: LogValue { .unsigned(UInt64(self)) } }
extension UInt16: LogValueConvertible { public var logValue: LogValue { .unsigned(UInt64(self)) } }
extension UInt32: LogValueConvertible { public var logValue: LogValue { .unsigned(UInt64(self)) } }
extension UInt64: LogValueConvertible { public var logValue: LogValue { .unsigned(self) } }
extension Double: LogValueConvertible { public var logValue: LogValue { .real(self) } }
extension Bool: LogValueConvertible { public var logValue: LogValue { .boolean(self) } }

/// One line before it is written.
struct LogLine {
    /// Longer values are cut, with "…" in place of the rest.
    static let maximumValueByteCount = 1024

    var unixNanoseconds: UInt64
    var level: LogLevel
    var event: String
    var fields: [(String, LogValue)]
    var target: String

    /// The line with its newline.
    func bytes(format: LogFormat, colour: Bool) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(256)
        switch format {
        case .human: appendHuman(to: &out, colour: colour)
        case .json: appendJSON(to: &out)
        }
        out.append(UInt8(ascii: "\n"))
        return out
    }

    private func appendHuman(to out: inout [UInt8], colour: Bool) {
        func paint(_ code: String) { if colour { out.append(contentsOf: "\u{1B}[\(code)m".utf8) } }
        paint("2")
        LogText.appendTimestamp(unixNanoseconds, to: &out)
        paint("0")
        let name = level.name.description
        out.append(contentsOf: (name.utf8.count < 5 ? "  " : " ").utf8)
        paint(LogText.colourCode(of: level))
        out.append(contentsOf: name.utf8)
        paint("0")
        out.append(UInt8(ascii: " "))
        LogText.appendEscaped(event, to: &out)
        for (key, value) in fields {
            out.append(UInt8(ascii: " "))
            paint("2")
            LogText.appendEscaped(key, to: &out)
            out.append(UInt8(ascii: "="))
            paint("0")
            LogText.append(value, to: &out, quoteAlways: false)
        }
    }

    private func appendJSON(to out: inout [UInt8]) {
        out.append(contentsOf: #"{"timestamp":""#.utf8)
        LogText.appendTimestamp(unixNanoseconds, to: &out)
        out.append(contentsOf: #"","level":""#.utf8)
        out.append(contentsOf: level.name.description.utf8)
        out.append(contentsOf: #"","event":"#.utf8)
        LogText.appendQuoted(event, to: &out)
        out.append(contentsOf: #","fields":{"message":"#.utf8)
        // Pipelines look for a message: a field of that name, else the event.
        let message = fields.first { $0.0 == "message" }?.1 ?? .text(event)
        LogText.append(message, to: &out, quoteAlways: true)
        for (key, value) in fields where key != "message" {
            out.append(UInt8(ascii: ","))
            LogText.appendQuoted(key, to: &out)
            out.append(UInt8(ascii: ":"))
            LogText.append(value, to: &out, quoteAlways: true)
        }
        out.append(contentsOf: #"},"target":"#.utf8)
        LogText.appendQuoted(target, to: &out)
        out.append(UInt8(ascii: "}"))
    }
}

/// A date of the Gregorian calendar.
public struct CivilDate: Sendable, Equatable {
    public let year: UInt64
    /// 1 … 12
    public let month: UInt64
    /// 1 … 31
    public let day: UInt64

    /// The date so many days after 1970-01-01: eras of 400 years that begin on 1 March, so that the leap day is the last of
    /// its year.
    public init(daysSinceEpoch days: UInt64) {
        let shifted = days + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + shifted / 146_097 * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    }
}

/// The small pieces of a line.
enum LogText {
    static func colourCode(of level: LogLevel) -> String {
        switch level {
        case .trace: "35"
        case .debug: "34"
        case .info, .off: "32"
        case .warn: "33"
        case .error: "31"
        }
    }

    /// RFC 3339 in UTC with microseconds.
    static func appendTimestamp(_ unixNanoseconds: UInt64, to out: inout [UInt8]) {
        let seconds = unixNanoseconds / 1_000_000_000
        let date = CivilDate(daysSinceEpoch: seconds / 86400)
        let ofDay = seconds % 86400
        func digits(_ value: UInt64, _ width: Int, _ mark: Unicode.Scalar) {
            let text = String(value)
            for _ in 0..<max(0, width - text.utf8.count) { out.append(UInt8(ascii: "0")) }
            out.append(contentsOf: text.utf8)
            out.append(UInt8(truncatingIfNeeded: mark.value))
        }
        digits(date.year, 4, "-")
        digits(date.month, 2, "-")
        digits(date.day, 2, "T")
        digits(ofDay / 3600, 2, ":")
        digits(ofDay / 60 % 60, 2, ":")
        digits(ofDay % 60, 2, ".")
        digits(unixNanoseconds % 1_000_000_000 / 1000, 6, "Z")
    }

    static func append(_ value: LogValue, to out: inout [UInt8], quoteAlways: Bool) {
        switch value {
        case .text(let text):
            if quoteAlways || needsQuotes(text) {
                appendQuoted(text, to: &out)
            } else {
                out.append(contentsOf: text.utf8)
            }
        case .signed(let number): out.append(contentsOf: String(number).utf8)
        case .unsigned(let number): out.append(contentsOf: String(number).utf8)
        case .real(let number):
            if number.isFinite {
                out.append(contentsOf: number.description.utf8)
            } else {
                appendQuoted(number.description, to: &out)
            }
        case .boolean(let flag): out.append(contentsOf: (flag ? "true" : "false").utf8)
        }
    }

    private static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty || text.utf8.count > LogLine.maximumValueByteCount
            || text.utf8.contains { $0 <= 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=") }
    }

    /// A JSON string, cut when too long.
    static func appendQuoted(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        appendEscaped(text, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// The text with JSON's escapes.
    static func appendEscaped(_ text: String, to out: inout [UInt8]) {
        var left = LogLine.maximumValueByteCount
        for scalar in text.unicodeScalars {
            guard left > 0 else {
                out.append(contentsOf: "…".utf8)
                return
            }
            left -= UTF8.width(scalar)
            switch scalar {
            case "\"": out.append(contentsOf: #"\""#.utf8)
            case "\\": out.append(contentsOf: #"\\"#.utf8)
            case "\n": out.append(contentsOf: #"\n"#.utf8)
            case "\r": out.append(contentsOf: #"\r"#.utf8)
            case "\t": out.append(contentsOf: #"\t"#.utf8)
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let hex = String(scalar.value, radix: 16)
                out.append(contentsOf: "\\u".utf8)
                for _ in hex.utf8.count..<4 { out.append(UInt8(ascii: "0")) }
                out.append(contentsOf: hex.utf8)
            default: out.append(contentsOf: String(scalar).utf8)
            }
        }
    }
}
