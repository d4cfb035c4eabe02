// The C header: it compiles without a warning everywhere, its layout is the promised one, and the check that says so
// finds each kind of break.

import Foundation
import Testing

@Suite struct HeaderTests {
    static let compilers = [
        ["cc", "-std=c11"], ["clang", "-std=c11"], ["c++", "-std=c++17", "-x", "c++"],
        ["clang++", "-std=c++17", "-x", "c++"],
    ]

    @Test(arguments: compilers, ["CWeir/include/weir.h", "CWeir/include/weir_draft.h", "testing/weir_testing.h"])
    func `a header compiles alone and without a warning`(compiler: [String], header: String) throws {
        try Tools.withFolder { folder in
            let source = folder.appending(path: "source.c")
            try "#include \"\(Tools.sdk.path)/\(header)\"\nint main(void) { return 0; }\n"
                .write(to: source, atomically: true, encoding: .utf8)
            let result = try Tools.run(compiler + ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", source.path])
            #expect(result.status == 0, "\(result.output)")
        }
    }
}

@Suite struct ToolTests {
    @Test func `the program that measures hooks compiles without a warning`() throws {
        let source = Tools.sdk.appending(path: "testing/hook_cost.c").path
        let result = try Tools.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source])
        #expect(result.status == 0, "\(result.output)")
    }
}

@Suite struct ABICheckTests {
    /// The check of a changed copy of weir.h against the golden file.
    private func check(replacing old: String, by new: String) throws -> Tools.Result {
        let header = try String(contentsOf: Tools.sdk.appending(path: "CWeir/include/weir.h"), encoding: .utf8)
        try #require(old.isEmpty || header.contains(old), "weir.h has no «\(old)»")
        return try Tools.withFolder { folder in
            let copy = folder.appending(path: "weir.h")
            let changed = old.isEmpty ? header : header.replacingOccurrences(of: old, with: new)
            try changed.write(to: copy, atomically: true, encoding: .utf8)
            let golden = Tools.sdk.appending(path: "abi/weir.json").path
            return try Tools.run(["python3", Tools.sdk.appending(path: "abi/abi_check.py").path, copy.path, golden])
        }
    }

    @Test func `the header has the layout that was promised`() throws {
        let result = try check(replacing: "", by: "")
        #expect(result.status == 0, "\(result.output)")
    }

    @Test(arguments: [
        (
            "a function at the end of the host table", "(*conn_attr)(weir_conn *c, const char *name);\n};",
            "(*conn_attr)(weir_conn *c, const char *name);\n    void (*more)(weir_conn *c);\n};"
        ),
        (
            "a member at the end of a message", "/* on a response, with WEIR_F_KEEP_REQUESTS; lent with it */",
            "\n    uint64_t more;"
        ),
        ("an enumerator", "WEIR_E_INTERNAL = 9", "WEIR_E_INTERNAL = 9, WEIR_E_MORE = 10"),
        (
            "a struct", "typedef struct weir_tape {",
            "typedef struct weir_more {\n    uint32_t size;\n    uint32_t a;\n} weir_more;\ntypedef struct weir_tape {"
        ),
        ("another nullability", "weir_msg *WEIR_NULLABLE request;", "weir_msg *request;"),
    ])
    func `what grows the ABI is no break`(what: String, old: String, new: String) throws {
        let result = try check(replacing: old, by: new)
        #expect(result.status == 0, "\(what): \(result.output)")
    }

    @Test(arguments: [
        (
            "void (*pass)(weir_msg *m);", "void (*more)(weir_msg *m);\n    void (*pass)(weir_msg *m);",
            "struct weir_host: was «176 void (*)(weir_msg *) pass», is «176 void (*)(weir_msg *) more»"
        ),
        ("void (*pass)(weir_msg *m);", "", "struct weir_host: was «176 void (*)(weir_msg *) pass»"),
        (
            "void (*drop)(weir_msg *m);", "void (*drop)(weir_msg *m, uint32_t flags);",
            "struct weir_host: was «216 void (*)(weir_msg *) drop», is «216 void (*)(weir_msg *, uint32_t) drop»"
        ),
        ("uint64_t now_ns;  ", "int64_t now_ns;  ", "struct weir_worker: was «16 uint64_t now_ns»"),
        ("uint64_t now_ns;  ", "uint64_t now;  ", "struct weir_worker: was «16 uint64_t now_ns»"),
        ("WEIR_E_REJECTED = 4", "WEIR_E_REJECTED = 14", "WEIR_E_REJECTED: was 4, is 14"),
        ("WEIR_T_NULL = 0, ", "", "WEIR_T_NULL: was 0, is gone"),
        ("int64_t  num; ", "int64_t  num; uint64_t more;", "struct weir_item: frozen"),
        ("uint16_t   reserved[3]; ", "uint16_t   reserved[1]; ", "struct weir_config: was «66 uint16_t[3] reserved»"),
        (
            "    uint64_t queued_bytes;\n    weir_str name; ", "    uint64_t queued_bytes;\n    weir_str named; ",
            "struct weir_target: was «24 weir_str name"
        ),
        ("typedef int32_t weir_status;", "typedef int64_t weir_status;", "weir_status: was int32_t, is int64_t"),
        (
            "typedef void (*weir_task_fn)(void *WEIR_NULLABLE ctx);",
            "typedef int (*weir_task_fn)(void *WEIR_NULLABLE ctx);", "weir_task_fn: was void (*)(void *)"
        ),
        ("\"weir.resp/1\"", "\"weir.resp/2\"", "WEIR_EXT_RESP: was \"weir.resp/1\", is \"weir.resp/2\""),
        ("#define WEIR_ENTRY_SYMBOL \"weir_plugin_v1\"", "", "WEIR_ENTRY_SYMBOL: was \"weir_plugin_v1\", is gone"),
        (
            "typedef struct weir_tape {",
            "typedef struct weir_more {\n    uint32_t size;\n    uint64_t a;\n"
                + "    uint16_t b;\n} weir_more;\ntypedef struct weir_tape {", "struct weir_more: ends in padding"
        ),
    ])
    func `what breaks the ABI is named`(old: String, new: String, verdict: String) throws {
        let result = try check(replacing: old, by: new)
        #expect(result.status == 1)
        #expect(result.output.contains("ABI BREAK \(verdict)"), "\(result.output)")
    }
}
