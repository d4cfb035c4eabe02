// A server before a real Redis that answers some commands by a script and passes all others on, one by one and
// in order: the way to see what a proxy does with answers that no real Redis gives.

import Foundation
import Glibc
import Synchronization

/// A Redis some of whose answers are false.
public final class ScriptedServer: Sendable {
    /// What happens instead of an answer.
    public struct Answer: Sendable {
        /// These bytes are sent.
        public var bytes: [UInt8]
        /// Whether the connection is closed after them.
        public var closes: Bool
        /// How long to wait before, in seconds.
        public var delay: Double

        /// An answer of text.
        public init(_ text: String, closes: Bool = false, delay: Double = 0) {
            self.init(bytes: Array(text.utf8), closes: closes, delay: delay)
        }

        /// An answer of bytes.
        public init(bytes: [UInt8], closes: Bool = false, delay: Double = 0) {
            self.bytes = bytes
            self.closes = closes
            self.delay = delay
        }
    }

    private struct State {
        var accepted = 0
        var open: Set<Int32> = []
        var isStopped = false
    }

    /// The port that it listens on.
    public let port: UInt16
    private let upstream: UInt16
    private let listener: Int32
    private let script: [String: Answer]
    private let state = Mutex(State())

    /// Listens before the Redis on `upstream`. The script's keys are first arguments: `["k": …]` answers `GET k`.
    public init(upstream: UInt16, _ script: [String: Answer]) throws {
        self.upstream = upstream
        self.script = script
        port = try freePort()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard bindLoopback(listener, port), listen(listener, 128) == 0 else {
            throw Failure("cannot listen on \(port)")
        }
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
                self.state.withLock { state in
                    state.accepted += 1
                    state.open.insert(client)
                }
                Thread.detachNewThread { [weak self] in self?.serve(client) }
            }
        }
    }

    deinit { stop() }

    /// How many connections came so far.
    public var accepted: Int { state.withLock { $0.accepted } }

    /// How many are open.
    public var open: Int { state.withLock { $0.open.count } }

    /// Stops listening and ends all connections.
    public func stop() {
        let first = state.withLock { state in
            defer { state.isStopped = true }
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return !state.isStopped
        }
        guard first else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ client: Int32) {
        defer {
            state.withLock { _ = $0.open.remove(client) }
            close(client)
        }
        guard let redis = try? RespClient(port: upstream, patience: 60) else { return }
        var pending: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let n = chunk.withUnsafeMutableBytes { recv(client, $0.baseAddress, $0.count, 0) }
            if n <= 0 { return }
            pending += chunk[0..<n]
            while case .value(let command, let end)? = try? RespValue.parse(pending[...]) {
                let bytes = Array(pending[..<end])
                pending.removeFirst(end)
                if let answer = answer(to: command) {
                    if answer.delay > 0 { usleep(UInt32(answer.delay * 1e6)) }
                    if !write(answer.bytes, to: client) || answer.closes { return }
                } else {
                    guard (try? redis.send(bytes)) != nil, let reply = try? redis.receiveRaw(),
                        write(reply, to: client)
                    else { return }
                }
            }
        }
    }

    private func answer(to command: RespValue) -> Answer? {
        guard command.elements.count > 1, let key = command.elements[1].text else { return nil }
        return script[key]
    }

    private func write(_ bytes: [UInt8], to client: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let n = bytes.withUnsafeBytes {
                send(client, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if n <= 0 { return false }
            sent += n
        }
        return true
    }
}
