// What must hold for any bytes at all. Called by the fuzzer (Tests/Fuzz) and, for its corpus, by the unit tests.
//
//   byte 0   even: requests, odd: replies; bit 1: the limits before AUTH
//   byte 1   the seed of the cuts
//   rest     the input

import CWeir

#if !FUZZING
    @testable import WeirRESP
#endif

enum FuzzChecks {
    private static let maximumNesting = 20

    /// The first thing that does not hold, or nil.
    static func run(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.count >= 2 else { return nil }
        var limits = bytes[0] & 2 == 0 ? RESPLimits() : .unauthenticated
        limits.maximumNesting = maximumNesting
        let input = Array(bytes[2...])
        return bytes[0] & 1 == 0
            ? requests(input, seed: bytes[1], limits) : replies(input, seed: bytes[1], limits)
    }

    /// Pseudo-random cut positions.
    private struct Cuts {
        var state: UInt32
        let count: Int
        init(seed: UInt8, count: Int) {
            state = UInt32(seed) &* 2_654_435_761 | 1
            self.count = count
        }
        mutating func next(after position: Int) -> Int {
            state = state &* 1_664_525 &+ 1_013_904_223
            return min(count, position + 1 + Int(state >> 24) % 23)
        }
    }

    /// The bytes in a block of exactly their size, so that a sanitizer sees each read beyond them.
    private static func exactly<R>(_ bytes: ArraySlice<UInt8>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { block.deallocate() }
        block.copyBytes(from: bytes)
        return body(UnsafeRawBufferPointer(block))
    }

    // MARK: Requests

    private static func requests(_ input: [UInt8], seed: UInt8, _ limits: RESPLimits) -> String? {
        var start = 0
        while start < input.count {
            var decoder = RequestDecoder()
            let whole = exactly(input[start...]) { decoder.next($0, limits) }
            if let problem = inPieces(input[start...], seed: seed, whole, limits) { return problem }
            guard whole.outcome != .incomplete, whole.outcome != .failure else { return nil }
            guard whole.byteCount > 0, whole.byteCount <= input.count - start else { return "a frame beyond the input" }
            let end = start + whole.byteCount
            if let problem = exactly(input[start..<end], { request($0, whole, limits) }) { return problem }
            start = end
        }
        return nil
    }

    private static func inPieces(
        _ input: ArraySlice<UInt8>, seed: UInt8, _ whole: DecodedRequest, _ limits: RESPLimits
    ) -> String? {
        var decoder = RequestDecoder()
        var cuts = Cuts(seed: seed, count: input.count)
        var end = 0
        while true {
            end = cuts.next(after: end)
            let result = exactly(input.prefix(end)) { decoder.next($0, limits) }
            if result.outcome == .incomplete {
                if result.byteCount > 0, result.byteCount <= end { return "incomplete with all its bytes" }
                if end < input.count { continue }
            }
            let isSame =
                result.outcome == whole.outcome && result.byteCount == whole.byteCount && result.error == whole.error
                && result.command == whole.command && result.verb == whole.verb
                && result.argumentCount == whole.argumentCount
            return isSame ? nil : "pieces give \(result), the whole gives \(whole)"
        }
    }

    private static func request(
        _ bytes: UnsafeRawBufferPointer, _ decoded: DecodedRequest, _ limits: RESPLimits
    ) -> String? {
        if decoded.outcome == .ignore { return nil }
        guard decoded.outcome == .inline else { return frame(bytes, decoded) }
        guard let made = InlineCommand.encode(bytes) else { return "an inline command without a frame" }
        return exactly(made[...]) { bytes in
            var decoder = RequestDecoder()
            let again = decoder.next(bytes, RESPLimits())
            let isSame =
                again.outcome == .frame && again.byteCount == bytes.count && again.command == decoded.command
                && again.verb == decoded.verb && again.argumentCount == decoded.argumentCount
            return isSame ? frame(bytes, again) : "inline \(decoded) becomes \(again)"
        }
    }

