// YAML: what values mean, where they stand, and files that would harm a careless reader.

import Testing
@testable import WeirConfig

struct DocumentTests {
    private func root(_ text: String) -> ConfigNode? { ConfigDocument(text: text, file: "f").root }

    private func codes(_ text: String) -> [DiagnosticCode] {
        ConfigDocument(text: text, file: "f").diagnostics.sorted.map(\.code)
    }

    private func json(_ text: String) -> String? {
        root(text).map { node in
            var json = JSONText()
            json.value(node)
            return json.text
        }
    }

    @Test(arguments: [
        ("yes", #""yes""#), ("no", #""no""#), ("on", #""on""#), ("true", "true"), ("FALSE", "false"),
        ("\"3000\"", #""3000""#), ("3000", "3000"), ("-7", "-7"), ("+7", "7"), ("0x1F", "31"), ("0o17", "15"),
        ("0123", "123"), ("1_000", #""1_000""#), ("1.5", "1.5"), (".5", "0.5"), ("1e3", "1000.0"), ("1.", "1.0"),
        ("-", "[null]"), ("~", "null"), ("null", "null"), ("Null", "null"), ("", "null"), ("0x", #""0x""#),
        ("12:30", #""12:30""#), ("1.2.3", #""1.2.3""#), ("2026-11-21", #""2026-11-21""#), ("!!str 5", #""5""#),
        ("!!int 5", "5"), ("!!float 5", "5.0"), ("'5'", #""5""#), ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775807", "9223372036854775807"), ("e3", #""e3""#), ("1e", #""1e""#), (".", #"".""#),
        ("|\n  a\n  b\n", #""a\nb\n""#), (">\n  a\n  b\n", #""a b\n""#),
    ])
    func `a plain word means what YAML 1_2 says`(text: String, expected: String) {
        #expect(json(text) == expected)
    }

    @Test func `JSON is read as it is`() {
        let text = #"{"a":[1,2.5,true,null,"x\n\u00e9\/"],"b":{"c":"d"}}"#
        #expect(json(text) == "{\"a\":[1,2.5,true,null,\"x\\né/\"],\"b\":{\"c\":\"d\"}}")
    }

    @Test func `keys and values know their line and column`() throws {
        let map = try #require(root("a: 1\nlist:\n  - é: \"two\"\n")?.map)
        #expect(map[0].keyRange == SourceRange(SourcePosition(line: 1, column: 1), SourcePosition(line: 1, column: 2)))
        #expect(map[0].value.range.start == SourcePosition(line: 1, column: 4))
        let inner = try #require(map[1].value.list?[0].map?[0])
        #expect(inner.keyRange.start == SourcePosition(line: 3, column: 5))
        // Columns count characters, not bytes.
        #expect(
            inner.value.range == SourceRange(SourcePosition(line: 3, column: 8), SourcePosition(line: 3, column: 13)))
    }

    @Test func `a byte order mark is skipped and moves no column`() throws {
        let document = ConfigDocument(bytes: [0xEF, 0xBB, 0xBF] + Array("a: 1".utf8), file: "f")
        #expect(document.root?.map?[0].keyRange.start == SourcePosition(line: 1, column: 1))
    }

    @Test func `anchors and aliases repeat values`() {
        #expect(json("a: &x {b: 1}\nc: *x\nd: &y 5\ne: *y\n") == #"{"a":{"b":1},"c":{"b":1},"d":5,"e":5}"#)
        #expect(json("a: &x 1\nb: &x 2\nc: *x\n") == #"{"a":1,"b":2,"c":2}"#)
    }

    @Test func `an alias bomb is refused`() {
        var text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for i in 1...9 {
            let alias = "*a\(i - 1)"
            text += "a\(i): &a\(i) [" + Array(repeating: alias, count: 10).joined(separator: ",") + "]\n"
        }
        #expect(codes(text) == [.tooManyValues])
    }

    @Test func `a bomb of one long text is refused`() {
        let text =
            "a: &a \(String(repeating: "x", count: 1 << 20))\nb: [" + String(repeating: "*a,", count: 1000) + "]\n"
        #expect(codes(text) == [.tooManyValues])
    }

    @Test func `a file of too many values is refused`() {
        #expect(codes("[" + String(repeating: "1,", count: 200_000) + "]") == [.tooManyValues])
    }

    @Test func `nesting is bounded, in both styles`() {
        #expect(codes(String(repeating: "[", count: 100_000)) == [.tooDeep])
        #expect(codes(String(repeating: "{a: ", count: 10_000)) == [.tooDeep])
        #expect(codes(String(repeating: "- ", count: 10_000)) == [.tooDeep])
        let allowed = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(codes(allowed) == [])
    }

    @Test func `a file of 10 MB is refused`() {
        let document = ConfigDocument(bytes: [UInt8](repeating: 0x61, count: 10_000_000), file: "f")
        #expect(document.root == nil)
        #expect(document.diagnostics.sorted.map(\.code) == [.fileTooLarge])
    }

    @Test(
        arguments: [
            [0x61, 0xFF, 0x62], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
            [0xF0, 0x80, 0x80, 0x80],
            [0xFF, 0xFE, 0x61, 0x00],
        ] as [[UInt8]])
    func `what is not UTF-8 is refused with its place`(bytes: [UInt8]) {
        let diagnostics = ConfigDocument(bytes: bytes, file: "f").diagnostics.sorted
        #expect(diagnostics.map(\.code) == [.notUTF8])
        #expect(diagnostics.first?.range?.start == SourcePosition(line: 1, column: bytes[0] == 0x61 ? 2 : 1))
    }

    @Test(arguments: [
        "a\u{0}b", "a: \u{7}", "a: \u{7F}", "a: \u{80}", "a: \u{FFFE}", "a: \u{FEFF}b", "a: \"x\\0y\"", "\"\\x00\": 1",
    ])
    func `control characters are refused with their place`(text: String) {
        #expect(codes(text) == [.controlCharacter])
    }

    @Test func `duplicate keys are all told`() {
        #expect(codes("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n") == [.duplicateKey, .duplicateKey, .duplicateKey])
    }

    @Test(arguments: ["? [a]\n: 1", "? {a: 1}\n: 1", "a: &x 1\n*x : 2", "{[a]: 1}"])
    func `keys that are no text are refused`(text: String) {
        #expect(codes(text) == [.keyNotText])
    }

    @Test(arguments: ["!!binary aGk=", "!x [1]", "!!set {a}", "!!int x", "!!bool 5", "!!null 5", "!!float x"])
    func `tags that are unknown or do not fit are refused`(text: String) {
        #expect(codes(text) == [.unknownTag])
    }

    @Test func `any byte of a good file may be damaged`() {
        let good = Array(
            Sample.topology(
                chain: "- QueryCounter: {counter_name: \"a\"}\n- &x RedisSinkSingle: {remote_address: \"a:1\"}"
            ).utf8)
        var seed: UInt64 = 7
        for at in good.indices {
            for _ in 0..<4 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                var bytes = good
                bytes[at] = UInt8(truncatingIfNeeded: seed >> 33)
                let (topology, diagnostics) = TopologyReader.read(
                    bytes: bytes, file: "f", catalog: Sample.catalog, environment: { _ in nil })
                _ = DiagnosticRenderer().text(diagnostics)
                #expect(topology != nil || !diagnostics.isEmpty)
            }
        }
    }

    @Test func `a file may end at any byte`() {
        let good = Array(
            Sample.topology(chain: "- Tee: {chain: [NullSink]}\n- RedisSinkSingle: {remote_address: \"a:1\"}").utf8)
        for end in good.indices {
            let (topology, diagnostics) = TopologyReader.read(
                bytes: Array(good[..<end]), file: "f", catalog: Sample.catalog, environment: { _ in nil })
            #expect(topology != nil || !diagnostics.isEmpty)
        }
    }

    @Test func `random pieces of YAML harm nothing`() {
        let pieces = [
            "sources:", "- ", "\n", "  ", "{", "}", "[", "]", ":", ",", "\"", "'", "&a ", "*a", "!!int ", "|", ">", "#",
            "Redis", "chain", "name", "5", "~", "${env:A}", "\t", "---", "...", "%YAML 1.2\n", "? ", "é", "\r",
        ]
        var seed: UInt64 = 99
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<24 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(seed >> 33) % pieces.count]
            }
            _ = Sample.printed(text)
        }
    }
}
