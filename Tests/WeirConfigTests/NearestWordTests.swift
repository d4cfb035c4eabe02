// Hints: single words, and 200 seeded one-letter mistakes in the keys and names of a real topology.

import Testing
@testable import WeirConfig

struct NearestWordTests {
    @Test(
        arguments: [
            ("RedisClusterSnk", "RedisSinkCluster"), ("redissinksingle", "RedisSinkSingle"), ("nmae", "name"),
            ("remote_adress", "remote_address"), ("addres_remote", "remote_address"), ("nam", "name"), ("xyz", nil),
            ("", nil), ("querycounter", "QueryCounter"), ("Query-Counter", "QueryCounter"), ("n", nil),
        ] as [(String, String?)])
    func `the nearest word is found, or none`(word: String, expected: String?) {
        let words = ["RedisSinkSingle", "RedisSinkCluster", "name", "remote_address", "QueryCounter"]
        #expect(NearestWord.find(word, in: words) == expected)
    }

    @Test func `distances count insertions, deletions, replacements and swaps`() {
        #expect(NearestWord.editDistance("abc", "abc") == 0)
        #expect(NearestWord.editDistance("abc", "acb") == 1)
        #expect(NearestWord.editDistance("abc", "ab") == 1)
        #expect(NearestWord.editDistance("abc", "xbc") == 1)
        #expect(NearestWord.editDistance("", "abc") == 3)
        #expect(NearestWord.editDistance("kitten", "sitting") == 3)
    }

    static let file = """
        plugins: [/plugins]
        workers: 2
        admin: "127.0.0.1:9001"
        log_level: info
        sources:
          - Redis:
              name: first
              listen_addr: "127.0.0.1:6379"
              connection_limit: 100
              hard_connection_limit: true
              timeout: 60
              chain:
                - QueryCounter: {counter_name: main}
                - QueryTypeFilter: {DenyList: [ReadWrite]}
                - Tee: {chain: [NullSink], buffer_size: 7, timeout_micros: 100}
                - RedisSinkSingle:
                    name: sink
                    remote_address: "10.0.0.7:6379"
                    connect_timeout_ms: 3000
                    request_timeout: 30s
                    connection_count: 2
                    username: joe
                    password: secret
          - Valkey:
              name: second
              listen_addr: "127.0.0.1:6380"
              chain:
                - DebugPrinter
                - ValkeySinkCluster: {seed: {remote_address: "a:1", maximum_pinned_connections: 5}}
        """

    /// The keys and names that are mistyped.
    static let words = [
        "plugins", "workers", "admin", "log_level", "sources", "Redis", "name", "listen_addr", "connection_limit",
        "hard_connection_limit", "timeout", "chain", "QueryCounter", "counter_name", "QueryTypeFilter", "DenyList",
        "ReadWrite", "NullSink", "buffer_size", "timeout_micros", "RedisSinkSingle", "remote_address",
        "connect_timeout_ms", "request_timeout", "connection_count", "username", "password", "Valkey", "DebugPrinter",
        "ValkeySinkCluster", "seed", "maximum_pinned_connections",
    ]

    @Test func `the file with no mistake is right`() {
        #expect(Sample.printed(Self.file) == "")
    }

    @Test func `of 200 one-letter mistakes at least 95 percent get the right hint`() {
        var seed: UInt64 = 20_261_121
        func random(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % bound
        }
        let letters = Array("abcdefghijklmnopqrstuvwxyz_")
        var right = 0
        var missed: [String] = []
        var tried = 0
        while tried < 200 {
            let word = Self.words[random(Self.words.count)]
            var typed = Array(word)
            let at = random(typed.count)
            switch random(4) {
            case 0: typed[at] = letters[random(letters.count)]
            case 1: typed.remove(at: at)
            case 2: typed.insert(letters[random(letters.count)], at: at)
            default: if at + 1 < typed.count { typed.swapAt(at, at + 1) }
            }
            if typed == Array(word) { continue }
            tried += 1
            let hints = Sample.read(Self.replacing(word, with: String(typed))).1.compactMap(\.hint)
            if hints.contains(where: { $0.contains("did you mean '\(word)'") }) {
                right += 1
            } else {
                missed.append("\(word) as \(String(typed)): \(hints)")
            }
        }
        #expect(right >= 190, "\(right) of 200; missed: \(missed)")
    }

    /// The first place where the word stands as a whole.
    private static func replacing(_ word: String, with typed: String) -> String {
        let text = Array(file)
        let pattern = Array(word)
        func isPart(_ c: Character) -> Bool { c.isLetter || c == "_" }
        for start in 0...(text.count - pattern.count) where Array(text[start..<start + pattern.count]) == pattern {
            let end = start + pattern.count
            if start > 0, isPart(text[start - 1]) { continue }
            if end < text.count, isPart(text[end]) { continue }
            return String(text[..<start]) + typed + String(text[end...])
        }
        return file
    }
}