    private static func frame(_ bytes: UnsafeRawBufferPointer, _ decoded: DecodedRequest) -> String? {
        var arguments = RequestArguments(bytes)
        var count = 0
        while let argument = arguments.next() {
            guard argument.count <= bytes.count else { return "an argument beyond the frame" }
            count += 1
        }
        guard count == Int(decoded.argumentCount) else { return "\(count) arguments, not \(decoded.argumentCount)" }
        _ = CommandTable.blocks(decoded.command, bytes)
        return tape(bytes) { items, total in
            guard total == count + 1 else { return "\(total) items for \(count) arguments" }
            var positions = [UInt32](repeating: 0, count: 8)
            let keys = CommandTable.keyPositions(
                command: decoded.command, items: items, count: total, into: &positions, capacity: 8)
            for index in 0..<min(keys, 8) where positions[index] == 0 || positions[index] >= count {
                return "a key at \(positions[index]) of \(count)"
            }
            return sameBytes(items, total, .request, bytes)
        }
    }

    // MARK: Replies

    private static func replies(_ input: [UInt8], seed: UInt8, _ limits: RESPLimits) -> String? {
        var start = 0
        while start < input.count {
            var decoder = ReplyDecoder()
            defer { decoder.reset() }
            let whole = exactly(input[start...]) { decoder.next($0, limits) }
            if let problem = inPieces(input[start...], seed: seed, whole, limits) { return problem }
            let isParsed = exactly(input[start...]) { tape($0) { _, _ in nil } != "malformed" }
            guard whole.outcome == .frame else {
                return isParsed ? "a tape of what is no reply" : nil
            }
            guard whole.byteCount > 0, whole.byteCount <= input.count - start else { return "a frame beyond the input" }
            let end = start + whole.byteCount
            let problem = exactly(input[start..<end]) { bytes in
                _ = PubSubReply(bytes)
                return tape(bytes) { items, count in sameBytes(items, count, .reply(version: 3), bytes) }
            }
            if let problem { return problem }
            start = end
        }
        return nil
    }

    private static func inPieces(
        _ input: ArraySlice<UInt8>, seed: UInt8, _ whole: DecodedReply, _ limits: RESPLimits
    ) -> String? {
        var decoder = ReplyDecoder()
        defer { decoder.reset() }
        var cuts = Cuts(seed: seed, count: input.count)
        var end = 0
        while true {
            end = cuts.next(after: end)
            let result = exactly(input.prefix(end)) { decoder.next($0, limits) }
            if result.outcome == .incomplete {
                if result.byteCount > 0, result.byteCount <= end { return "incomplete with all its bytes" }
                if end < input.count { continue }
            }
            let isSame =
                result.outcome == whole.outcome && result.byteCount == whole.byteCount && result.error == whole.error
                && result.marker == whole.marker
            return isSame ? nil : "pieces give \(result), the whole gives \(whole)"
        }
    }

    // MARK: Tapes

    private static func tape(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeMutablePointer<weir_item>, Int) -> String?
    ) -> String? {
        var capacity = 2
        while true {
            let items = UnsafeMutablePointer<weir_item>.allocate(capacity: capacity)
            defer { items.deallocate() }
            let count = RESPTape.parse(
                bytes, into: items, capacity: capacity, maximumNesting: maximumNesting)
            if count < 0 { return "malformed" }
            if count <= capacity { return body(items, count) }
            capacity = count
        }
    }

    private static func sameBytes(
        _ items: UnsafeMutablePointer<weir_item>, _ count: Int, _ form: RESPTape.Form, _ bytes: UnsafeRawBufferPointer
    ) -> String? {
        let size = RESPTape.encodedByteCount(items, count: count, as: form)
        guard size == bytes.count else { return "\(size) bytes encoded, not \(bytes.count)" }
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, size))
        defer { room.deallocate() }
        guard RESPTape.encode(items, count: count, as: form, into: room, capacity: size) == size else {
            return "another size at the second time"
        }
        // A lone LF in a status or an error becomes a space.
        let isSame = (0..<size).allSatisfy { room[$0] == bytes[$0] || room[$0] == 0x20 && bytes[$0] == 0x0a }
        return isSame ? nil : "other bytes encoded"
    }
}
