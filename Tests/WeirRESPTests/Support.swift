// What the tests of the codec share: exact-sized memory (so that a sanitizer sees a read beyond it), decoding in pieces,
// a seeded generator, tapes as text.

import CWeir
import WeirRESP

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Runs `body` on a copy of `bytes` in a block of exactly their size.
func withExactBytes<R>(_ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { block.deallocate() }
    block.copyBytes(from: bytes)
    return body(UnsafeRawBufferPointer(block))
}

func staticText(_ text: StaticString) -> String { text.description }

/// `*n` of bulk strings.
func frame(_ arguments: String...) -> [UInt8] { frame(arguments) }

func frame(_ arguments: [String]) -> [UInt8] { frame(arguments.map { Array($0.utf8) }) }

func frame(_ arguments: [[UInt8]]) -> [UInt8] {
    var out = bytes("*\(arguments.count)\r\n")
    for argument in arguments { out += bytes("$\(argument.count)\r\n") + argument + bytes("\r\n") }
    return out
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

// MARK: - Decoding in pieces

/// One thing that a decoder said, comparable.
struct Said: Equatable, CustomStringConvertible {
    var outcome: String
    var bytes: [UInt8] = []
    var detail = ""
    var description: String { "\(outcome) \(detail) \(text(bytes).debugDescription)" }
}

/// All requests in `input` when it arrives cut at `cuts` (ascending offsets).
func requests(_ input: [UInt8], cuts: [Int] = [], limits: RESPLimits = RESPLimits()) -> [Said] {
    var decoder = RequestDecoder()
    var out: [Said] = []
    var start = 0
    for end in cuts.filter({ $0 < input.count }) + [input.count] {
        while start < end {
            let result = withExactBytes(input[start..<end]) { decoder.next($0, limits) }
            if result.outcome == .incomplete {
                if end == input.count { out.append(Said(outcome: "incomplete", bytes: Array(input[start...]))) }
                break
            }
            if result.outcome == .failure {
                out.append(Said(outcome: "failure", detail: text(RESPReply.protocolError(result)) + "\(result.error)"))
                return out
            }
            let cut = Array(input[start..<(start + result.byteCount)])
            let detail = "\(text(CommandTable.name(result.command)))/\(result.verb)/\(result.argumentCount)"
            out.append(Said(outcome: "\(result.outcome)", bytes: cut, detail: detail))
            start += result.byteCount
        }
    }
    return out
}

/// All replies in `input` when it arrives cut at `cuts`.
func replies(_ input: [UInt8], cuts: [Int] = [], limits: RESPLimits = RESPLimits()) -> [Said] {
    var decoder = ReplyDecoder()
    defer { decoder.reset() }
    var out: [Said] = []
    var start = 0
    for end in cuts.filter({ $0 < input.count }) + [input.count] {
        while start < end {
            let result = withExactBytes(input[start..<end]) { decoder.next($0, limits) }
            if result.outcome == .incomplete {
                if end == input.count { out.append(Said(outcome: "incomplete", bytes: Array(input[start...]))) }
                break
            }
            if result.outcome == .failure {
                out.append(Said(outcome: "failure", detail: "\(result.error)"))
                return out
            }
            let cut = Array(input[start..<(start + result.byteCount)])
            let marker = String(UnicodeScalar(result.marker))
            out.append(Said(outcome: "frame", bytes: cut, detail: marker))
            start += result.byteCount
        }
    }
    return out
}

/// The cuts to try: every single one, every byte for itself, and for short inputs every pair.
func everySplit(of count: Int) -> [[Int]] {
    guard count > 1 else { return [[]] }
    var out = (1..<count).map { [$0] }
    out.append(Array(1..<count))
    if count <= 48 {
        for first in 1..<count { for second in first..<count where second > first { out.append([first, second]) } }
    }
    return out
}

// MARK: - Tapes

/// The items of one frame, or nil when it is malformed.
func tape<R>(_ frame: [UInt8], _ body: (UnsafeMutablePointer<weir_item>, Int) -> R) -> R? {
    withExactBytes(frame) { bytes in
        var capacity = 4
        while true {
            let items = UnsafeMutablePointer<weir_item>.allocate(capacity: capacity)
            defer { items.deallocate() }
            let count = RESPTape.parse(bytes, into: items, capacity: capacity)
            if count < 0 { return nil }
            if count <= capacity { return body(items, count) }
            capacity = count
        }
    }
}

func content(_ item: weir_item) -> String {
    text(UnsafeRawBufferPointer(start: item.bytes.ptr, count: item.bytes.ptr == nil ? 0 : item.bytes.len))
}

func encoded(_ items: UnsafePointer<weir_item>, _ count: Int, as form: RESPTape.Form) -> [UInt8]? {
    let size = RESPTape.encodedByteCount(items, count: count, as: form)
    if size < 0 { return nil }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, used in
        used = RESPTape.encode(items, count: count, as: form, into: buffer.baseAddress, capacity: size)
    }
}
