// Bytes, items, options and log lines: reading never traps, whatever is there.

import CWeir
import Testing
import WeirPlugin

@Suite struct ReadingTests {
    @Test(arguments: [
        ("0", 0), ("-1", -1), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min), ("007", 7),
    ])
    func `a decimal number is read from bytes`(text: String, number: Int) {
        #expect(text.withBytes { $0.integer } == number)
    }

    @Test(arguments: ["", "-", "+1", "1 ", "0x1", "9223372036854775808", "-9223372036854775809", "1.5", "٣"])
    func `what is no decimal number reads as nil`(text: String) {
        #expect(text.withBytes { $0.integer } == nil)
    }

    @Test func `bytes outside are nil, and a null pointer has no bytes`() {
        let nothing = Bytes(weir_str(ptr: nil, len: 7))
        #expect(nothing.isEmpty)
        #expect(nothing[0] == nil)
        [UInt8](arrayLiteral: 1, 2).withBytes { bytes in
            #expect(bytes[1] == 2)
            #expect(bytes[2] == nil)
            #expect(bytes[-1] == nil)
            #expect(bytes.starts(with: nothing))
            #expect(!bytes.starts(with: "abc"))
        }
    }

    @Test func `a tape that points backwards or outside ends instead of looping`() {
        var items = [weir_item](repeating: weir_item(), count: 3)
        items[0].type = UInt8(WEIR_T_LIST)
        items[0].count = 9
        items[1].next = 2
        items[2].next = 1
        items.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var tape = weir_tape(size: 16, count: 3, items: base)
            withUnsafePointer(to: &tape) { tape in
                let read = Items(tape)
                #expect(read.children(of: read.root).map(\.index) == [1, 2])
                #expect(read[99].kind == .null)
                #expect(read[-1].kind == .null)
            }
        }
    }
}
