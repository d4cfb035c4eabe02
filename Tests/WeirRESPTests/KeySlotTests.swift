import Testing
@testable import WeirRESP

@Suite struct KeySlotTests {
    func slot(_ key: String) -> Int { Int(withExactBytes(bytes(key)) { KeySlot.of($0) }) }

    @Test func `the reference value of the cluster specification holds`() {
        #expect(slot("123456789") == 0x31c3)
        #expect(slot("") == 0)
        #expect(slot("foo") == 12182)
        #expect(slot("bar") == 5061)
    }

    @Test func `only what stands between the braces counts, when it is not empty`() {
        #expect(slot("{user1000}.following") == slot("user1000"))
        #expect(slot("foo{bar}{zap}") == slot("bar"))
        #expect(slot("foo{{bar}}zap") == slot("{bar"))
        #expect(slot("foo{}{bar}") != slot("bar"))
        #expect(slot("foo{bar") != slot("bar"))
        #expect(slot("}a{b}") == slot("b"))
    }

    @Test(.enabled(if: RedisServer.isInstalled, "no redis-server"))
    func `CLUSTER KEYSLOT of the real server agrees on random keys`() throws {
        var generator = SeededGenerator(seed: 5)
        let keys = (0..<500).map { _ in
            (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                bytes("{}ab\r\0\u{7f}c").randomElement(using: &generator) ?? 0
            }
        }
        let answers = try RedisServer.with(["--cluster-enabled", "yes"]) { server in
            try server.ask(keys.flatMap { frame([bytes("CLUSTER"), bytes("KEYSLOT"), $0]) }, count: keys.count)
        }
        try #require(answers.count == keys.count)
        for (key, answer) in zip(keys, answers) {
            #expect(text(answer) == ":\(withExactBytes(key) { KeySlot.of($0) })\r\n")
        }
    }
}
