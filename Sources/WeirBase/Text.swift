// Small conversions between bytes and text, without Foundation.

public import CWeir

extension weir_str {
    /// Bytes that live as long as the program.
    public init(_ text: StaticString) { self.init(ptr: text.utf8Start, len: text.utf8CodeUnitCount) }

    /// The bytes, borrowed.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ptr, count: len) }

    /// A copy as text; what is not UTF-8 is replaced.
    public var string: String { String(decoding: bytes, as: UTF8.self) }

    @inlinable public var isEmpty: Bool { len == 0 }
}

/// Lends the UTF-8 bytes of `text` for the duration of `body`.
public func withText<R>(_ text: String, _ body: (weir_str) -> R) -> R {
    var text = text
    return text.withUTF8 { body(weir_str(ptr: $0.baseAddress, len: $0.count)) }
}

/// A copy of `text` with a NUL at its end that is never freed: for names that live as long as the program.
public func immortalCString(_ text: String) -> UnsafePointer<CChar> {
    let bytes = Array(text.utf8)
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
    copy[bytes.count] = 0
    return UnsafePointer(copy)
}

/// A copy of `text` as borrowed bytes that are never freed.
public func immortalText(_ text: String) -> weir_str {
    let pointer = immortalCString(text)
    return weir_str(ptr: UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self), len: text.utf8.count)
}

extension StringProtocol {
    /// The first place where `part` stands, byte for byte.
    public func firstPlace(of part: String) -> Range<Index>? {
        guard !part.isEmpty else { return startIndex..<startIndex }
        var at = utf8.startIndex
        while at < utf8.endIndex {
            if utf8[at...].starts(with: part.utf8) { return at..<utf8.index(at, offsetBy: part.utf8.count) }
            at = utf8.index(after: at)
        }
        return nil
    }

    /// Whether `part` stands in it, byte for byte.
    public func holds(_ part: String) -> Bool { firstPlace(of: part) != nil }
}
