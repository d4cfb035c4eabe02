// The second half of `ReplyDecoder`: one element of a reply, and the counts of the aggregates that are open.

#if canImport(Glibc)
    import Glibc
#endif

// MARK: - One element

extension ReplyDecoder {
    enum Element {
        /// A leaf that ends at an offset.
        case leaf(Int)
        /// An aggregate whose elements begin at an offset.
        case aggregate(count: Int, Int)
        case incomplete(least: Int)
        case failure(RESPError)
    }

    /// Reads the element of type `type` at `offset`; of an aggregate only the header.
    @inline(__always)
    mutating func element(
        _ type: UInt8, _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> Element {
        switch type {
        case UInt8(ascii: "$"), UInt8(ascii: "!"), UInt8(ascii: "="): bulk(type, base, end, limits)
        case UInt8(ascii: "*"), UInt8(ascii: "%"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "|"):
            aggregate(type, base, end, limits)
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "#"),
            UInt8(ascii: ","), UInt8(ascii: "("):
            line(type, base, end)
        default: .failure(.unknownType)
        }
    }

    private func bulk(
        _ type: UInt8, _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> Element {
        switch Length(base, offset + 1, end) {
        case .incomplete: return .incomplete(least: 0)
        case .failure(let error): return .failure(error)
        case .null(let next): return type == UInt8(ascii: "$") ? .leaf(next) : .failure(.invalidLength)
        case .value(let length, let body):
            guard length <= limits.maximumBulkByteCount else { return .failure(.tooBigReply) }
            let next = body &+ length &+ 2
            guard next <= end else { return .incomplete(least: next) }
            guard base.loadUnaligned(fromByteOffset: next &- 2, as: UInt16.self) == RequestDecoder.lineEnd else {
                return .failure(.missingLineEnd)
            }
            if type == UInt8(ascii: "=") {
                guard length >= 4, base.load(fromByteOffset: body &+ 3, as: UInt8.self) == UInt8(ascii: ":") else {
                    return .failure(.invalidVerbatim)
                }
            }
            return .leaf(next)
        }
    }

    private func aggregate(
        _ type: UInt8, _ base: UnsafeRawPointer, _ end: Int, _ limits: borrowing RESPLimits
    ) -> Element {
        switch Length(base, offset + 1, end) {
        case .incomplete: return .incomplete(least: 0)
        case .failure(let error): return .failure(error)
        case .null(let next): return type == UInt8(ascii: "*") ? .leaf(next) : .failure(.invalidLength)
        case .value(let count, let next):
            let perCount = type == UInt8(ascii: "%") || type == UInt8(ascii: "|") ? 2 : 1
            guard count <= min(limits.maximumElementCount, Int(Int32.max)) / perCount else {
                return .failure(.tooManyElements)
            }
            return .aggregate(count: count * perCount, next)
        }
    }

    private mutating func line(_ type: UInt8, _ base: UnsafeRawPointer, _ end: Int) -> Element {
        let start = offset + 1
        let from = max(start, scanned)
        guard from < end, let found = memchr(base + from, 0x0d, end - from) else {
            scanned = end
            return .incomplete(least: 0)
        }
        let cr = UnsafeRawPointer(found) - base
        scanned = cr
        guard cr + 1 < end else { return .incomplete(least: cr + 2) }
        guard base.load(fromByteOffset: cr + 1, as: UInt8.self) == 0x0a else { return .failure(.missingLineEnd) }
        if let error = Self.error(type, base + start, cr - start) { return .failure(error) }
        return .leaf(cr + 2)
    }

    /// What is wrong with the content of a line.
    static func error(_ type: UInt8, _ base: UnsafeRawPointer, _ count: Int) -> RESPError? {
        let text = UnsafeRawBufferPointer(start: base, count: count)
        switch type {
        case UInt8(ascii: ":"): return count <= 20 && isInteger(text) ? nil : .invalidNumber
        case UInt8(ascii: "("): return isInteger(text) ? nil : .invalidNumber
        case UInt8(ascii: ","): return count > 0 && count <= 512 && isDouble(text) ? nil : .invalidNumber
        case UInt8(ascii: "_"): return count == 0 ? nil : .invalidNull
        case UInt8(ascii: "#"):
            return count == 1 && (text[0] == UInt8(ascii: "t") || text[0] == UInt8(ascii: "f")) ? nil : .invalidBoolean
        default: return nil
        }
    }

    /// Only that each byte can stand in a number, "inf" or "nan".
    private static func isDouble(_ text: UnsafeRawBufferPointer) -> Bool {
        text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
            default: "einfa".utf8.contains(byte | 0x20)
            }
        }
    }

    static func isInteger(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let first = text.first else { return false }
        let hasSign = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
        let digits = text.dropFirst(hasSign ? 1 : 0)
        return !digits.isEmpty && digits.allSatisfy { $0 &- 48 < 10 }
    }
}

