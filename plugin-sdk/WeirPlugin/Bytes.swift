// Borrowed bytes: a pointer and a length that somebody else owns (weir_str in weir.h).
// They live as long as what they came from: a message until it is disposed of, a configuration until
// configure returns. Copy with `array` or `string` what is to be kept. Reading never traps.

public import CWeir

/// Bytes that are lent, not owned.
public struct Bytes {
    /// The first byte; nil only when there is none.
    public let base: UnsafePointer<UInt8>?
    public let count: Int

    @inlinable
    public init(_ raw: weir_str) {
        base = raw.ptr
        count = raw.ptr == nil ? 0 : raw.len
    }

    @inlinable
    public init(base: UnsafePointer<UInt8>?, count: Int) {
        self.base = base
        self.count = base == nil ? 0 : count
    }

    /// The bytes of a literal: valid for ever.
    @inlinable
    public init(_ literal: StaticString) {
        // A StaticString of one scalar has no pointer; a literal written with quotes always has one.
        self.init(base: literal.hasPointerRepresentation ? literal.utf8Start : nil, count: literal.utf8CodeUnitCount)
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    /// The byte at `offset`, nil outside.
    @inlinable
    public subscript(offset: Int) -> UInt8? {
        guard let base, offset >= 0, offset < count else { return nil }
        return base[offset]
    }

    @inlinable public var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }
    @inlinable public var raw: weir_str { weir_str(ptr: base, len: count) }

    /// A copy that may be kept.
    public var array: [UInt8] { Array(buffer) }
    /// A copy as text; what is not UTF-8 is replaced.
    public var string: String { String(decoding: buffer, as: UTF8.self) }

    @inlinable
    public func starts(with prefix: Bytes) -> Bool {
        prefix.count <= count && Bytes(base: base, count: prefix.count) == prefix
    }

    @inlinable
    public func starts(with prefix: StaticString) -> Bool { starts(with: Bytes(prefix)) }

    @inlinable
    public static func == (a: Bytes, b: Bytes) -> Bool {
        guard a.count == b.count else { return false }
        guard let x = a.base, let y = b.base else { return true }
        for offset in 0..<a.count where x[offset] != y[offset] { return false }
        return true
    }

    @inlinable
    public static func == (a: Bytes, b: StaticString) -> Bool { a == Bytes(b) }

    /// The decimal number that these bytes are, nil when they are none or it does not fit.
    public var integer: Int? {
        guard let base, count > 0, count <= 20 else { return nil }
        let negative = base[0] == UInt8(ascii: "-")
        var value = 0
        guard count > (negative ? 1 : 0) else { return nil }
        for offset in (negative ? 1 : 0)..<count {
            let digit = Int(base[offset]) - 0x30
            guard digit >= 0, digit <= 9 else { return nil }
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, overToo) = product.subtractingReportingOverflow(digit)
            guard !over, !overToo else { return nil }
            value = sum
        }
        if negative { return value }
        return value == .min ? nil : -value
    }
}

extension Array where Element == UInt8 {
    /// Lends the array's bytes for the duration of `body`.
    @inlinable
    public func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
        try withUnsafeBufferPointer { try body(Bytes(base: $0.baseAddress, count: $0.count)) }
    }
}

extension String {
    /// Lends the text's UTF-8 bytes for the duration of `body`.
    @inlinable
    public func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
        var text = self
        return try text.withUTF8 { try body(Bytes(base: $0.baseAddress, count: $0.count)) }
    }
}
