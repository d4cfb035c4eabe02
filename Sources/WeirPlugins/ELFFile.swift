// The parts of a 64-bit little-endian ELF shared library that are read before it is loaded: header, section table,
// dynamic symbols, needed versions, one note. (System V gABI, "ELF-64 Object File Format"; versions: LSB 5, 10.7.)
//
// The file is not trusted: every offset and count is checked against the file's size, every read is bounded, and
// nothing of it runs. Read with pread, not mapped: a file that shrinks meanwhile must not raise SIGBUS.

import Glibc

/// Why the bytes are no library, in words.
struct ELFProblem: Error, Equatable {
    enum Kind: Equatable { case notELF, wrongMachine, notLibrary }
    let kind: Kind
    let text: String

    init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }
}

/// Little-endian numbers at offsets of some bytes; nil beyond their end.
struct ELFBytes {
    let bytes: [UInt8]

    func u8(_ at: Int) -> UInt8? { at >= 0 && at < bytes.count ? bytes[at] : nil }
    func u16(_ at: Int) -> UInt16? { number(at, 2).map { UInt16(truncatingIfNeeded: $0) } }
    func u32(_ at: Int) -> UInt32? { number(at, 4).map { UInt32(truncatingIfNeeded: $0) } }
    func u64(_ at: Int) -> UInt64? { number(at, 8) }

    private func number(_ at: Int, _ count: Int) -> UInt64? {
        guard at >= 0, at <= bytes.count - count else { return nil }
        var value: UInt64 = 0
        for i in (0..<count).reversed() { value = value << 8 | UInt64(bytes[at + i]) }
        return value
    }

    /// The NUL-terminated text at an offset.
    func text(_ at: Int) -> String? {
        guard at >= 0, at < bytes.count, let end = bytes[at...].firstIndex(of: 0) else { return nil }
        return String(decoding: bytes[at..<end], as: UTF8.self)
    }

    /// Whether the NUL-terminated text at an offset is exactly this one.
    func hasText(_ text: StaticString, at: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard at >= 0, at < bytes.count - count, bytes[at + count] == 0 else { return false }
        for i in 0..<count where bytes[at + i] != text.utf8Start[i] { return false }
        return true
    }
}

/// An open library file.
struct ELFFile {
    private let descriptor: Int32
    private let size: Int
    private let sections: [Section]

    private struct Section {
        let name: String
        let type: UInt32
        let offset: Int
        let size: Int
        let link: Int
    }

    /// Tables beyond this are not read: no library has such.
    private static let maximumTableByteCount = 64 << 20

    /// Checks the header and reads the section table. The descriptor stays the caller's.
    init(descriptor: Int32, size: Int) throws(ELFProblem) {
        self.descriptor = descriptor
        self.size = size
        guard size > 0 else { throw ELFProblem(.notELF, "the file has 0 bytes") }
        let head = ELFBytes(bytes: Self.read(descriptor, size, 0, 64) ?? [])
        try Self.checkHeader(head, size)
        sections = try Self.sections(descriptor, size, head)
    }

