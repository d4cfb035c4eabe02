// Every mistake of the table is told exactly as the table says; every code has an explanation and a test.

import Testing
import WeirConfig

struct GoldenTests {
    @Test(arguments: GoldenCase.all)
    func `a mistake is told at its place, with the right words`(mistake: GoldenCase) {
        #expect(Sample.printed(mistake.file + "\n") == mistake.expected)
    }

    @Test func `a topology with errors is no topology`() {
        for mistake in GoldenCase.all { #expect(Sample.read(mistake.file + "\n").0 == nil) }
    }

    @Test func `every code is explained`() {
        for code in DiagnosticCode.allCases {
            let entry = ErrorCatalog.entry(for: code)
            #expect(ErrorCatalog.entry(forText: code.rawValue.lowercased())?.code == code)
            #expect(!entry.summary.contains("without an entry"), "\(code.rawValue)")
            #expect(entry.explanation.count > 40, "\(code.rawValue)")
            #expect(!entry.summary.hasSuffix("."), "\(code.rawValue)")
        }
        #expect(ErrorCatalog.entry(forText: "W9999") == nil)
    }

    @Test func `codes are W and four digits, each its own`() {
        let texts = DiagnosticCode.allCases.map(\.rawValue)
        #expect(Set(texts).count == texts.count)
        for text in texts {
            #expect(text.count == 5 && text.hasPrefix("W") && text.dropFirst().allSatisfy(\.isNumber), "\(text)")
        }
    }

    @Test func `every code about the content of a file stands in the table`() {
        let printed = GoldenCase.all.map(\.expected).joined()
        // Tested elsewhere: files that are too large, not text, too deep or too big, and what plugins say.
        let elsewhere: Set<DiagnosticCode> = [
            .fileUnreadable, .fileTooLarge, .notUTF8, .controlCharacter, .tooDeep, .tooManyValues, .moreFindings,
            .pluginRefusesOptions,
        ]
        for code in DiagnosticCode.allCases where !elsewhere.contains(code) && code.rawValue < "W0200" {
            #expect(printed.contains("[\(code.rawValue)]"), "\(code.rawValue)")
        }
    }
}

struct RendererTests {
    private let source = SourceText(file: "a.yaml", text: "first\n\tkey: value # comment\n")

    private func diagnostic(_ line: Int, _ from: Int, _ to: Int, hint: String? = nil) -> Diagnostic {
        source.diagnostic(
            .wrongType, .warning,
            at: SourceRange(SourcePosition(line: line, column: from), SourcePosition(line: line, column: to)),
            "what is wrong", hint: hint)
    }

    @Test func `carets stand below a text behind a tab`() {
        let text = DiagnosticRenderer().text(diagnostic(2, 7, 12))
        #expect(
            text == "a.yaml:2:7: warning[W0106]: what is wrong\n   2 | \tkey: value # comment\n     | \t     ^^^^^\n")
    }

    @Test func `colours appear only when they are wanted`() {
        let d = diagnostic(1, 1, 6, hint: "do better")
        #expect(!DiagnosticRenderer().text(d).contains("\u{1B}"))
        #expect(DiagnosticRenderer(usesColor: true).text(d).contains("\u{1B}[1;33mwarning[W0106]\u{1B}[0m"))
    }

    @Test func `JSON has every field and is escaped`() {
        let text = DiagnosticRenderer.json([diagnostic(2, 7, 12, hint: "say \"x\"")])
        #expect(
            text == #"[{"code":"W0106","severity":"warning","file":"a.yaml","line":2,"column":7,"endLine":2,"#
                + #""endColumn":12,"text":"\tkey: value # comment","message":"what is wrong","hint":"say \"x\""}]"#)
        #expect(ConfigDocument(text: text, file: "x").root?.list?.first?["line"]?.int == 2)
    }

    @Test func `a finding about a whole file has no line`() {
        let d = Diagnostic(code: .pluginNotElf, file: "x.so", message: "it is not", hint: "fetch it again")
        #expect(DiagnosticRenderer().text(d) == "x.so: error[W0202]: it is not\n     = fetch it again\n")
    }

    @Test func `a very long line is cut around the caret`() {
        let long = SourceText(
            file: "a", text: String(repeating: "a", count: 1000) + "HERE" + String(repeating: "b", count: 1000))
        let d = long.diagnostic(
            .wrongType, at: SourceRange(SourcePosition(line: 1, column: 1001), SourcePosition(line: 1, column: 1005)),
            "x")
        let lines = DiagnosticRenderer().text(d).split(separator: "\n")
        #expect(lines[1].count < 200)
        let at = lines[2].firstIndex(of: "^").map { lines[2].distance(from: lines[2].startIndex, to: $0) }
        let here = lines[1].firstRange(of: "HERE").map {
            lines[1].distance(from: lines[1].startIndex, to: $0.lowerBound)
        }
        #expect(at != nil && at == here)
        #expect(lines[2].hasSuffix("^^^^"))
    }

    @Test func `control and direction characters of a file do not reach the terminal`() {
        let source = SourceText(file: "a", bytes: Array("a\u{1B}[31m\u{202E}b".utf8))
        #expect(source.line(1) == "a\u{FFFD}[31m\u{FFFD}b")
    }

    @Test(arguments: [
        ("password: hunter2", "password: *******"),
        ("  - X: {password: \"a,b}\", name: c}", "  - X: {password: \"****\", name: c}"),
        ("  - X: {password: ab, name: c}", "  - X: {password: **, name: c}"),
        ("db_password: 'x' # not this", "db_password: '*' # not this"),
        ("api-token: a b c", "api-token: *****"),
        ("\"password\": \"a\\\"b\"", "\"password\": \"****\""),
        ("password: ${env:PW}", "password: ${env:PW}"),
        ("name: password", "name: password"), ("pasword: hunter2", "pasword: *******"),
        ("- X: {pssswrd: \"a\", b: c}", "- X: {pssswrd: \"*\", b: c}"),
    ])
    func `values of secret keys are masked in shown lines`(line: String, shown: String) {
        #expect(SourceText(file: "a", text: line).line(1) == shown)
    }

    @Test func `a file that is one long line of mistakes costs no long line for each`() {
        let text = "sources: [" + String(repeating: "'${env:X}',", count: 50_000) + "]\n"
        let diagnostics = Sample.read(text).1
        #expect(diagnostics.count == DiagnosticList.maximumCount + 1)
        #expect(diagnostics.allSatisfy { $0.lineText.utf8.count <= 4096 })
    }

    @Test func `findings come in the order of the file, and beyond 200 only their number`() {
        let keys = (0..<300).map { "key\($0): 1\n" }.joined()
        let diagnostics = Sample.read(keys + "sources: []\n").1
        #expect(diagnostics.count == DiagnosticList.maximumCount + 1)
        #expect(diagnostics.last?.code == .moreFindings)
        #expect(diagnostics.last?.message == "101 more findings are not shown")
        let lines = diagnostics.compactMap { $0.range?.start.line }
        #expect(lines == lines.sorted())
    }
}
