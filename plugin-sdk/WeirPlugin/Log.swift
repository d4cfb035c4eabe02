// Log lines. `log(_:_:)` is for what happens now and then; `logLine` builds a line in place, without a String,
// for what happens often. Neither does anything below the host's level.

public import CWeir

/// WEIR_LOG_* of weir.h.
public enum LogLevel: Int32, Sendable {
    case trace = 0
    case debug = 1
    case info = 2
    case warning = 3
    case error = 4
}

extension Worker {
    /// Whether a line of this level is wanted: ask before building one.
    @inlinable
    public func logs(_ level: LogLevel) -> Bool { UInt32(level.rawValue) >= raw.pointee.log_level }

    public func log(_ level: LogLevel, _ text: @autoclosure () -> String) {
        guard logs(level) else { return }
        text().withBytes { host.pointee.log(host, site, level.rawValue, $0.raw) }
    }

    /// One line, written in place; what does not fit into `maximumByteCount` is cut.
    public func logLine(_ level: LogLevel, maximumByteCount: Int = 512, _ write: (inout LogLine) -> Void) {
        guard logs(level) else { return }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(maximumByteCount, 1)) { memory in
            var line = LogLine(memory)
            write(&line)
            host.pointee.log(host, site, level.rawValue, line.written.raw)
        }
    }
}

/// A line under construction, in memory of a fixed size.
public struct LogLine {
    private let memory: UnsafeMutableBufferPointer<UInt8>
    private var count = 0

    init(_ memory: UnsafeMutableBufferPointer<UInt8>) { self.memory = memory }

    var written: Bytes { Bytes(base: memory.baseAddress, count: count) }

    public mutating func append(_ byte: UInt8) {
        guard count < memory.count else { return }
        memory[count] = byte
        count += 1
    }

    public mutating func append(_ bytes: Bytes) {
        for byte in bytes.buffer { append(byte) }
    }

    public mutating func append(_ text: StaticString) { append(Bytes(text)) }

    public mutating func append(_ number: Int) {
        if number < 0 { append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var divisor: UInt = 1
        while rest / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(truncatingIfNeeded: 0x30 + rest / divisor))
            rest %= divisor
            divisor /= 10
        }
    }

    /// Bytes of unknown origin, in quotes: what is not printable ASCII is escaped, and after
    /// `maximumByteCount` bytes the number of those left out stands instead.
    public mutating func append(escaped bytes: Bytes, maximumByteCount: Int) {
        append(UInt8(ascii: "\""))
        for byte in bytes.buffer.prefix(max(maximumByteCount, 0)) { append(escaped: byte) }
        append(UInt8(ascii: "\""))
        if bytes.count > maximumByteCount {
            append("+")
            append(bytes.count - max(maximumByteCount, 0))
        }
    }

    private mutating func append(escaped byte: UInt8) {
        let digits: StaticString = "0123456789abcdef"
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            append(UInt8(ascii: "\\"))
            append(byte)
        case 0x20..<0x7F: append(byte)
        case 0x0A: append("\\n")
        case 0x0D: append("\\r")
        case 0x09: append("\\t")
        default:
            append("\\x")
            append(digits.utf8Start[Int(byte >> 4)])
            append(digits.utf8Start[Int(byte & 15)])
        }
    }
}