// MARK: - Lengths and counts

extension ReplyDecoder {
    /// The rest of a line that announces a length: digits, or `-1`.
    enum Length {
        case value(Int, Int)
        case null(Int)
        case incomplete
        case failure(RESPError)

        /// Reads from `start`; the offsets are those behind the line.
        @inline(__always)
        init(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) {
            // Safe: `at < end` holds at each load, and 18 digits fit.
            var at = start
            var value = 0
            while at < end {
                let digit = Int(base.load(fromByteOffset: at, as: UInt8.self)) &- 48
                guard digit >= 0, digit < 10 else { break }
                guard at &- start < 18 else {
                    self = .failure(.invalidLength)
                    return
                }
                value = value &* 10 &+ digit
                at &+= 1
            }
            let digits = at &- start
            if digits == 0 || at &+ 1 >= end {
                self = Self.unusual(base, start, at, end)
                return
            }
            let hasLeadingZero = digits > 1 && base.load(fromByteOffset: start, as: UInt8.self) == 48
            guard base.loadUnaligned(fromByteOffset: at, as: UInt16.self) == RequestDecoder.lineEnd, !hasLeadingZero
            else {
                self = .failure(.invalidLength)
                return
            }
            self = .value(value, at &+ 2)
        }

        /// No digits, or the line end is not there yet.
        private static func unusual(_ base: UnsafeRawPointer, _ start: Int, _ at: Int, _ end: Int) -> Length {
            guard start < end else { return .incomplete }
            let first = base.load(fromByteOffset: start, as: UInt8.self)
            if at > start {
                // Digits so far: only a CR may follow.
                if at < end, base.load(fromByteOffset: at, as: UInt8.self) != 0x0d { return .failure(.invalidLength) }
                return .incomplete
            }
            if first == UInt8(ascii: "?") { return .failure(.streamedReply) }
            let null: StaticString = "-1\r\n"
            for index in 0..<4 {
                guard start + index < end else { return .incomplete }
                if base.load(fromByteOffset: start + index, as: UInt8.self) != null.utf8Start[index] {
                    return .failure(.invalidLength)
                }
            }
            return .null(start + 4)
        }
    }

    /// Set in the count of an attribute.
    static var attributeBit: UInt32 { 1 << 31 }

    /// The elements still to come at the current depth, with `attributeBit`.
    var top: UInt32 {
        @inline(__always)
        get {
            let index = depth &- 1
            // Safe: depth is at least 1 here, and `push` has made room for it.
            if index < Self.shallowDepth { return shallow[index] }
            return deep?[index &- Self.shallowDepth] ?? 0
        }
        @inline(__always)
        set {
            let index = depth &- 1
            if index < Self.shallowDepth {
                shallow[index] = newValue
            } else {
                deep?[index &- Self.shallowDepth] = newValue
            }
        }
    }

    /// Opens an aggregate; false when it lies too deep.
    @inline(__always)
    mutating func push(_ count: Int, isAttribute: Bool, _ limits: borrowing RESPLimits) -> Bool {
        guard depth < limits.maximumNesting else { return false }
        if depth >= Self.shallowDepth {
            if deep == nil {
                deepCapacity = limits.maximumNesting - Self.shallowDepth
                deep = UnsafeMutablePointer<UInt32>.allocate(capacity: deepCapacity)
            }
            guard depth - Self.shallowDepth < deepCapacity else { return false }
        }
        depth &+= 1
        // Safe: the count is at most Int32.max.
        top = UInt32(truncatingIfNeeded: count) | (isAttribute ? Self.attributeBit : 0)
        return true
    }
}
