// Nothing is allocated per message on the pass-through path. The worker runs in a process of its own
// (Allocations/main.swift), behind a library that counts what each thread allocates.

import Foundation
import Testing

struct AllocationTests {
    private static let counter = """
        #include <stddef.h>
        #include <stdint.h>
        #include <errno.h>
        void *__libc_malloc(size_t);
        void *__libc_calloc(size_t, size_t);
        void *__libc_realloc(void *, size_t);
        void *__libc_memalign(size_t, size_t);
        static __thread uint64_t count __attribute__((tls_model("initial-exec")));
        uint64_t weir_allocation_count(void) { return count; }
        void *malloc(size_t n) { count++; return __libc_malloc(n); }
        void *calloc(size_t n, size_t m) { count++; return __libc_calloc(n, m); }
        void *realloc(void *p, size_t n) { count++; return __libc_realloc(p, n); }
        void *memalign(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
        void *aligned_alloc(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
        int posix_memalign(void **p, size_t a, size_t n) {
            count++;
            *p = __libc_memalign(a, n);
            return *p ? 0 : ENOMEM;
        }
        """

    private struct Limits: Decodable {
        var release: [String: Int]
        var debug: [String: Int]
    }

    private var isDebug: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    @discardableResult
    private func run(_ program: URL, _ arguments: [String], _ environment: [String: String] = [:]) throws -> String {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(program.lastPathComponent) failed")
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: ["pass", "hooks"])
    func `nothing is allocated for a message that passes through`(way: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = folder.appendingPathComponent("count.c")
        let library = folder.appendingPathComponent("count.so")
        try AllocationTests.counter.write(to: source, atomically: true, encoding: .utf8)
        let compiler = ["/usr/bin/cc", "/usr/bin/clang", "/usr/bin/gcc"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        let cc = try #require(compiler, "there is no C compiler")
        try run(URL(fileURLWithPath: cc), ["-O1", "-shared", "-fPIC", "-o", library.path, source.path])

        let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let program = products.appendingPathComponent("weir-allocations")
        let limitsFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "allocations.json")
        let limits = try JSONDecoder().decode(Limits.self, from: Data(contentsOf: limitsFile))
        let limit = try #require((isDebug ? limits.debug : limits.release)[way])

        let messages = 16_000
        let output = try run(program, [way, "\(messages)"], ["LD_PRELOAD": library.path])
        let count = try #require(Int(output.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(count * 1000 <= limit * messages, "\(count) allocations for \(messages) messages")
    }
}
