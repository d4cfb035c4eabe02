// Which arguments of a request are keys: by the key specifications of COMMAND (generated), with Redis's own rules for
// what is out of bounds, and by code for SORT and MIGRATE, whose keys no specification describes.
//
// A specification is one word, lowest byte first: how to begin (1 index, 2 keyword) and how to go on (1 range, 2 count,
// 3 SORT, 4 MIGRATE) | index | keyword | last key or place of the count | step | limit or first key | flags.

public import CWeir

extension CommandTable {
    /// The positions of the keys in a request given as a tape (item 0 the LIST, item i + 1 argument i, argument 0 the
    /// name).
    ///
    /// - Parameter includesShardChannels: also the channels of SSUBSCRIBE, SUNSUBSCRIBE and SPUBLISH, which choose a node
    ///   like keys but are none.
    /// - Returns: how many keys there are; the first `capacity` of their positions are written. 0 when the request is
    ///   one that Redis will refuse.
    public static func keyPositions(
        command: UInt16, items: UnsafePointer<weir_item>, count: Int, includesShardChannels: Bool = false,
        into positions: UnsafeMutablePointer<UInt32>, capacity: Int
    ) -> Int {
        let traits = traits(command)
        guard count > 1, traits.hasKeys else { return 0 }
        var finder = KeyFinder(
            arguments: items + 1, count: count - 1, positions: positions, capacity: capacity)
        for index in 0..<traits.keySpecificationCount {
            let specification = KeySpecification(
                word: commandKeySpecifications[traits.firstKeySpecification + index])
            if specification.isNotKey, !includesShardChannels { continue }
            if !finder.find(specification), !specification.isLenient { return 0 }
        }
        return finder.found
    }
}

struct KeySpecification {
    enum Keyword: UInt8 { case none, store, storedist, streams, keys }

    let word: UInt64

    private func byte(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: word >> (8 * index)) }
    var begin: UInt8 { byte(0) & 15 }
    var find: UInt8 { byte(0) >> 4 }
    var index: Int { Int(Int8(bitPattern: byte(1))) }
    var keyword: StaticString {
        switch Keyword(rawValue: byte(2)) ?? .none {
        case .none: ""
        case .store: "STORE"
        case .storedist: "STOREDIST"
        case .streams: "STREAMS"
        case .keys: "KEYS"
        }
    }
    var last: Int { Int(Int8(bitPattern: byte(3))) }
    var step: Int { max(1, Int(byte(4))) }
    var limit: Int { Int(byte(5)) }
    var isNotKey: Bool { byte(6) & 1 != 0 }
    /// Out of bounds only means that these keys are not there.
    var isLenient: Bool { byte(6) & 2 != 0 }
}

private struct KeyFinder {
    let arguments: UnsafePointer<weir_item>
    let count: Int
    let positions: UnsafeMutablePointer<UInt32>
    let capacity: Int
    var found = 0

    init(
        arguments: UnsafePointer<weir_item>, count: Int, positions: UnsafeMutablePointer<UInt32>, capacity: Int
    ) {
        self.arguments = arguments
        self.count = count
        self.positions = positions
        self.capacity = capacity
    }

    /// Adds the keys of one specification; false when the request does not fit it.
    mutating func find(_ specification: KeySpecification) -> Bool {
        switch specification.find {
        case 1, 2: return spec(specification)
        case 3: sort()
        case 4: migrate()
        default: return false
        }
        return true
    }

    private mutating func spec(_ specification: KeySpecification) -> Bool {
        var first = specification.index
        if specification.begin == 2 {
            guard let position = position(of: specification.keyword, from: specification.index) else { return true }
            first = position + 1
        }
        guard first < count else { return false }
        let last: Int
        if specification.find == 1 {
            if specification.last >= 0 {
                last = first + specification.last
            } else if specification.limit == 0 {
                last = count + specification.last
            } else {
                last = first + (count - first) / specification.limit + specification.last
            }
        } else {
            guard first + specification.last < count,
                let keys = number(first + specification.last), keys >= 0, keys <= count
            else { return false }
            first += specification.limit
            last = first + (keys - 1) * specification.step
        }
        guard last < count, last >= first, first < count else { return false }
        for position in stride(from: first, through: last, by: specification.step) { add(position) }
        return true
    }

    /// The last STORE counts, and words that belong to LIMIT, GET and BY are not options.
    private mutating func sort() {
        guard count > 1 else { return }
        add(1)
        var store: Int?
        var index = 2
        while index < count {
            if isWord(index, "LIMIT") {
                index += 2
            } else if isWord(index, "GET") || isWord(index, "BY") {
                index += 1
            } else if isWord(index, "STORE"), index + 1 < count {
                store = index + 1
            }
            index += 1
        }
        if let store { add(store) }
    }

    /// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password] [AUTH2 user password] [KEYS key ...]
    private mutating func migrate() {
        guard count > 3 else { return }
        var index = 6
        while index < count - 1 {
            if isWord(index, "KEYS") {
                // With a key and KEYS it is a syntax error, which Redis finds later.
                if argument(3).count == 0 {
                    for position in (index + 1)..<count { add(position) }
                }
                return
            }
            if isWord(index, "AUTH") { index += 1 } else if isWord(index, "AUTH2") { index += 2 }
            index += 1
        }
        add(3)
    }

    // MARK: Arguments

    private func argument(_ index: Int) -> UnsafeRawBufferPointer {
        let bytes = arguments[index].bytes
        return UnsafeRawBufferPointer(start: bytes.ptr, count: bytes.ptr == nil ? 0 : bytes.len)
    }

    private func isWord(_ index: Int, _ word: StaticString) -> Bool {
        ASCIIWord.matches(argument(index), word)
    }

    private func number(_ index: Int) -> Int? {
        let text = argument(index)
        guard let base = text.baseAddress else { return nil }
        return DecimalInteger.parse(base, count: text.count)
    }

    /// A start below 0 counts from the end, and backwards.
    private func position(of keyword: StaticString, from start: Int) -> Int? {
        if start >= 0 {
            for index in start..<max(start, count) where isWord(index, keyword) { return index }
        } else {
            var index = count + start
            while index > 0 {
                if isWord(index, keyword) { return index }
                index -= 1
            }
        }
        return nil
    }

    private mutating func add(_ position: Int) {
        if found < capacity { positions[found] = UInt32(truncatingIfNeeded: position) }
        found += 1
    }
}
