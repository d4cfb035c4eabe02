import CWeir
import Testing
@testable import WeirRESP

@Suite struct CommandKeysTests {
    func positions(_ arguments: [String], capacity: Int = 64, includesShardChannels: Bool = false) -> [Int] {
        let command = withExactBytes(frame(arguments)) { bytes in
            var decoder = RequestDecoder()
            return decoder.next(bytes, RESPLimits()).command
        }
        return tape(frame(arguments)) { items, count in
            var out = [UInt32](repeating: .max, count: capacity)
            let found = CommandTable.keyPositions(
                command: command, items: items, count: count, includesShardChannels: includesShardChannels, into: &out,
                capacity: capacity)
            return out[0..<min(found, capacity)].map(Int.init) + Array(repeating: -1, count: max(0, found - capacity))
        } ?? []
    }

    static let lines: [(String, [Int])] = [
        ("GET a", [1]), ("SET a b", [1]), ("MSET a 1 b 2", [1, 3]), ("DEL a b c", [1, 2, 3]), ("PING", []),
        ("BLPOP a b 0", [1, 2]),
        ("EVAL s 2 a b c", [3, 4]), ("EVAL s 0 a", []), ("EVAL s -1 a", []), ("EVAL s 2147483647 a", []),
        ("EVAL s 99999999999999999999 a", []), ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", [1, 3, 4]),
        ("XREAD COUNT 1 STREAMS a b 0 0", [4, 5]),
        ("XREADGROUP GROUP STREAMS c STREAMS a >", [5]), ("SORT a STORE b", [1, 3]),
        ("SORT a BY STORE STORE b STORE c", [1, 7]),
        ("SORT a GET STORE", [1]), ("SORT a", [1]), ("SORT_RO a BY x", [1]), ("GEORADIUS a 1 2 3 m STORE b", [1, 7]),
        ("GEORADIUS a 1 2 3 m STORE", [1]), ("MIGRATE h 1 k 0 9", [3]), ("MIGRATE h 1 k 0 9 KEYS a b", []),
        ("LMPOP 2 a b LEFT", [2, 3]), ("OBJECT ENCODING a", [2]), ("XGROUP CREATE a g 0", [2]),
        ("MSETEX 2 a 1 b 2 EX 5", [2, 4]),
        ("JSON.MGET a b $", [1, 2]), ("TS.CREATERULE a b AGGREGATION avg 5", [1, 2]), ("PUBLISH a b", []),
        ("SSUBSCRIBE a b", []),
        ("CLIENT LIST", []), ("MEMORY USAGE a", [2]), ("COPY a b", [1, 2]), ("RENAME a b", [1, 2]), ("NOPE a", []),
    ]

    @Test(arguments: lines)
    func `keys are found where the command has them`(_ line: String, _ expected: [Int]) {
        #expect(positions(line.split(separator: " ").map(String.init)) == expected)
    }

    @Test func `MIGRATE with an empty key has its keys behind KEYS`() {
        #expect(positions(["MIGRATE", "h", "1", "", "0", "9", "AUTH", "KEYS", "KEYS", "a", "b"]) == [9, 10])
        #expect(positions(["MIGRATE", "h", "1", "", "0", "9", "KEYS"]) == [3])
    }

    @Test func `channels of shards are given when asked for`() {
        #expect(positions(["SSUBSCRIBE", "a", "b"], includesShardChannels: true) == [1, 2])
        #expect(positions(["SPUBLISH", "a", "b"], includesShardChannels: true) == [1])
    }

    @Test func `with too little room the count is told all the same`() {
        #expect(positions(["DEL", "a", "b", "c"], capacity: 2) == [1, 2, -1])
    }

    /// Requests of every command with keys that the server has, with words that specifications look for.
    static func corpus(_ commands: Value) -> [[String]] {
        var generator = SeededGenerator(seed: 17)
        let words = [
            "STORE", "store", "STOREDIST", "STREAMS", "KEYS", "LIMIT", "BY", "GET", "COUNT", "GROUP", "AUTH", "AUTH2",
            "", "0",
            "1", "2", "3", "-1", "99", "copy", "BLOCK",
        ]
        var out: [[String]] = []
        func add(_ row: Value) {
            for sub in row[9].list { add(sub) }
            guard !row[8].list.isEmpty else { return }
            let name = row[0].text.split(separator: "|").map(String.init)
            let arity = row[1].integer
            for _ in 0..<60 {
                // The server looks at a fixed arity first; newer servers have loosened some, so we do not.
                let more = name.count + Int.random(in: 0...9, using: &generator)
                let count = arity > 0 ? arity : max(-arity, more)
                var arguments = name
                while arguments.count < count {
                    let isWord = Int.random(in: 0..<3, using: &generator) == 0
                    arguments.append(isWord ? words.randomElement(using: &generator) ?? "" : "k\(arguments.count)")
                }
                out.append(arguments)
            }
        }
        for row in commands.list { add(row) }
        return out
    }

    @Test(.enabled(if: RedisServer.isInstalled, "no redis-server"))
    func `COMMAND GETKEYS of the real server finds the same keys`() throws {
        try RedisServer.with { server in
            let commands = try #require(server.ask(frame("COMMAND"), count: 1).first)
            let corpus = Self.corpus(try #require(Value(commands)))
            #expect(corpus.count > 5000)
            let answers = try server.ask(
                corpus.flatMap { frame(["COMMAND", "GETKEYS"] + $0) }, count: corpus.count)
            try #require(answers.count == corpus.count)
            for (arguments, answer) in zip(corpus, answers) {
                let value = try #require(Value(answer))
                let expected = value.isError ? [] : value.list.map(\.text)
                #expect(positions(arguments).map { $0 < 0 ? "?" : arguments[$0] } == expected, "\(arguments)")
            }
        }
    }
}
