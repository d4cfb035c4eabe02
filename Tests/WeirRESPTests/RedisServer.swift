// A real redis-server on a Unix socket for the tests that compare with it, and a plain client for it.

import Foundation
import Testing
import WeirRESP

final class RedisServer {
    static let path = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/bin/valkey-server"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }
    static var isInstalled: Bool { path != nil }

    private let directory: URL
    private let socketPath: String
    private var pid: pid_t = 0

    private init(_ options: [String]) throws {
        directory = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(
            "weir-resp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        socketPath = directory.appendingPathComponent("s").path
        let path = try #require(Self.path)
        let arguments =
            [
                path, "--port", "0", "--unixsocket", socketPath, "--save", "", "--dir", directory.path, "--logfile",
                "log",
            ]
            + options
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        try #require(posix_spawn(&pid, path, nil, nil, &pointers, environ) == 0)
    }

    /// Runs `body` with a server of its own.
    static func with<R>(_ options: [String] = [], _ body: (RedisServer) throws -> R) throws -> R {
        let server = try RedisServer(options)
        defer {
            kill(server.pid, SIGKILL)
            waitpid(server.pid, nil, 0)
            try? FileManager.default.removeItem(at: server.directory)
        }
        return try body(server)
    }

    /// Connects; waits for the server to come up, ten seconds at most.
    private func connect() throws -> Int32 {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8) }
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return socket }
            close(socket)
            try #require(ContinuousClock.now < deadline, "the server does not come up")
            poll(nil, 0, 2)
        }
    }

    /// Sends `input` and the end of the stream, and returns all that comes back (which must be little: the server
    /// throws away what it has not yet written when it sees the end).
    func answer(_ input: [UInt8]) throws -> [UInt8] {
        try exchange(input, endsStream: true) { _ in false }
    }

    /// Sends `input`, which has `count` replies, and returns these.
    func ask(_ input: [UInt8], count: Int) throws -> [[UInt8]] {
        var decoder = ReplyDecoder()
        defer { decoder.reset() }
        var out: [[UInt8]] = []
        var start = 0
        _ = try exchange(input, endsStream: false) { received in
            received.withUnsafeBytes { bytes in
                while start < bytes.count {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    let result = decoder.next(rest, RESPLimits())
                    guard result.outcome == .frame else { break }
                    out.append(Array(rest[..<result.byteCount]))
                    start += result.byteCount
                }
            }
            return out.count >= count
        }
        return out
    }

    private func exchange(
        _ input: [UInt8], endsStream: Bool, until isEnough: ([UInt8]) -> Bool
    ) throws -> [UInt8] {
        let socket = try connect()
        defer { close(socket) }
        var sent = 0
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        if input.isEmpty, endsStream { shutdown(socket, Int32(SHUT_WR)) }
        while true {
            let wantsToSend = sent < input.count
            var state = pollfd(fd: socket, events: Int16(POLLIN | (wantsToSend ? POLLOUT : 0)), revents: 0)
            try #require(poll(&state, 1, 10_000) > 0, "the server is silent")
            if wantsToSend, state.revents & Int16(POLLOUT) != 0 {
                let n = input.withUnsafeBytes {
                    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
                    return send(socket, $0.baseAddress.map { $0 + sent }, input.count - sent, flags)
                }
                if n > 0 { sent += n }
                if n <= 0, errno != EAGAIN { sent = input.count }  // it has closed already
                if sent == input.count, endsStream { shutdown(socket, Int32(SHUT_WR)) }
            }
            if state.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
                let n = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if n < 0, errno == EAGAIN { continue }
                if n <= 0 { return received }
                received += buffer[0..<n]
                if isEnough(received) { return received }
            }
        }
    }
}
