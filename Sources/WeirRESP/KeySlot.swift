// The slot of a key in a cluster: CRC16 (XMODEM) of the key, or of what stands between its first "{" and the next "}"
// when that is not empty, modulo 16384. Redis Cluster specification, "Hash tags".

/// Cluster slots.
public enum KeySlot {
    public static let count = 16384

    /// 0 ..< `count`.
    public static func of(_ key: UnsafeRawBufferPointer) -> UInt16 {
        var start = 0
        var end = key.count
        if let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        {
            start = open + 1
            end = close
        }
        var crc: UInt16 = 0
        for index in start..<end {
            // Safe: the table has one entry for each byte.
            crc = crc &<< 8 ^ table[unchecked: Int(crc &>> 8) ^ Int(key[index])]
        }
        return crc & UInt16(count - 1)
    }

    private static let table: [256 of UInt16] = {
        var table = [256 of UInt16](repeating: 0)
        for index in 0..<256 {
            var crc = UInt16(index) << 8
            for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
            table[index] = crc
        }
        return table
    }()
}
