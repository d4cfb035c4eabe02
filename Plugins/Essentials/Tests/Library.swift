// libEssentials.so, loaded as the host loads it: the tests see what the C tables show and nothing else.

import Glibc
import Testing
import WeirTesting

enum Essentials {
    /// It lies beside the test program.
    static func host() throws -> TestHost { try TestHost(library: folder + "/libEssentials.so") }

    private static let folder: String = {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { memory in
            guard let base = memory.baseAddress else { return "." }
            let count = max(readlink("/proc/self/exe", base, memory.count), 0)
            let path = String(decoding: memory[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        }
    }()
}
