import CWeir
import Testing
@testable import WeirRESP

@Suite struct CommandTableTests {
    static let numbers = 1..<UInt16(CommandTable.commandCount)

    @Test func `every name leads to its number in any case`() {
        for number in Self.numbers {
            let name = text(CommandTable.name(number))
            #expect(CommandTable.number(name) == number)
            #expect(CommandTable.number(name.lowercased()) == number)
            #expect(CommandTable.number(name.lowercased().split(separator: "|").joined(separator: " ")) == number)
            let isVerb = number < UInt16(CommandTable.verbCount)
            #expect(name.contains("|") == !isVerb)
            #expect(
                CommandTable.traits(number).parent
                    == (isVerb ? 0 : CommandTable.verb(String(name.split(separator: "|")[0]))))
        }
    }

    @Test func `a name that differs by one byte is another name or none`() {
        var generator = SeededGenerator(seed: 3)
        for number in Self.numbers where number < UInt16(CommandTable.verbCount) {
            var name = Array(CommandTable.name(number))
            let at = Int.random(in: 0..<name.count, using: &generator)
            name[at] = UInt8.random(in: .min ... .max, using: &generator)
            let found = withExactBytes(name) { CommandTable.verb(named: $0) }
            if found != 0 { #expect(text(CommandTable.name(found)) == text(name).uppercased()) }
            name.append(0)
            #expect(withExactBytes(name) { CommandTable.verb(named: $0) } == 0)
            name.removeLast(2)
            let shorter = withExactBytes(name) { CommandTable.verb(named: $0) }
            if shorter != 0 { #expect(text(CommandTable.name(shorter)) == text(name).uppercased()) }
        }
    }

    @Test func `what is no command has number 0 and no traits`() {
        for name in [
            "", "NOPE", "GET ", "CLIENT|NOPE", "NOPE|GET", "A_NAME_THAT_IS_LONGER_THAN_ANY", "|", "GET|X", "get@", "[",
            "{",
        ] {
            #expect(CommandTable.number(name) == 0, "\(name)")
        }
        #expect(CommandTable.traits(0).flags == 0)
        #expect(CommandTable.traits(.max).flags == 0)
        #expect(CommandTable.traits(0).effect == .none)
        #expect(CommandTable.name(0).count == 0)
        #expect(CommandTable.name(.max).count == 0)
    }

    @Test func `every row has an effect that exists`() {
        for number in Self.numbers {
            let row = CommandTable.row(number)
            #expect(SessionEffect(rawValue: UInt8(truncatingIfNeeded: row >> 16)) != nil)
        }
        #expect(SessionEffect.allCases.count == 1 + (SessionEffect.allCases.map { Int($0.rawValue) }.max() ?? 0))
    }

    static let flagsOfCommands: [(String, Int)] = [
        ("GET", WEIR_RESP_READ), ("SET", WEIR_RESP_WRITE), ("BITFIELD", WEIR_RESP_READ | WEIR_RESP_WRITE),
        ("GETDEL", WEIR_RESP_READ | WEIR_RESP_WRITE),
        ("INCR", WEIR_RESP_READ | WEIR_RESP_WRITE), ("DEL", WEIR_RESP_WRITE), ("MULTI", WEIR_RESP_TXN),
        ("SUBSCRIBE", WEIR_RESP_PUBSUB), ("PING", WEIR_RESP_CONNECTION), ("EVAL", WEIR_RESP_SCRIPT),
        ("EVAL_RO", WEIR_RESP_SCRIPT | WEIR_RESP_READ), ("FCALL", WEIR_RESP_SCRIPT), ("SCRIPT|LOAD", WEIR_RESP_SCHEMA),
        ("CONFIG|SET", WEIR_RESP_ADMIN | WEIR_RESP_SCHEMA), ("CONFIG|GET", WEIR_RESP_ADMIN),
        ("BLPOP", WEIR_RESP_READ | WEIR_RESP_WRITE | WEIR_RESP_BLOCKING),
        ("XREAD", WEIR_RESP_READ | WEIR_RESP_BLOCKING),
        ("FUNCTION|LOAD", WEIR_RESP_WRITE | WEIR_RESP_SCHEMA), ("CLIENT|KILL", WEIR_RESP_ADMIN | WEIR_RESP_CONNECTION),
        ("WAIT", WEIR_RESP_CONNECTION | WEIR_RESP_BLOCKING), ("FLUSHALL", WEIR_RESP_WRITE), ("SCAN", WEIR_RESP_READ),
        ("HGETEX", WEIR_RESP_READ | WEIR_RESP_WRITE), ("JSON.GET", WEIR_RESP_READ), ("LOLWUT", 0),
    ]

    @Test(arguments: flagsOfCommands)
    func `a command has the flags of what it does`(_ name: String, _ flags: Int) {
        #expect(CommandTable.traits(CommandTable.number(name)).flags == UInt32(flags))
    }

    static let effectsOfCommands: [(String, SessionEffect)] = [
        ("GET", .none), ("MULTI", .multi), ("EXEC", .exec), ("WATCH", .watch), ("SUBSCRIBE", .subscribe),
        ("PSUBSCRIBE", .patternSubscribe), ("SUNSUBSCRIBE", .shardUnsubscribe), ("BLPOP", .blocking),
        ("BLMPOP", .blocking),
        ("XREAD", .blockingIfOption), ("XREADGROUP", .blockingIfOption), ("WAIT", .wait), ("WAITAOF", .wait),
        ("SELECT", .select), ("HELLO", .hello), ("CLIENT|ID", .clientIdentity), ("CLIENT|KILL", .none),
        ("CLIENT|TRACKING", .clientTracking), ("CLIENT|REPLY", .clientReply), ("MONITOR", .refused),
        ("PSYNC", .refused),
        ("SCRIPT|DEBUG", .scriptDebug), ("ASKING", .readonlyMode), ("SWAPDB", .none), ("RESET", .reset),
    ]

    @Test(arguments: effectsOfCommands)
    func `a command has the effect that README.md lists`(_ name: String, _ effect: SessionEffect) {
        #expect(CommandTable.traits(CommandTable.number(name)).effect == effect)
    }

    @Test func `XREAD blocks only with BLOCK, as Redis reads it`() {
        func blocks(_ arguments: String...) -> Bool {
            withExactBytes(frame(arguments)) { CommandTable.blocks(CommandTable.verb(arguments[0]), $0) }
        }
        #expect(blocks("BLPOP", "a", "0"))
        #expect(!blocks("GET", "BLOCK"))
        #expect(blocks("XREAD", "BLOCK", "0", "STREAMS", "a", "$"))
        #expect(blocks("XREAD", "COUNT", "1", "block", "0", "STREAMS", "a", "$"))
        #expect(blocks("XREAD", "block\0x", "0", "STREAMS", "a", "$"))
        #expect(!blocks("XREAD", "COUNT", "1", "STREAMS", "BLOCK", "$"))
        #expect(!blocks("XREADGROUP", "GROUP", "BLOCK", "BLOCK", "STREAMS", "a", ">"))
        #expect(blocks("XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", "5", "STREAMS", "a", ">"))
    }

    @Test func `each refused command has a reason in words`() {
        for number in Self.numbers {
            #expect((CommandTable.refusal(number) != nil) == (CommandTable.traits(number).effect == .refused))
        }
        #expect(CommandTable.refusal(CommandTable.verb("MONITOR"))?.description.hasPrefix("MONITOR is refused") == true)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "no redis-server"))
    func `the table knows what the real server says of its commands`() throws {
        let answer = try RedisServer.with { try $0.ask(frame("COMMAND"), count: 1).first }
        let rows = try #require(answer.flatMap { Value($0) })
        var count = 0
        func check(_ row: Value) {
            let name = row[0].text.uppercased()
            let number = CommandTable.number(name)
            let traits = CommandTable.traits(number)
            #expect(number != 0, "\(name)")
            #expect(Int(traits.arity) == row[1].integer, "\(name)")
            let flags = Set(row[2].list.map(\.text))
            if name != "LOLWUT" {
                if flags.contains("readonly") { #expect(traits.flags & UInt32(WEIR_RESP_READ) != 0, "\(name)") }
                #expect(flags.contains("write") == (traits.flags & UInt32(WEIR_RESP_WRITE) != 0), "\(name)")
            }
            if flags.contains("blocking") {
                #expect(traits.effect == .blocking || traits.effect == .blockingIfOption || traits.effect == .wait)
            }
            #expect(traits.isContainer == !row[9].list.isEmpty)
            count += 1
            for sub in row[9].list { check(sub) }
        }
        for row in rows.list { check(row) }
        #expect(count > 300)
    }
}

/// A reply as a tree, for tests.
struct Value {
    var text = ""
    var integer = 0
    var list: [Value] = []
    var isError = false

    subscript(_ index: Int) -> Value { index < list.count ? list[index] : Value() }

    init() {}

    init?(_ frame: [UInt8]) {
        guard let value = tape(frame, { items, _ in Value(items, 0) }) else { return nil }
        self = value
    }

    private init(_ items: UnsafeMutablePointer<weir_item>, _ index: Int) {
        text = content(items[index])
        integer = Int(items[index].num)
        isError = Int(items[index].type) == WEIR_T_ERROR
        var child = items[index].count > 0 ? index + 1 : 0
        while child != 0 {
            list.append(Value(items, child))
            child = Int(items[child].next)
        }
    }
}
