// A TCP proxy on loopback that harms what passes: latency, one-byte writes, a slow rate, RST, FIN or a stall
// after so many bytes, a flipped bit, garbage; and it can refuse or swallow new connections. Two threads for
// each connection, blocking calls: simple, and slow enough for nothing but tests.

import Foundation
import Glibc
import Synchronization

/// A harmful proxy before one port.
public final class FaultProxy: Sendable {
    /// What happens to the bytes of one direction. Positions count from the start of the connection.
    public enum Fault: Sendable {
        case latency(milliseconds: UInt32)
        /// Every byte in a write of its own.
        case oneByteWrites
        case rate(bytesPerSecond: Int)
        /// RST to both sides.
        case resetAfter(Int)
        /// FIN to both sides.
        case closeAfter(Int)
        /// Keeps both sides open and forwards nothing more.
        case stallAfter(Int)
        /// Flips the lowest bit of one byte.
        case flipBit(at: Int)
        /// Puts bytes of its own into the stream.
        case insert([UInt8], at: Int)
    }

    /// What happens to the proxy's connections.
    public struct Faults: Sendable {
        public var toUpstream: [Fault] = []
        public var toClient: [Fault] = []
        /// Accept, then RST.
        public var refuses = false
        /// Accept, then nothing.
        public var swallows = false

        /// No harm unless said so.
        public init(toUpstream: [Fault] = [], toClient: [Fault] = [], refuses: Bool = false, swallows: Bool = false) {
            self.toUpstream = toUpstream
            self.toClient = toClient
            self.refuses = refuses
            self.swallows = swallows
        }
    }

    private struct State {
        var faults = Faults()
        var accepted = 0
        var open: Set<Int32> = []
        var isClosed = false
    }

    /// The port that it listens on.
    public let port: UInt16
    private let upstream: UInt16
    private let listener: Int32
    private let state = Mutex(State())

    /// Listens on a free port before `upstream`.
    public init(upstream: UInt16, _ faults: Faults = Faults()) throws {
        signal(SIGPIPE, SIG_IGN)
        self.upstream = upstream
        port = try freePort()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard bindLoopback(listener, port), listen(listener, 1024) == 0 else {
            throw Failure("cannot listen on \(port)")
        }
        state.withLock { $0.faults = faults }
        let descriptor = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(descriptor, nil, nil)
                if client < 0 { return }
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                guard let self else {
                    close(client)
                    return
                }
                self.begin(client)
            }
        }
    }

    deinit { stop() }

    /// Other faults from now on: of new connections, and of bytes that existing ones forward later.
    public func set(_ faults: Faults) { state.withLock { $0.faults = faults } }

    /// How many connections came so far.
    public var accepted: Int { state.withLock { $0.accepted } }

    /// RST on all connections there are.
    public func resetAll() {
        state.withLock { for descriptor in $0.open { Self.arm(descriptor); shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    /// Stops listening and ends all connections.
    public func stop() {
        let first = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard first else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        resetAll()
    }

    private static func arm(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private func begin(_ client: Int32) {
        let faults = state.withLock { state in
            state.accepted += 1
            state.open.insert(client)
            return state.faults
        }
        if faults.swallows { return }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        if faults.refuses || connectLoopback(server, upstream) != 0 {
            Self.arm(client)
            forget(client)
            close(server)
            return
        }
        var one: Int32 = 1
        for descriptor in [client, server] {
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        state.withLock { _ = $0.open.insert(server) }
        let pair = Directions()
        for (from, to, up) in [(client, server, true), (server, client, false)] {
            Thread.detachNewThread { [weak self] in
                self?.pump(from, to, up)
                guard pair.finish() else { return }
                if let self {
                    self.forget(client)
                    self.forget(server)
                } else {
                    close(client)
                    close(server)
                }
            }
        }
    }

    private func forget(_ descriptor: Int32) {
        state.withLock { _ = $0.open.remove(descriptor) }
        close(descriptor)
    }

    /// Forwards one direction until its end.
    private func pump(_ from: Int32, _ to: Int32, _ up: Bool) {
        var position = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let n = chunk.withUnsafeMutableBytes { recv(from, $0.baseAddress, $0.count, 0) }
            if n <= 0 {
                shutdown(to, Int32(SHUT_WR))
                return
            }
            let faults = state.withLock { up ? $0.faults.toUpstream : $0.faults.toClient }
            var bytes = Array(chunk[0..<n])
            var size = n
            var pause = 0.0
            for fault in faults {
                switch fault {
                case .latency(let milliseconds): usleep(milliseconds * 1000)
                case .oneByteWrites: size = 1
                case .rate(let rate):
                    size = 1
                    pause = 1 / Double(rate)
                case .resetAfter(let limit), .closeAfter(let limit), .stallAfter(let limit):
                    guard position + n >= limit else { break }
                    write(Array(bytes.prefix(max(0, limit - position))), to, size: n, pause: 0)
                    return end(fault, from, to)
                case .flipBit(let place):
                    if place >= position, place < position + n { bytes[place - position] ^= 1 }
                case .insert(let more, let place):
                    if place >= position, place < position + n { bytes.insert(contentsOf: more, at: place - position) }
                }
            }
            if !write(bytes, to, size: size, pause: pause) { return shutdownBoth(from, to) }
            position += n
        }
    }

    private func end(_ fault: Fault, _ from: Int32, _ to: Int32) {
        switch fault {
        case .stallAfter:
            while !state.withLock({ $0.isClosed || !$0.open.contains(from) }) { usleep(20_000) }
        case .resetAfter:
            Self.arm(from)
            Self.arm(to)
            shutdownBoth(from, to)
        default: shutdownBoth(from, to)
        }
    }

    private func shutdownBoth(_ one: Int32, _ other: Int32) {
        shutdown(one, Int32(SHUT_RDWR))
        shutdown(other, Int32(SHUT_RDWR))
    }

    @discardableResult
    private func write(_ bytes: [UInt8], _ to: Int32, size: Int, pause: Double) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let n = bytes.withUnsafeBytes { send(to, $0.baseAddress! + sent, min(size, bytes.count - sent), 0) }
            if n <= 0 { return false }
            sent += n
            if pause > 0 { usleep(UInt32(pause * 1e6)) }
        }
        return true
    }
}

/// Says which of the two directions ended last.
private final class Directions: Sendable {
    private let ended = Mutex(0)

    /// True for the second direction that ends.
    func finish() -> Bool {
        ended.withLock { count in
            count += 1
            return count == 2
        }
    }
}
