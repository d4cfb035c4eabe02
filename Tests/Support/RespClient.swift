// A blocking RESP client on a plain socket, for tests: raw bytes in and out, every wait with a deadline.
// It knows nothing of Weir. Not to be used from two threads at once.

import Foundation
import Glibc

/// One connection to a RESP server.
public final class RespClient: @unchecked Sendable {
    /// The socket, -1 once closed.
    public private(set) var descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    /// Whether the other side has closed (FIN or RST was seen).
    public private(set) var isAtEnd = false
    /// Whether the end was a reset.
    public private(set) var wasReset = false
    /// How long a single call waits at most, in seconds.
    public var patience: Double

    /// Connects to 127.0.0.1.
    public init(port: UInt16, patience: Double = 10) throws {
        signal(SIGPIPE, SIG_IGN)
        self.patience = patience
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        let code = connectLoopback(descriptor, port)
        if code != 0 {
            Glibc.close(descriptor)
            throw Failure("connect to 127.0.0.1:\(port): \(String(cString: strerror(code)))")
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit { close() }

    /// A command as RESP array of bulk strings.
    public static func encode(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.count)\r\n".utf8)
            bytes += word
            bytes += [13, 10]
        }
        return bytes
    }

    /// A command of text as RESP array of bulk strings.
    public static func encode(_ words: String...) -> [UInt8] { encode(words.map { Array($0.utf8) }) }

    /// Sends raw bytes; takes in what arrives meanwhile, so that neither side can block the other.
    public func send(_ bytes: [UInt8]) throws { try send(bytes, readingMeanwhile: true) }

    /// Sends text as it stands.
    public func send(raw text: String) throws { try send(Array(text.utf8)) }

    /// Sends raw bytes; with `readingMeanwhile: false` nothing is read, as a client that never reads does it.
    public func send(_ bytes: [UInt8], readingMeanwhile: Bool) throws {
        var sent = 0
        let deadline = monotonicSeconds() + patience
        while sent < bytes.count {
            let n = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, 0) }
            if n > 0 {
                sent += n
                continue
            }
            if n < 0, errno != EAGAIN, errno != EINTR {
                throw Failure("send: \(String(cString: strerror(errno))) after \(sent) of \(bytes.count) bytes")
            }
            let events = try wait(POLLOUT | (readingMeanwhile && !isAtEnd ? POLLIN : 0), until: deadline, "to send")
            if events & POLLIN != 0 { readAvailable() }
        }
    }

    /// Sends what the socket takes at once and gives the count; for filling a connection that nobody reads.
    public func sendSome(_ bytes: [UInt8]) -> Int {
        max(0, bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, bytes.count, 0) })
    }

    /// Sends a command and does not wait.
    public func write(_ words: String...) throws { try send(Self.encode(words.map { Array($0.utf8) })) }

    /// Sends a command and waits for its reply.
    @discardableResult
    public func call(_ words: String...) throws -> RespValue {
        try send(Self.encode(words.map { Array($0.utf8) }))
        return try receive()
    }

    /// The next reply.
    public func receive() throws -> RespValue { try receiveBoth().value }

    /// The next reply's bytes.
    public func receiveRaw() throws -> [UInt8] { try receiveBoth().bytes }

    private func receiveBoth() throws -> (value: RespValue, bytes: [UInt8]) {
        let deadline = monotonicSeconds() + patience
        var missing = 1 - (buffer.count - start)
        while true {
            if missing <= 0 {
                switch try RespValue.parse(buffer[start...]) {
                case .value(let value, let end):
                    let bytes = Array(buffer[start..<end])
                    consume(to: end)
                    return (value, bytes)
                case .incomplete(let count): missing = count
                }
            }
            if isAtEnd { throw Failure("the connection ended; \(buffer.count - start) bytes left: \(preview)") }
            _ = try wait(POLLIN, until: deadline, "for a reply; have \(buffer.count - start) bytes: \(preview)")
            let before = buffer.count
            readAvailable()
            missing -= buffer.count - before
        }
    }

    /// The next `count` replies.
    public func receive(count: Int) throws -> [RespValue] {
        var values: [RespValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try receive()) }
        return values
    }

    /// Exactly `count` raw bytes.
    public func receiveBytes(_ count: Int) throws -> [UInt8] {
        let deadline = monotonicSeconds() + patience
        while buffer.count - start < count {
            if isAtEnd {
                throw Failure("the connection ended after \(buffer.count - start) of \(count) bytes: \(preview)")
            }
            _ = try wait(POLLIN, until: deadline, "for \(count) bytes; have \(preview)")
            readAvailable()
        }
        defer { consume(to: start + count) }
        return Array(buffer[start..<(start + count)])
    }

    /// All bytes until the other side closes; throws when it does not.
    public func receiveUntilClosed() throws -> [UInt8] {
        let deadline = monotonicSeconds() + patience
        while !isAtEnd {
            _ = try wait(POLLIN, until: deadline, "for the connection to be closed; have \(preview)")
            readAvailable()
        }
        defer { consume(to: buffer.count) }
        return Array(buffer[start...])
    }

    /// All bytes that come until the other side closes or is silent for `seconds`.
    public func receiveUntilSilent(_ seconds: Double) -> [UInt8] {
        while !isAtEnd, (try? wait(POLLIN, until: monotonicSeconds() + seconds, "")) != nil { readAvailable() }
        defer { consume(to: buffer.count) }
        return Array(buffer[start...])
    }

    /// Whether nothing at all comes for `seconds` (neither bytes nor the end).
    public func staysSilent(for seconds: Double) -> Bool {
        if buffer.count > start || isAtEnd { return false }
        return (try? wait(POLLIN, until: monotonicSeconds() + seconds, "")) == nil
    }

    /// Sends FIN and goes on reading.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes; FIN if everything was read, else the kernel sends RST.
    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Closes with RST.
    public func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    private var preview: String { String(decoding: buffer[start...].prefix(160), as: UTF8.self).debugDescription }

    private func consume(to end: Int) {
        start = end
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1 << 20 {
            buffer.removeFirst(start)
            start = 0
        }
    }

    private func wait(_ events: Int32, until deadline: Double, _ what: @autoclosure () -> String) throws -> Int32 {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let left = max(0, deadline - monotonicSeconds())
            let n = poll(&entry, 1, Int32((left * 1000).rounded(.up)))
            if n > 0 { return Int32(entry.revents) | (entry.revents & Int16(POLLHUP | POLLERR) != 0 ? POLLIN : 0) }
            if n == 0 { throw Failure("waited too long \(what())") }
        }
    }

    private func readAvailable() {
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let n = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if n > 0 {
                buffer += chunk[0..<n]
                if n < chunk.count { return }
            } else {
                if n == 0 { isAtEnd = true }
                if n < 0, errno != EAGAIN, errno != EINTR {
                    isAtEnd = true
                    wasReset = errno == ECONNRESET
                }
                return
            }
        }
    }
}
