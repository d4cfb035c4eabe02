// The log of the process: one fixed event name and key/values per line, to standard error.
//
//     Log.info("source.listening", ["name": source.name, "address": address])
//
// The fields are not evaluated when the level is off: a switched-off line costs one relaxed load. A line is one
// write(2), so lines of different threads never mix. A log that cannot be written (full disk, closed
// pipe, a pipe nobody reads) loses lines and counts them; it never ends or stops the process. Values are
// never secrets and never payload: that is the caller's duty.

import Glibc
public import Synchronization

public enum Log {
    /// Fields of a line in the order they are written.
    public typealias Fields = KeyValuePairs<StaticString, any LogValueConvertible>

    @usableFromInline static let threshold = Atomic<UInt8>(LogLevel.info.rawValue)
    private static let format = Atomic<UInt8>(LogFormat.human.rawValue)
    private static let usesColour = Atomic<Bool>(false)
    private static let lost = Atomic<UInt64>(0)
    private static let limiter = Mutex(LogLimiter())

    /// What is written: lines of this level and above.
    public static var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .info }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Lines that could not be written.
    public static var lostLineCount: UInt64 { lost.load(ordering: .relaxed) }

    /// How lines look from now on. Colour is used for people only, on a terminal, and not with `NO_COLOR`.
    public static func configure(format newFormat: LogFormat) {
        format.store(newFormat.rawValue, ordering: .relaxed)
        let refusesColour = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        usesColour.store(newFormat == .human && !refusesColour && isatty(STDERR_FILENO) == 1, ordering: .relaxed)
    }

    @inlinable public static func isOn(_ level: LogLevel) -> Bool {
        level.rawValue >= threshold.load(ordering: .relaxed)
    }

    @inlinable public static func trace(
        _ event: StaticString, _ fields: @autoclosure () -> Fields = [:], file: StaticString = #fileID
    ) {
        if isOn(.trace) { write(.trace, event, fields(), file) }
    }

    @inlinable public static func debug(
        _ event: StaticString, _ fields: @autoclosure () -> Fields = [:], file: StaticString = #fileID
    ) {
        if isOn(.debug) { write(.debug, event, fields(), file) }
    }

    @inlinable public static func info(
        _ event: StaticString, _ fields: @autoclosure () -> Fields = [:], file: StaticString = #fileID
    ) {
        if isOn(.info) { write(.info, event, fields(), file) }
    }

    @inlinable public static func warn(
        _ event: StaticString, _ fields: @autoclosure () -> Fields = [:], file: StaticString = #fileID
    ) {
        if isOn(.warn) { write(.warn, event, fields(), file) }
    }

    @inlinable public static func error(
        _ event: StaticString, _ fields: @autoclosure () -> Fields = [:], file: StaticString = #fileID
    ) {
        if isOn(.error) { write(.error, event, fields(), file) }
    }

    /// A line whose level is known at run time only, such as one that a plugin writes.
    @inlinable public static func line(
        _ level: LogLevel, _ event: StaticString, _ fields: @autoclosure () -> Fields = [:],
        file: StaticString = #fileID
    ) {
        if level != .off, isOn(level) { write(level, event, fields(), file) }
    }

    @usableFromInline static func write(
        _ level: LogLevel, _ event: StaticString, _ fields: Fields, _ file: StaticString
    ) {
        let now = wallNanoseconds()
        var leftOut: UInt64 = 0
        if level >= .info {
            // Below that somebody asked for every line.
            let eventAddress = event.hasPointerRepresentation ? UInt(bitPattern: event.utf8Start) : 0
            guard let count = limiter.withLock({ $0.admit(eventAddress, second: now / 1_000_000_000) }) else { return }
            leftOut = count
        }
        var line = LogLine(
            unixNanoseconds: now, level: level, event: event.description,
            fields: fields.map { ($0.key.description, $0.value.logValue) }, target: module(of: file.description))
        if leftOut > 0 { line.fields.append(("left_out", .unsigned(leftOut))) }
        let bytes = line.bytes(
            format: LogFormat(rawValue: format.load(ordering: .relaxed)) ?? .human,
            colour: usesColour.load(ordering: .relaxed))
        if !put(bytes, on: STDERR_FILENO) { lost.add(1, ordering: .relaxed) }
    }

    private static func wallNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(max(0, time.tv_nsec))
    }

    /// "WeirRuntime" of "WeirRuntime/Worker.swift".
    private static func module(of fileID: String) -> String {
        String(fileID.prefix { $0 != "/" })
    }

    /// Writes the line; false when it, or its end, could not be written.
    static func put(_ bytes: [UInt8], on descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                guard let base = buffer.baseAddress else { return true }
                let count = Glibc.write(descriptor, base + sent, buffer.count - sent)
                if count > 0 {
                    sent += count
                } else if count == 0 || errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}

/// Keeps one event from filling the disk: a bounded number of lines per second, the rest counted.
struct LogLimiter {
    /// Lines of one event in one second.
    static let maximumLinesPerSecond: UInt64 = 20

    private struct Tally {
        var second: UInt64
        var written: UInt64 = 0
        var leftOut: UInt64 = 0
    }

    /// By address of the event's name: event names are literals, so there is a bounded number of them.
    private var tallies: [UInt: Tally] = [:]

    /// nil when the line is left out, else how many lines of this event were left out before it.
    mutating func admit(_ event: UInt, second: UInt64) -> UInt64? {
        var tally = tallies[event] ?? Tally(second: second)
        if tally.second != second {
            tally.second = second
            tally.written = 0
        }
        defer { tallies[event] = tally }
        guard tally.written < LogLimiter.maximumLinesPerSecond else {
            tally.leftOut += 1
            return nil
        }
        tally.written += 1
        defer { tally.leftOut = 0 }
        return tally.leftOut
    }
}
