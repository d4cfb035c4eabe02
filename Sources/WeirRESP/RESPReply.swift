// Replies that the proxy gives itself, as bytes. Valid in RESP2 and RESP3 alike.

/// Makes replies. Text in an error or a status is one line: CR and LF in it become spaces.
public enum RESPReply {
    public static var ok: [UInt8] { Array("+OK\r\n".utf8) }
    public static var nullBulk: [UInt8] { Array("$-1\r\n".utf8) }
    public static var nullArray: [UInt8] { Array("*-1\r\n".utf8) }
    /// The null of RESP3.
    public static var null: [UInt8] { Array("_\r\n".utf8) }

    /// `null` in RESP3, `nullBulk` in RESP2.
    public static func null(version: Int) -> [UInt8] {
        version >= 3 ? null : nullBulk
    }

    /// `-CODE text`.
    public static func error(_ code: StaticString = "ERR", _ text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { error(code, UnsafeRawBufferPointer($0)) }
    }

    /// `-CODE text`.
    public static func error(_ code: StaticString = "ERR", _ text: UnsafeRawBufferPointer) -> [UInt8] {
        make(text.count + code.utf8CodeUnitCount + 4) {
            $0.byte(UInt8(ascii: "-"))
            $0.text(code)
            $0.byte(UInt8(ascii: " "))
            $0.oneLine(text)
            $0.lineEnd()
        }
    }

    /// What Redis answers to a request that is not RESP; empty when it closes without a word.
    public static func protocolError(_ request: DecodedRequest) -> [UInt8] {
        let message = request.error.message
        if message.utf8CodeUnitCount == 0 { return [] }
        return make(message.utf8CodeUnitCount + 9) { writer in
            writer.text("-ERR ")
            writer.text(message)
            // Redis prints the byte with %c into a C string, and a line end as a space.
            if request.error == .expectedDollar, request.unexpectedByte != 0 {
                withUnsafeBytes(of: request.unexpectedByte) { writer.oneLine($0) }
                writer.byte(UInt8(ascii: "'"))
            }
            writer.lineEnd()
        }
    }

    /// `+text`.
    public static func simple(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        make(text.count + 3) {
            $0.byte(UInt8(ascii: "+"))
            $0.oneLine(text)
            $0.lineEnd()
        }
    }

    /// `:value`.
    public static func integer(_ value: Int) -> [UInt8] {
        make(24) { $0.line(UInt8(ascii: ":"), value) }
    }

    /// `$n` with the bytes.
    public static func bulk(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        make(bytes.count + 26) {
            $0.line(UInt8(ascii: "$"), bytes.count)
            $0.bytes(bytes)
            $0.lineEnd()
        }
    }

    /// The bytes that `write` gives, which needs `capacity` at most.
    private static func make(_ capacity: Int, _ write: (inout ByteWriter) -> Void) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: capacity) { buffer, used in
            var writer = ByteWriter(buffer.baseAddress, capacity: capacity)
            write(&writer)
            used = min(writer.count, capacity)
        }
    }
}
