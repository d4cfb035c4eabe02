// Reading and writing whole small files and folders, for commands. Not for the data path.

import Glibc

/// A file operation that failed: what, where, and the system's reason.
struct FileError: Error {
    let text: String
    let number: Int32

    /// With the reason that the system has just given.
    init(_ operation: String, _ path: String, number: Int32 = errno) {
        text = "cannot \(operation) \(path): \(String(cString: strerror(number)))"
        self.number = number
    }

    init(_ operation: String, _ path: String, because reason: String, number: Int32 = 0) {
        text = "cannot \(operation) \(path): \(reason)"
        self.number = number
    }

    /// 66 when something is not there, 77 when it is not permitted, else 1.
    var exitCode: ExitCode {
        switch number {
        case ENOENT, ENOTDIR, EISDIR: .noInput
        case EACCES, EPERM, EROFS: .permission
        default: .no
        }
    }
}

enum Files {
    enum Kind { case file, folder, other }

    struct Entry {
        let name: String
        let kind: Kind
        let mode: UInt32
    }

    static func kind(of path: String) -> Kind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return kind(status.st_mode)
    }

    /// Whether a file is there and may be read; else `errno` says why not.
    static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

    private static func kind(_ mode: mode_t) -> Kind {
        switch mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        default: .other
        }
    }

    /// What a folder holds, by name, links not followed.
    static func entries(of folder: String) throws(FileError) -> [Entry] {
        guard let stream = opendir(folder) else { throw FileError("read", folder, number: errno) }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let record = readdir(stream) {
            let name = withUnsafePointer(to: &record.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            var status = stat()
            guard lstat(folder + "/" + name, &status) == 0 else {
                throw FileError("read", folder + "/" + name, number: errno)
            }
            entries.append(Entry(name: name, kind: kind(status.st_mode), mode: UInt32(status.st_mode & 0o777)))
        }
        return entries.sorted { $0.name < $1.name }
    }

    /// The bytes of a file, if they are no more than the limit.
    static func read(_ path: String, maximumByteCount: Int) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError("read", path, number: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("read", path, number: errno)
            }
            guard bytes.count + count <= maximumByteCount else {
                throw FileError("read", path, because: "it is larger than \(maximumByteCount) bytes")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Writes a file that must not exist yet.
    static func create(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(FileError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileError("write", path, number: errno) }
        defer { close(descriptor) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { throw FileError("write", path, number: errno) }
            sent += max(0, count)
        }
    }

    /// Makes a folder; one that is there already is fine.
    static func makeFolder(_ path: String) throws(FileError) {
        if mkdir(path, 0o777) != 0, errno != EEXIST { throw FileError("make", path, number: errno) }
    }

    /// The path without links, `.` and `..`; nil when it does not exist.
    static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// The folder that the running program lies in.
    static func programFolder() -> String? {
        guard let program = resolved("/proc/self/exe"), let slash = program.lastIndex(of: "/") else { return nil }
        return String(program[..<slash])
    }
}
