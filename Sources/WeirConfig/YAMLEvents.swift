// Drives libyaml: turns its events into calls of TreeBuilder and its errors into diagnostics.
//
// The only file that knows libyaml. The text was checked before (TextCheck): bounded, UTF-8, no NUL.
// libyaml keeps its own stacks on the heap; it does not recurse.

import WeirBase
import CYAML

enum YAMLEvents {
    /// The root value, null for an empty file, nil after an error (which is in the builder's diagnostics).
    static func parse(_ source: SourceText, into builder: inout TreeBuilder) -> ConfigNode? {
        guard !source.bytes.isEmpty else { return ConfigNode(.null, range: .fileStart) }
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { parser.deallocate() }
        guard yaml_parser_initialize(parser) == 1 else {
            builder.diagnostics.error(.yamlSyntax, at: .fileStart, "no memory to parse the file")
            return nil
        }
        defer { yaml_parser_delete(parser) }
        return source.bytes.withUnsafeBufferPointer { bytes in
            yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            return run(parser, &builder)
        }
    }

    private static func run(_ parser: UnsafeMutablePointer<yaml_parser_t>, _ builder: inout TreeBuilder) -> ConfigNode?
    {
        var event = yaml_event_t()
        while true {
            guard yaml_parser_parse(parser, &event) == 1 else {
                report(parser.pointee, &builder.diagnostics)
                return nil
            }
            let isLast = event.type == YAML_STREAM_END_EVENT
            let goesOn = deliver(event, &builder)
            yaml_event_delete(&event)
            if isLast { return builder.root ?? ConfigNode(.null, range: .fileStart) }
            if !goesOn { return nil }
        }
    }

    /// False when the builder wants no more.
    private static func deliver(_ event: yaml_event_t, _ builder: inout TreeBuilder) -> Bool {
        let range = SourceRange(position(event.start_mark), position(event.end_mark))
        switch event.type {
        case YAML_DOCUMENT_START_EVENT:
            return builder.documentStart(range)
        case YAML_ALIAS_EVENT:
            return builder.alias(string(event.data.alias.anchor), range)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = scalar.value.map {
                String(decoding: UnsafeBufferPointer(start: $0, count: scalar.length), as: UTF8.self)
            }
            return builder.scalar(
                text ?? "", isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, tag: optional(scalar.tag),
                anchor: optional(scalar.anchor), range)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return builder.open(isMap: false, tag: optional(start.tag), anchor: optional(start.anchor), range)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return builder.open(isMap: true, tag: optional(start.tag), anchor: optional(start.anchor), range)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            return builder.close(range)
        default:
            return true
        }
    }

    private static func optional(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        text == nil ? nil : string(text)
    }

    private static func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String {
        text.map { String(cString: $0) } ?? ""
    }

    private static func position(_ mark: yaml_mark_t) -> SourcePosition {
        // Safe: line and column are bounded by the size of the file.
        SourcePosition(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func report(_ parser: yaml_parser_t, _ diagnostics: inout DiagnosticList) {
        let problem = parser.problem.map { String(cString: $0) } ?? "the text cannot be parsed"
        let at = position(parser.problem_mark)
        let range = SourceRange(at, SourcePosition(line: at.line, column: at.column + 1))
        let line = diagnostics.source.line(at.line)
        if isTab(line, at.column) {
            diagnostics.error(
                .tabInIndentation, at: range, "a tab where YAML allows only spaces", hint: "indent with spaces")
            return
        }
        var message = problem
        if let context = parser.context {
            message += " (\(String(cString: context)), line \(position(parser.context_mark).line))"
        }
        diagnostics.error(.yamlSyntax, at: range, message, hint: hint(problem, line))
    }

    private static func isTab(_ line: String, _ column: Int) -> Bool {
        let scalars = Array(line.unicodeScalars)
        return column >= 1 && column <= scalars.count && scalars[column - 1] == "\t"
    }

    private static func hint(_ problem: String, _ line: String) -> String? {
        if line.holds("${") { return "inside { } or [ ] a reference such as ${env:NAME} must stand in quotes" }
        switch problem {
        case "mapping values are not allowed in this context":
            return "put a text with ': ' in quotes, and let all keys of one map begin in the same column"
        case "did not find expected key", "did not find expected '-' indicator", "could not find expected ':'":
            return "check the indentation here and above, and that each key ends in ':'"
        case "did not find expected ',' or '}'", "did not find expected ',' or ']'",
            "did not find expected node content":
            return "a bracket or a quote is not closed, or a comma is missing"
        case "found unexpected end of stream":
            return "a quote or a bracket is not closed"
        default:
            return nil
        }
    }
}
