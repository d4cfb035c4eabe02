// The tape that plugins get: walked as weir.h says.

import CWeir
import Testing
import WeirConfig

struct TapeTests {
    private func tape(_ text: String) throws -> ConfigTape {
        ConfigTape(try #require(ConfigDocument(text: text, file: "f").root))
    }

    private func text(_ item: weir_item) -> String {
        String(decoding: UnsafeBufferPointer(start: item.bytes.ptr, count: item.bytes.len), as: UTF8.self)
    }

    @Test func `the helper of weir_h finds members`() throws {
        try tape("{name: main, limit: -5, flag: true, empty: \"\", list: [1, x]}").withTape { tape in
            #expect(tape.pointee.count == 13)
            #expect(Int(tape.pointee.items[0].type) == WEIR_T_MAP)
            #expect(tape.pointee.items[0].count == 10)
            let name = weir_member(tape, 0, "name")
            #expect(text(tape.pointee.items[Int(name)]) == "main")
            #expect(Int(tape.pointee.items[Int(name)].type) == WEIR_T_TEXT)
            #expect(tape.pointee.items[Int(weir_member(tape, 0, "limit"))].num == -5)
            let flag = tape.pointee.items[Int(weir_member(tape, 0, "flag"))]
            #expect(Int(flag.type) == WEIR_T_BOOL && flag.num == 1)
            #expect(text(tape.pointee.items[Int(weir_member(tape, 0, "empty"))]) == "")
            #expect(weir_member(tape, 0, "nothing") == 0)
            let list = Int(weir_member(tape, 0, "list"))
            #expect(tape.pointee.items[list].count == 2)
            #expect(tape.pointee.items[list + 1].num == 1)
            #expect(tape.pointee.items[list + 1].next == UInt32(list + 2))
            #expect(tape.pointee.items[list + 2].next == 0)
            #expect(tape.pointee.items[list + 2].parent == UInt32(list))
        }
    }

    @Test func `numbers with a fraction are IEEE bits, null and empty collections have no children`() throws {
        try tape("[1.5, null, [], {}]").withTape { tape in
            let items = tape.pointee.items
            #expect(Int(items[1].type) == WEIR_T_FLOAT && Double(bitPattern: UInt64(bitPattern: items[1].num)) == 1.5)
            #expect(Int(items[2].type) == WEIR_T_NULL)
            #expect(Int(items[3].type) == WEIR_T_LIST && items[3].count == 0 && items[3].next == 4)
            #expect(Int(items[4].type) == WEIR_T_MAP && items[4].count == 0)
        }
    }

    @Test func `the tape lives as long as the object`() throws {
        let kept = try tape("{a: {b: [c, {d: e}]}}")
        let tape = kept.pointer
        let a = weir_member(tape, 0, "a")
        let b = weir_member(tape, a, "b")
        #expect(Int(tape.pointee.items[Int(b)].type) == WEIR_T_LIST)
        #expect(kept.count == 9)
    }
}
