// The log (WeirBase): what a line looks like, which level a directive asks for, what survives.

import Foundation
import Testing

@testable import WeirBase

@Suite struct `Log lines` {
    private func line(_ fields: [(String, LogValue)] = [], level: LogLevel = .info) -> LogLine {
        LogLine(
            unixNanoseconds: 1_795_275_916_000_123_456, level: level, event: "source.listening", fields: fields,
            target: "WeirRuntime")
    }

    private func text(_ line: LogLine, _ format: LogFormat, colour: Bool = false) -> String {
        String(decoding: line.bytes(format: format, colour: colour), as: UTF8.self)
    }

    @Test func `a line for people has time, level, event and fields`() {
        let fields: [(String, LogValue)] = [
            ("name", .text("cache")), ("port", .signed(6379)), ("tls", .boolean(false)),
        ]
        #expect(
            text(line(fields), .human)
                == "2026-11-21T15:45:16.000123Z  INFO source.listening name=cache port=6379 tls=false\n")
        #expect(text(line(level: .error), .human).contains("Z ERROR source.listening\n"))
    }

    @Test(arguments: ["two words", "a\"b", "", "a=b", "line\nbreak", "\u{1B}[31m", "NUL\u{0}"])
    func `a value that could be misread is quoted and escaped, and the line stays one line`(value: String) {
        let human = text(line([("v", .text(value))]), .human)
        #expect(human.contains(" v=\""))
        #expect(human.dropLast().unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    @Test(arguments: ["plain", "two words", "a\"b\\c", "line\nbreak\ttab", "\u{1B}\u{0}\u{7F}\u{9B}", "naïve 🙂"])
    func `a line of JSON gives its values back`(value: String) throws {
        let bytes = line([("v", .text(value)), ("n", .unsigned(.max)), ("r", .real(.infinity))]).bytes(
            format: .json, colour: true)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect(object["timestamp"] as? String == "2026-11-21T15:45:16.000123Z")
        #expect(object["level"] as? String == "INFO")
        #expect(object["event"] as? String == "source.listening")
        #expect(object["target"] as? String == "WeirRuntime")
        let fields = try #require(object["fields"] as? [String: Any])
        #expect(fields["message"] as? String == "source.listening")
        #expect(fields["v"] as? String == value)
        #expect(fields["r"] as? String == "inf")
    }

    @Test func `a field named message is the message, once`() {
        let json = text(line([("message", .text("up")), ("n", .signed(1))]), .json)
        #expect(json.contains(#""fields":{"message":"up","n":1}"#))
    }

    @Test func `a long value is cut`() {
        let long = String(repeating: "x", count: 100_000)
        #expect(text(line([("v", .text(long))]), .human).utf8.count < 1200)
    }

    @Test func `colour is there only when it was asked for`() {
        #expect(text(line(), .human, colour: true).contains("\u{1B}[32mINFO"))
        #expect(!text(line(), .human).contains("\u{1B}"))
        #expect(!text(line(), .json, colour: true).contains("\u{1B}"))
    }

    @Test(arguments: [
        (0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_709_164_800, "2024-02-29"), (1_709_251_200, "2024-03-01"),
        (4_107_542_400, "2100-03-01"), (1_798_761_599, "2026-12-31"),
    ])
    func `the date is right`(seconds: UInt64, date: String) {
        var out: [UInt8] = []
        LogText.appendTimestamp(seconds * 1_000_000_000, to: &out)
        #expect(String(decoding: out, as: UTF8.self).hasPrefix(date + "T"))
    }

    @Test func `writing to a pipe that nobody reads, or a full disk, fails without ending the process`() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        close(ends[0])
        #expect(!Log.put([1, 2, 3], on: ends[1]))
        close(ends[1])
        let full = open("/dev/full", O_WRONLY)
        #expect(full >= 0)
        #expect(!Log.put([1, 2, 3], on: full))
        close(full)
    }
}

@Suite struct `Log levels` {
    @Test(arguments: [
        ("info", LogLevel.info), ("WARN", .warn), ("info, shotover=debug", .debug), ("shotover=trace,info", .trace),
        ("info, shotover=info, shotover::connection_span=debug", .info), ("warn,tokio=trace", .warn), ("off", .off),
        ("weir=error", .error), (" info , ", .info), ("info,shotover[span{a=1}]=trace", .info),
    ])
    func `a directive string gives the level for Weir`(directives: String, level: LogLevel) throws {
        #expect(try LogLevel.asked(by: directives) == level)
    }

    @Test(arguments: ["", "tokio=info", "shotover::sources", " , "])
    func `directives for others say nothing`(directives: String) throws {
        #expect(try LogLevel.asked(by: directives) == nil)
    }

    @Test(arguments: [("loud", "loud"), ("info,weir=loud", "loud"), ("=", ""), ("info=", ""), ("weir", "weir")])
    func `what is no level is refused`(directives: String, word: String) {
        #expect(throws: LogLevelError(word: word)) { try LogLevel.asked(by: directives) }
    }
}

@Suite struct `Log limits` {
    @Test func `an event is written a bounded number of times a second, and then says how many were left out`() {
        var limiter = LogLimiter()
        var written: UInt64 = 0
        for _ in 0..<1000 where limiter.admit(1, second: 5) != nil { written += 1 }
        #expect(written == LogLimiter.maximumLinesPerSecond)
        #expect(limiter.admit(2, second: 5) == 0)
        #expect(limiter.admit(1, second: 6) == 1000 - written)
        #expect(limiter.admit(1, second: 6) == 0)
    }
}
