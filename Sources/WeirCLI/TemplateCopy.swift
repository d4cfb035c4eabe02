// Copies a template folder, replacing `@WORD@` in contents and file names. Knows nothing of plugins.
//
// Nothing is overwritten: the destination must not exist or be empty. Links are refused, and sizes are limited,
// so that a wrong folder given as template does no harm.

struct TemplateCopy {
    static let maximumFileByteCount = 1 << 20
    static let maximumFileCount = 500
    static let maximumDepth = 8

    /// Word without the marks → text.
    let words: [String: String]
    private(set) var writtenCount = 0

    init(words: [String: String]) {
        self.words = words
    }

    /// Copies everything in a folder into another, which is made.
    mutating func copy(_ source: String, to destination: String) throws(FileError) {
        if Files.kind(of: destination) != nil, !(try Files.entries(of: destination).isEmpty) {
            throw FileError("write into", destination, because: "it exists and is not empty")
        }
        try copyFolder(source, to: destination, depth: 0)
    }

    private mutating func copyFolder(_ source: String, to destination: String, depth: Int) throws(FileError) {
        guard depth < TemplateCopy.maximumDepth else {
            throw FileError("copy", source, because: "it is nested too deep")
        }
        try Files.makeFolder(destination)
        for entry in try Files.entries(of: source) {
            let from = source + "/" + entry.name
            let to = destination + "/" + String(decoding: replaced(Array(entry.name.utf8)), as: UTF8.self)
            switch entry.kind {
            case .folder:
                // What a build left behind in a template is no part of it.
                if entry.name == ".build" || entry.name == "build" { continue }
                try copyFolder(from, to: to, depth: depth + 1)
            case .file:
                guard writtenCount < TemplateCopy.maximumFileCount else {
                    throw FileError("copy", source, because: "it holds too many files")
                }
                let bytes = try Files.read(from, maximumByteCount: TemplateCopy.maximumFileByteCount)
                try Files.create(to, replaced(bytes), mode: entry.mode)
                writtenCount += 1
            case .other: throw FileError("copy", from, because: "it is neither a file nor a folder")
            }
        }
    }

    /// The bytes with every known `@WORD@` replaced; unknown ones stay.
    func replaced(_ bytes: [UInt8]) -> [UInt8] {
        let mark = UInt8(ascii: "@")
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            guard bytes[position] == mark, let end = bytes[(position + 1)...].prefix(40).firstIndex(of: mark) else {
                out.append(bytes[position])
                position += 1
                continue
            }
            let word = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
            if let text = words[word] {
                out.append(contentsOf: text.utf8)
                position = end + 1
            } else {
                out.append(mark)
                position += 1
            }
        }
        return out
    }
}
