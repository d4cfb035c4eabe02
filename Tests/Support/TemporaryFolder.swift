// A folder that goes away with its last reference, and free loopback ports.

import Foundation
import Glibc
import Synchronization

/// A folder below the system's temporary folder; deleted when the value goes away.
public final class TemporaryFolder: Sendable {
    /// Its absolute path, without a slash at the end.
    public let path: String

    /// Makes a folder of its own; `name` is part of its name.
    public init(_ name: String) throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        var template = Array("\(base)/weir-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("cannot make a folder in \(base)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a file of this folder and gives its path.
    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A loopback port that nobody listens on, and that no call of this process gave before. It lies below the
/// range from which the kernel takes the ports of outgoing connections.
public func freePort() throws -> UInt16 {
    for _ in 0..<1000 {
        let port = UInt16.random(in: 11_000..<32_000)
        guard portsGiven.withLock({ $0.insert(port).inserted }) else { continue }
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(probe) }
        if bindLoopback(probe, port) { return port }
    }
    throw Failure("no free port found")
}

private let portsGiven = Mutex<Set<UInt16>>([])

/// Binds a socket to 127.0.0.1; whether it worked.
func bindLoopback(_ descriptor: Int32, _ port: UInt16) -> Bool {
    var address = loopback(port)
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// Connects a socket to 127.0.0.1; 0 or the error number.
func connectLoopback(_ descriptor: Int32, _ port: UInt16) -> Int32 {
    var address = loopback(port)
    let code = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    return code == 0 ? 0 : errno
}

/// 127.0.0.1 and a port, for bind and connect.
func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}
