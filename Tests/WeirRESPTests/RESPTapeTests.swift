import CWeir
import Testing
@testable import WeirRESP

@Suite struct RESPTapeTests {
    func dump(_ input: String) -> String? {
        tape(bytes(input)) { items, count in
            func show(_ index: Int) -> String {
                let item = items[index]
                var out = "\(item.type)"
                if item.tag != 0 { out += String(UnicodeScalar(UInt8(item.tag))) }
                if item.count == 0 { return out + content(item) }
                var children: [String] = []
                var child = index + 1
                while child != 0 {
                    #expect(Int(items[child].parent) == index)
                    children.append(show(child))
                    child = Int(items[child].next)
                }
                #expect(children.count == Int(item.count))
                return out + "[" + children.joined(separator: " ") + "]"
            }
            return show(0)
        }
    }

    @Test func `items are depth first and linked`() {
        #expect(dump("*2\r\n$3\r\nGET\r\n$1\r\na\r\n") == "7*[4$GET 4$a]")
        #expect(dump("*3\r\n*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n_\r\n") == "7*[7* 7*[2:1 7*[5+x]] 0_]")
        #expect(dump("%1\r\n$1\r\na\r\n#t\r\n") == "8%[4$a 1#t]")
        #expect(dump("~1\r\n(12\r\n") == "9~[5(12]")
        #expect(dump(">1\r\n-ERR x\r\n") == "11>[6-ERR x]")
        #expect(dump("$-1\r\n") == "0$")
        #expect(dump("*-1\r\n") == "0*")
        #expect(dump("=5\r\ntxt:a\r\n") == "5=a")
    }

    @Test func `an attribute wraps what it belongs to`() {
        #expect(dump("|1\r\n+a\r\n:1\r\n+OK\r\n") == "10|[8|[5+a 2:1] 5+OK]")
        #expect(dump("*2\r\n|1\r\n+a\r\n:1\r\n:5\r\n:6\r\n") == "7*[10|[8|[5+a 2:1] 2:5] 2:6]")
        #expect(dump("|0\r\n*0\r\n") == "10|[8| 7*]")
        #expect(dump("|0\r\n|0\r\n*0\r\n") == nil)
    }

