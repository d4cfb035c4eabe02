// Two worlds with the same questions: real loopback sockets under `EpollDriver`, and `ScriptedDriver`'s network.
// A scene plays in either and writes down what the worker's side and the far end have seen.

import CWeirLinux
import Testing
import WeirNet

/// The other end of a connection of the worker.
protocol FarEnd: AnyObject {
    func send(_ text: String)
    func halfClose()
    func close()
    func reset()
    /// Everything until the worker's end or reset: `"abc" end`, `"" reset`.
    func outcome() -> String
}

protocol World {
    associatedtype Far: FarEnd
    var driver: Driver { get }
    func connectFar(to listener: Int32) throws -> Far
    /// Where nobody listens.
    var deadAddress: SocketAddress { get }
    /// A server that accepts.
    func openServer() throws -> SocketAddress
}

/// One play: what is done, and the record of what came of it.
final class Scene<W: World> {
    let world: W
    let listener: Int32
    private(set) var record: [String] = []

    var driver: Driver { world.driver }

    init(_ world: W) throws {
        self.world = world
        listener = world.driver.listen(.loopback(port: 0), backlog: 16)
        try #require(listener >= 0)
    }

    deinit { world.driver.close(listener) }

    func note(_ text: String) { record.append(text) }

    /// A connection as worker and far end hold it.
    func connection() throws -> (descriptor: Int32, far: W.Far) {
        let far = try world.connectFar(to: listener)
        return (try accept(), far)
    }

    func accept() throws -> Int32 {
        expect(listener, .readable)
        var peer = SocketAddress()
        let descriptor = driver.accept(listener, &peer)
        try #require(descriptor >= 0)
        return descriptor
    }

    func read(_ descriptor: Int32, _ capacity: Int = 100) {
        var bytes = [UInt8](repeating: 0, count: max(capacity, 1))
        let count = driver.read(descriptor, &bytes, capacity)
        note(count > 0 ? "read \(String(decoding: bytes.prefix(count), as: UTF8.self))" : "read \(name(count))")
    }

    func write(_ descriptor: Int32, _ texts: String...) {
        note("write \(name(driver.writeTexts(descriptor, texts)))")
    }

    /// Waits until the descriptor is ready for all of `wanted`, and notes everything it is ready for then.
    func expect(_ descriptor: Int32, _ wanted: Readiness) {
        note("watch \(name(Int(driver.watch(descriptor, 7, [.readable, .writable, .hangup]))))")
        var event = IOEvent(token: 0, readiness: [])
        let deadline = driver.now + 5_000_000_000
        while !event.readiness.isSuperset(of: wanted), driver.now < deadline {
            _ = driver.wait(&event, 1, timeoutNanoseconds: 100_000_000)
        }
        note("ready \(event.readiness.words)")
        _ = driver.unwatch(descriptor)
    }

    func name(_ outcome: Int) -> String {
        let names = [
            EAGAIN: "EAGAIN", EBADF: "EBADF", ECONNRESET: "ECONNRESET", EPIPE: "EPIPE", EEXIST: "EEXIST",
            ENOENT: "ENOENT", ECONNREFUSED: "ECONNREFUSED", EINPROGRESS: "EINPROGRESS", EINVAL: "EINVAL",
            EAFNOSUPPORT: "EAFNOSUPPORT",
        ]
        return outcome < 0 ? names[Int32(-outcome)] ?? "\(outcome)" : "\(outcome)"
    }
}

extension Readiness {
    var words: String {
        let all: [(Readiness, String)] = [
            (.readable, "readable"), (.writable, "writable"), (.hangup, "hangup"), (.failed, "failed"),
        ]
        return all.filter { contains($0.0) }.map(\.1).joined(separator: "+")
    }
}

extension Driver {
    /// One vector for each text.
    func writeTexts(_ descriptor: Int32, _ texts: [String]) -> Int {
        writeAll(descriptor, texts.map { Array($0.utf8) })
    }

    func writeAll(_ descriptor: Int32, _ parts: [[UInt8]]) -> Int {
        let all = parts.flatMap { $0 }
        return all.withUnsafeBytes { bytes in
            var offset = 0
            let vectors = parts.map { part in
                defer { offset += part.count }
                let start = bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + offset) }
                return iovec(iov_base: start, iov_len: part.count)
            }
            return write(descriptor, vectors, Int32(vectors.count))
        }
    }

    func readAll(_ descriptor: Int32, _ capacity: Int = 65_536) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: capacity)
        let count = read(descriptor, &bytes, capacity)
        return count >= 0 ? Array(bytes.prefix(count)) : nil
    }
}

// MARK: - The real one

/// A blocking socket of the test.
final class RealFarEnd: FarEnd {
    private var descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    convenience init(connectingTo address: SocketAddress) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var native = sockaddr_in()
        native.sin_family = sa_family_t(AF_INET)
        native.sin_port = address.port.bigEndian
        native.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &native) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                CWeirLinux.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        self.init(descriptor)
    }

    deinit { close() }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) { _ = CWeirLinux.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func receive(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while all.count < count {
            let got = recv(descriptor, &piece, min(piece.count, count - all.count), 0)
            if got <= 0 { break }
            all += piece.prefix(got)
        }
        return all
    }

    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    func close() {
        if descriptor >= 0 { _ = CWeirLinux.close(descriptor) }
        descriptor = -1
    }

    func reset() {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func outcome() -> String {
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let got = recv(descriptor, &piece, piece.count, 0)
            if got > 0 {
                all += piece.prefix(got)
                continue
            }
            let end = got == 0 ? "end" : weir_errno() == ECONNRESET ? "reset" : "errno \(weir_errno())"
            return "\"\(String(decoding: all, as: UTF8.self))\" \(end)"
        }
    }
}

struct RealWorld: World {
    let driver: Driver
    private let server: Int32

    init() throws {
        let driver = try #require(EpollDriver())
        self.driver = driver
        // The kernel accepts for it; nobody needs to.
        server = driver.listen(.loopback(port: 0), backlog: 16)
    }

    func connectFar(to listener: Int32) throws -> RealFarEnd {
        try RealFarEnd(connectingTo: driver.localAddress(listener))
    }

    var deadAddress: SocketAddress {
        let listener = driver.listen(.loopback(port: 0), backlog: 1)
        defer { driver.close(listener) }
        return driver.localAddress(listener)
    }

    func openServer() -> SocketAddress { driver.localAddress(server) }
}

// MARK: - The scripted one

extension ScriptedPeer: FarEnd {
    func outcome() -> String { "\"\(receivedText)\" \(wasReset ? "reset" : hasEnded ? "end" : "open")" }
}

struct ScriptedWorld: World {
    let scripted = ScriptedDriver()
    var driver: Driver { scripted }

    func connectFar(to listener: Int32) -> ScriptedPeer { scripted.connectPeer(to: listener) }

    var deadAddress: SocketAddress { .loopback(port: 1) }

    func openServer() -> SocketAddress {
        scripted.onConnect(.loopback(port: 2)) { _ in .accept }
        return .loopback(port: 2)
    }
}