    private static func read(_ descriptor: Int32, _ size: Int, _ offset: Int, _ count: Int) -> [UInt8]? {
        guard offset >= 0, count >= 0, count <= maximumTableByteCount, offset <= size else { return nil }
        var bytes = [UInt8](repeating: 0, count: min(count, size - offset))
        var done = 0
        while done < bytes.count {
            let n = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, offset + done)
            }
            if n < 0, errno == EINTR { continue }
            if n <= 0 { return nil }
            done += n
        }
        return bytes
    }

    private static func checkHeader(_ head: ELFBytes, _ size: Int) throws(ELFProblem) {
        guard head.bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
            let isText = head.bytes.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
            throw ELFProblem(.notELF, isText ? "it is a text file" : "it does not begin as an ELF file does")
        }
        guard let kind = head.u8(4), let order = head.u8(5), let type = head.u16(16), let machine = head.u16(18),
            head.bytes.count == 64
        else { throw ELFProblem(.notELF, "it has \(size) bytes and ends inside of its header") }
        let here = "this machine is \(Machine.name(Machine.current)), 64 bits, little-endian"
        guard kind == 2 else {
            let words = kind == 1 ? "a 32-bit file for \(Machine.name(machine))" : "of an unknown word size (\(kind))"
            throw ELFProblem(.wrongMachine, "it is \(words); \(here)")
        }
        guard order == 1 else { throw ELFProblem(.wrongMachine, "it is big-endian; \(here)") }
        guard machine == Machine.current else {
            throw ELFProblem(.wrongMachine, "it was built for \(Machine.name(machine)); \(here)")
        }
        guard type == 3 else {
            let words =
                switch type {
                case 1: "an object file (.o)"
                case 2: "a program"
                case 4: "a core dump"
                default: "of an unknown type (\(type))"
                }
            throw ELFProblem(.notLibrary, "it is \(words), not a shared library")
        }
    }

    private static func sections(_ descriptor: Int32, _ size: Int, _ head: ELFBytes) throws(ELFProblem) -> [Section] {
        let damaged = ELFProblem(.notELF, "its section table lies outside of the file: it is damaged or cut off")
        guard let offset = head.u64(40).flatMap({ Int(exactly: $0) }), let entrySize = head.u16(58),
            let count = head.u16(60), let nameIndex = head.u16(62)
        else { throw damaged }
        if offset == 0 || count == 0 { return [] }
        guard entrySize == 64, offset <= size, Int(count) * 64 <= size - offset,
            let bytes = read(descriptor, size, offset, Int(count) * 64)
        else { throw damaged }
        let table = ELFBytes(bytes: bytes)
        func field(_ section: Int, _ at: Int) -> Int {
            table.u64(section * 64 + at).flatMap { Int(exactly: $0) } ?? -1
        }
        let names = ELFBytes(
            bytes: nameIndex < count
                ? read(descriptor, size, field(Int(nameIndex), 24), field(Int(nameIndex), 32)) ?? [] : [])
        return (0..<Int(count)).map { i in
            Section(
                name: table.u32(i * 64).flatMap { names.text(Int($0)) } ?? "", type: table.u32(i * 64 + 4) ?? 0,
                offset: field(i, 24), size: field(i, 32), link: Int(table.u32(i * 64 + 40) ?? 0))
        }
    }

    private func content(_ section: Section, maximum: Int = maximumTableByteCount) -> ELFBytes {
        ELFBytes(bytes: Self.read(descriptor, size, section.offset, min(section.size, maximum)) ?? [])
    }

    /// The names that tables of a section point into.
    private func strings(of section: Section) -> ELFBytes {
        sections.indices.contains(section.link) ? content(sections[section.link]) : ELFBytes(bytes: [])
    }

    /// The first bytes of a section by name, or nil.
    func section(named name: String, maximum: Int) -> [UInt8]? {
        sections.first { $0.name == name }.map { content($0, maximum: maximum).bytes }
    }

    /// How the entry point stands in the dynamic symbols.
    enum Entry: Equatable {
        case exported
        case missing
        /// A `weir_plugin_v…` of another major version.
        case otherMajor(String)
        /// The library has no section table; only loading it will tell.
        case unknown
    }

    func entry() -> Entry {
        guard let table = sections.first(where: { $0.type == 11 }) else {
            return sections.isEmpty ? .unknown : .missing
        }
        let symbols = content(table)
        let names = strings(of: table)
        var other: String?
        for i in stride(from: 0, to: symbols.bytes.count - 23, by: 24) {
            guard let name = symbols.u32(i), let visibility = symbols.u8(i + 5), let section = symbols.u16(i + 6),
                section != 0, visibility & 3 == 0 || visibility & 3 == 3  // default, or protected as Swift has it
            else { continue }
            if names.hasText("weir_plugin_v1", at: Int(name)) { return .exported }
            if names.u32(Int(name)) == 0x7269_6577, let text = names.text(Int(name)), text.hasPrefix("weir_plugin_v") {
                other = text
            }
        }
        return other.map { .otherMajor($0) } ?? .missing
    }

    /// The versions of other libraries' symbols that it needs: ("libc.so.6", "GLIBC_2.34").
    func neededVersions() -> [(library: String, version: String)] {
        guard let section = sections.first(where: { $0.type == 0x6FFF_FFFE }) else { return [] }
        let table = content(section)
        let names = strings(of: section)
        var found: [(library: String, version: String)] = []
        var at = 0
        while let count = table.u16(at + 2), let file = table.u32(at + 4), let first = table.u32(at + 8),
            let next = table.u32(at + 12)
        {
            let library = names.text(Int(file)) ?? ""
            var here = at + Int(first)
            for _ in 0..<count {
                guard let name = table.u32(here + 8), let step = table.u32(here + 12) else { break }
                if let version = names.text(Int(name)) { found.append((library, version)) }
                if step == 0 || found.count > 10_000 { break }
                here += Int(step)
            }
            if next == 0 || found.count > 10_000 { break }
            at += Int(next)
        }
        return found
    }
}

/// Names of ELF's machine numbers.
enum Machine {
    static var current: UInt16 {
        #if arch(x86_64)
            62
        #elseif arch(arm64)
            183
        #elseif arch(s390x)
            22
        #elseif arch(powerpc64le)
            21
        #elseif arch(riscv64)
            243
        #else
            0
        #endif
    }

    static func name(_ machine: UInt16) -> String {
        switch machine {
        case 3: "x86 (32 bits)"
        case 8: "MIPS"
        case 20: "PowerPC"
        case 21: "PowerPC 64"
        case 22: "IBM Z"
        case 40: "ARM (32 bits)"
        case 62: "x86-64"
        case 183: "ARM 64"
        case 243: "RISC-V"
        case 258: "LoongArch"
        default: "machine number \(machine)"
        }
    }
}