    @Test func `numbers are parsed`() {
        #expect(tape(bytes(":-42\r\n")) { items, _ in items[0].num } == -42)
        #expect(tape(bytes(":9223372036854775807\r\n")) { items, _ in items[0].num } == .max)
        #expect(tape(bytes(":-9223372036854775808\r\n")) { items, _ in items[0].num } == .min)
        #expect(tape(bytes(":99999999999999999999\r\n")) { items, _ in items[0].num } == .max)
        #expect(
            tape(bytes(",-1.5e3\r\n")) { items, _ in Double(bitPattern: UInt64(bitPattern: items[0].num)) } == -1500)
        #expect(
            tape(bytes(",inf\r\n")) { items, _ in Double(bitPattern: UInt64(bitPattern: items[0].num)) } == .infinity)
        #expect(tape(bytes("#t\r\n")) { items, _ in items[0].num } == 1)
    }

    @Test(arguments: [
        "", "*", "*1\r\n", "*1\r\n:1\r\n:2\r\n", "$3\r\nab\r\n", "$3\r\nabcd\r\n", "+a", "+a\r", "hello\r\n",
        "*1\r\n*?\r\n", ":x\r\n",
        "=1\r\na\r\n", "\r\n", "*1\r\n\r\n", "*2147483648\r\n", "$99999999999\r\na\r\n", "%1\r\n+a\r\n", "#x\r\n",
        "*-2\r\n",
    ])
    func `what is not one whole frame is malformed`(_ input: String) {
        #expect(dump(input) == nil)
    }

    @Test func `nesting beyond the limit is malformed and takes no stack`() {
        let deep = { (n: Int) in String(repeating: "*1\r\n", count: n) + ":1\r\n" }
        #expect(tape(bytes(deep(128))) { _, count in count } == 129)
        #expect(tape(bytes(deep(129))) { _, count in count } == nil)
        let attributes = String(repeating: "|0\r\n*1\r\n", count: 128) + ":1\r\n"
        #expect(tape(bytes(attributes)) { _, count in count } == 128 * 3 + 1)
        #expect(tape(bytes(deep(100_000))) { _, count in count } == nil)
    }

    @Test(arguments: RequestDecoderTests.inputs.filter { $0.hasPrefix("*") } + ReplyDecoderTests.inputs)
    func `a parsed tape encodes to the same bytes`(_ input: String) {
        for said in replies(bytes(input)) where said.outcome == "frame" {
            let again = tape(said.bytes) { items, count in encoded(items, count, as: .reply(version: 3)) }
            #expect(again == said.bytes)
        }
    }

    @Test func `random replies survive the round trip`() {
        var generator = SeededGenerator(seed: 23)
        for _ in 0..<2000 {
            let input = bytes(ReplyDecoderTests.random(&generator))
            #expect(tape(input) { items, count in encoded(items, count, as: .reply(version: 2)) } == input)
        }
    }

    @Test func `random requests survive the round trip`() {
        var generator = SeededGenerator(seed: 29)
        for _ in 0..<500 {
            let arguments = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                    UInt8.random(in: .min ... .max, using: &generator)
                }
            }
            let input = frame(arguments)
            #expect(tape(input) { items, count in encoded(items, count, as: .request) } == input)
        }
    }

    // MARK: Built tapes

    func leaf(_ type: Int, _ text: StaticString = "", num: Int64 = 0, tag: UInt16 = 0) -> weir_item {
        var item = weir_leaf(UInt8(type), weir_str(ptr: text.utf8Start, len: text.utf8CodeUnitCount))
        item.num = num
        item.tag = tag
        return item
    }

    func build(_ items: [weir_item], _ form: RESPTape.Form) -> String? {
        encoded(items, items.count, as: form).map { text($0) }
    }

    @Test func `a request built of leaves is a multibulk of bulks`() {
        let items = [
            weir_list(UInt8(WEIR_T_LIST), 4), leaf(WEIR_T_TEXT, "SET"), leaf(WEIR_T_BYTES, "k"),
            leaf(WEIR_T_INT, num: -7), leaf(WEIR_T_FLOAT, num: Int64(bitPattern: 1.5.bitPattern)),
        ]
        #expect(build(items, .request) == "*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n-7\r\n$3\r\n1.5\r\n")
        #expect(build([weir_list(UInt8(WEIR_T_LIST), 0)], .request) == nil)
        #expect(build([leaf(WEIR_T_BYTES, "PING")], .request) == nil)
        #expect(build([weir_list(UInt8(WEIR_T_LIST), 1), leaf(WEIR_T_NULL)], .request) == nil)
        #expect(build([weir_list(UInt8(WEIR_T_LIST), 2), leaf(WEIR_T_BYTES, "a")], .request) == nil)
        #expect(build([weir_list(UInt8(WEIR_T_LIST), 1), leaf(WEIR_T_BYTES, "")], .request) == "*1\r\n$0\r\n\r\n")
    }

    @Test func `a built reply is natural in the version of the client`() {
        let map = [
            weir_list(UInt8(WEIR_T_MAP), 4), leaf(WEIR_T_TEXT, "a"), leaf(WEIR_T_BOOL, num: 1), leaf(WEIR_T_TEXT, "b"),
            leaf(WEIR_T_NULL),
        ]
        #expect(build(map, .reply(version: 3)) == "%2\r\n$1\r\na\r\n#t\r\n$1\r\nb\r\n_\r\n")
        #expect(build(map, .reply(version: 2)) == "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$-1\r\n")
        #expect(
            build([weir_list(UInt8(WEIR_T_SET), 1), leaf(WEIR_T_INT, num: 3)], .reply(version: 3)) == "~1\r\n:3\r\n")
        #expect(
            build([weir_list(UInt8(WEIR_T_SET), 1), leaf(WEIR_T_INT, num: 3)], .reply(version: 2)) == "*1\r\n:3\r\n")
        #expect(build([weir_list(UInt8(WEIR_T_PUSH), 0)], .reply(version: 3)) == ">0\r\n")
        #expect(build([leaf(WEIR_T_FLOAT, num: Int64(bitPattern: 2.0.bitPattern))], .reply(version: 3)) == ",2\r\n")
        #expect(build([leaf(WEIR_T_FLOAT, "2.50")], .reply(version: 2)) == "$4\r\n2.50\r\n")
        #expect(build([leaf(WEIR_T_TEXT, "OK", tag: UInt16(UInt8(ascii: "+")))], .reply(version: 2)) == "+OK\r\n")
        #expect(build([leaf(WEIR_T_ERROR, "ERR a\nb")], .reply(version: 3)) == "-ERR a b\r\n")
        #expect(build([leaf(WEIR_T_INT, "12")], .reply(version: 2)) == ":12\r\n")
    }

    @Test func `a built tape that does not fit together is malformed`() {
        #expect(build([weir_list(UInt8(WEIR_T_LIST), 2), leaf(WEIR_T_INT)], .reply(version: 3)) == nil)
        #expect(build([leaf(WEIR_T_INT), leaf(WEIR_T_INT)], .reply(version: 3)) == nil)
        #expect(build([weir_list(UInt8(WEIR_T_LIST), .max), leaf(WEIR_T_INT)], .reply(version: 3)) == nil)
        #expect(build([weir_list(UInt8(WEIR_T_MAP), 1), leaf(WEIR_T_INT)], .reply(version: 3)) == nil)
        #expect(build([leaf(WEIR_T_INT, "1\r\n+x")], .reply(version: 3)) == nil)
        #expect(build([leaf(WEIR_T_FLOAT, "1\n")], .reply(version: 3)) == nil)
        #expect(build([leaf(WEIR_T_INT, "1", tag: UInt16(UInt8(ascii: "*")))], .reply(version: 3)) == nil)
        #expect(build([leaf(WEIR_T_TEXT, "1", tag: 300)], .reply(version: 3)) == nil)
        #expect(build([leaf(99)], .reply(version: 3)) == nil)
    }

    @Test func `too little room is measured and never written beyond`() {
        let items = [weir_list(UInt8(WEIR_T_LIST), 1), leaf(WEIR_T_TEXT, "hello")]
        let size = RESPTape.encodedByteCount(items, count: items.count, as: .request)
        #expect(size == 15)
        for capacity in 0..<size {
            let room = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, capacity))
            defer { room.deallocate() }
            #expect(RESPTape.encode(items, count: items.count, as: .request, into: room, capacity: capacity) == size)
        }
    }
}
