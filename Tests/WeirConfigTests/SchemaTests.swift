// Option schemas: what they accept, what they fill in, and schemas that are broken themselves.

import Testing
@testable import WeirConfig

struct SchemaTests {
    /// The validated options as JSON, or what is printed about them.
    private func check(_ schema: String, _ options: String) -> String {
        switch OptionsSchema.compile(schema) {
        case .failure(let problems): return "schema: " + problems.description
        case .success(let compiled):
            let document = ConfigDocument(text: options, file: "o")
            guard let root = document.root else { return "no document" }
            var validator = SchemaValidator(diagnostics: document.diagnostics)
            guard let value = validator.check(root, compiled.root, .root("'X'", owner: .fileStart)) else {
                return validator.diagnostics.sorted.map(\.message).joined(separator: "; ")
            }
            var json = JSONText()
            json.value(value)
            return json.text
        }
    }

    @Test(arguments: [
        ("{}", "{}", "{}"), ("", "{}", "{}"), ("{}", "{a: 1}", "'X' has no field 'a'"),
        (#"{"additionalProperties":true}"#, "{a: 1}", #"{"a":1}"#),
        (#"{"additionalProperties":{"type":"integer"}}"#, "{a: 1, b: 2}", #"{"a":1,"b":2}"#),
        (#"{"additionalProperties":{"type":"integer"}}"#, "{a: x}", "'a' must be a whole number, but is text"),
        (#"{"properties":{"a":{"default":[1,{"b":null}]}}}"#, "{}", #"{"a":[1,{"b":null}]}"#),
        (#"{"properties":{"a":{"type":["integer","string"]}}}"#, "{a: x}", #"{"a":"x"}"#),
        (
            #"{"properties":{"a":{"type":["integer","string"]}}}"#, "{a: [1]}",
            "'a' must be a whole number or text, but is a list"
        ),
        (#"{"properties":{"a":{"type":"number"}}}"#, "{a: 1}", #"{"a":1.0}"#),
        (#"{"properties":{"a":{"type":"number"}}}"#, "{a: .inf}", "'a' must be a finite number"),
        (
            #"{"properties":{"a":{"type":"integer"}}}"#, "{a: 1.5}",
            "'a' must be a whole number, but is a number with a fraction"
        ),
        (#"{"properties":{"a":{"type":"number","minimum":0.5,"maximum":2}}}"#, "{a: 0.25}", "'a' must be at least 0.5"),
        (#"{"properties":{"a":{"type":"number","minimum":0.5,"maximum":2}}}"#, "{a: 3}", "'a' must be at most 2"),
        (#"{"properties":{"a":{"const":"x"}}}"#, "{a: y}", "'a' must be 'x'"),
        (#"{"properties":{"a":{"enum":[1,"x",null]}}}"#, "{a: 2}", "'a' must be one of 1, 'x', null"),
        (#"{"properties":{"a":{"enum":[1,"x",null]}}}"#, "{a: null}", #"{"a":null}"#),
        (
            #"{"properties":{"a":{"type":"string","minLength":2,"maxLength":3}}}"#, "{a: é}",
            "'a' must have at least 2 characters"
        ),
        (
            #"{"properties":{"a":{"type":"string","minLength":2,"maxLength":3}}}"#, "{a: éééé}",
            "'a' has 4 characters; at most 3 are allowed"
        ),
        (
            #"{"properties":{"a":{"items":{"type":"integer"},"minItems":1,"maxItems":2}}}"#, "{a: [1,2,3]}",
            "'a' has 3 entries; at most 2 are allowed"
        ),
        (
            #"{"properties":{"a":{"items":{"type":"integer"}}}}"#, "{a: [1, x]}",
            "entry 2 of 'a' must be a whole number, but is text"
        ),
        (#"{"properties":{"a":{"properties":{"b":{"type":"integer","default":4}}}}}"#, "{a: {}}", #"{"a":{"b":4}}"#),
        (#"{"properties":{"a":{"properties":{"b":{}},"required":["b"]}}}"#, "{a: {}}", "'a' needs 'b'"),
        (
            #"{"properties":{"a":{},"b":{}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#, "{}",
            "'X' needs at least one of 'a', 'b'"
        ),
        (
            #"{"properties":{"a":{},"b":{}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#, "{a: 1, b: 2}",
            #"{"a":1,"b":2}"#
        ),
        (#"{"properties":{"a":{"type":"integer"}}}"#, "{a: null}", "{}"),
        (
            #"{"properties":{"a":{"type":"integer"}},"required":["a"]}"#, "{a: null}",
            "'a' must be a whole number, but is null"
        ),
        (#"{"properties":{"a":{"type":["integer","null"]}}}"#, "{a: null}", #"{"a":null}"#),
    ])
    func `a value fits or is told why not`(schema: String, options: String, expected: String) {
        #expect(check(schema, options) == expected)
    }

    @Test(arguments: [
        ("ttl", "3s", "3000000000"), ("ttl", "250ms", "250000000"), ("ttl", "1.5s", "1500000000"), ("ttl", "0", "0"),
        ("ttl_ms", "3000", "3000000000"), ("ttl_ms", "3s", "3000000000"), ("ttl_micros", "7", "7000"),
        ("ttl_seconds", "2", "2000000000"), ("ttl", "2h", "7200000000000"), ("ttl", "10 ms", "10000000"),
    ])
    func `durations become nanoseconds`(key: String, value: String, expected: String) {
        #expect(
            check(#"{"properties":{"\#(key)":{"x-unit":"duration"}}}"#, "{\(key): \(value)}")
                == #"{"\#(key)":\#(expected)}"#)
    }

    @Test(arguments: [("16MiB", "16777216"), ("1kB", "1000"), ("0.5KiB", "512"), ("7B", "7")])
    func `sizes become bytes`(value: String, expected: String) {
        #expect(check(#"{"properties":{"size":{"x-unit":"bytes"}}}"#, "{size: \(value)}") == #"{"size":\#(expected)}"#)
    }

    @Test(arguments: [
        ("5", "'ttl' is a duration and needs a unit"), ("\"5\"", "'ttl' has no unit"),
        ("abc", "'ttl' is not a duration"),
        ("-3s", "'ttl' is not a duration"), ("9999999999999999999s", "'ttl' is too large"),
        ("300000h", "{\"ttl\":1080000000000000000}"),
        ("3000000h", "'ttl' is too large"), ("1.s", #"{"ttl":1000000000}"#), ("3x", "'x' is no unit"),
        ("1.5", "'ttl' must be a duration such as 30s or 250ms, but is a number with a fraction"),
    ])
    func `durations that cannot be read are refused`(value: String, expected: String) {
        #expect(check(#"{"properties":{"ttl":{"x-unit":"duration"}}}"#, "{ttl: \(value)}") == expected)
    }

    @Test func `aliases are other spellings of a key, and only one may be given`() {
        let schema = #"{"properties":{"new":{"type":"integer","x-aliases":["old","older"]}}}"#
        #expect(check(schema, "{old: 1}") == #"{"new":1}"#)
        #expect(check(schema, "{older: 1}") == #"{"new":1}"#)
        #expect(check(schema, "{old: 1, new: 2}") == "'old' is another name of 'new'")
    }

    @Test(arguments: [
        ("[]", "a schema is a JSON object, this is a list"),
        ("{", "line 2, column 1: "), ("{\"a\": }x", "line 1, column 8: "),
        (#"{"type":"strnig"}"#, "at /type: 'strnig' is not a type; did you mean 'string'?"),
        (
            #"{"proprties":{}}"#,
            "at /proprties: the keyword 'proprties' is not part of the supported subset of JSON Schema; did you mean 'properties'?"
        ),
        (
            #"{"pattern":"^a$"}"#,
            "at /pattern: the keyword 'pattern' is not part of the supported subset of JSON Schema"
        ),
        (#"{"$ref":"x"}"#, "at /$ref: the keyword '$ref' is not part of the supported subset of JSON Schema"),
        (#"{"properties":[]}"#, "at /properties: 'properties' is a JSON object, this is a list"),
        (#"{"properties":{"a":5}}"#, "at /properties/a: a schema is a JSON object, this is a whole number"),
        (
            #"{"properties":{"a/b":{"minimum":"x"}}}"#,
            "at /properties/a~1b/minimum: this must be a number (nanoseconds or bytes where the value has a unit)"
        ),
        (#"{"required":["a"]}"#, "'a' is required, but no property of that name is declared"),
        (#"{"required":"a"}"#, "at /required: this must be a list of names"),
        (
            #"{"properties":{"a":{"minLength":-1}}}"#,
            "at /properties/a/minLength: this must be a whole number, 0 or more"
        ),
        (
            #"{"properties":{"a":{"minLength":5,"maxLength":2}}}"#,
            "at /properties/a: a minimum is greater than its maximum"
        ),
        (
            #"{"properties":{"a":{"type":"integer","default":"x"}}}"#,
            "at /properties/a/default: the default does not fit its own schema: the value must be a whole number, but is text"
        ),
        (#"{"properties":{"a":{"x-unit":"parsec"}}}"#, #"at /properties/a/x-unit: 'x-unit' is "duration" or "bytes""#),
        (
            #"{"properties":{"a":{"x-unit":"duration","default":5}}}"#,
            "at /properties/a/default: the default does not fit its own schema: the value is a duration and needs a unit"
        ),
        (#"{"properties":{"a":{"x-weir":"tls"}}}"#, #"at /properties/a/x-weir: 'x-weir' is "chain" or "upstream""#),
        (
            #"{"x-weir":"upstream","properties":{"password":{}}}"#,
            "'password' is a field of every upstream and cannot be declared again"
        ),
        (#"{"oneOf":[{"type":"string"}]}"#, #"at /oneOf/0: only {"required": [...]} is supported here"#),
        (#"{"properties":{"a":{"enum":[]}}}"#, "at /properties/a/enum: 'enum' must be a list with at least one value"),
        (#"{"x-hint":"y","x-not-built":"z","x-anything":1,"title":"t","$comment":"c"}"#, "{}"),
    ])
    func `a broken schema is told in words`(schema: String, expected: String) {
        let text = check(schema, "{}")
        #expect(expected == "{}" ? text == "{}" : text.hasPrefix("schema: \(expected)"), "\(text)")
    }

    @Test func `a hostile schema is refused, not followed`() {
        let deep = String(repeating: #"{"properties":{"a":"#, count: 200) + "{}" + String(repeating: "}}", count: 200)
        #expect(check(deep, "{}").hasPrefix("schema: "))
        let wide = "{" + (0..<30).map { "\"k\($0)\":1" }.joined(separator: ",") + "}"
        if case .failure(let problems) = OptionsSchema.compile(wide) { #expect(problems.list.count == 20) }
        #expect(check("{\"properties\": &a {\"b\": {\"properties\": *a}}}", "{}").hasPrefix("schema: "))
    }

    @Test func `the host's own schemas compile`() {
        for schema in [HostSchemas.topology, HostSchemas.settings, HostSchemas.source, HostSchemas.upstream] {
            #expect(!schema.optionNames.isEmpty)
        }
    }

    @Test func `JSON pointers escape and unescape`() {
        #expect(JSONPointer.step("a/b~c") == "/a~1b~0c")
        #expect(JSONPointer.parts("/a~1b~0c/d") == ["a/b~c", "d"])
        #expect(JSONPointer.parts("") == [])
    }
}
