// The loop over a network in memory and in virtual time: deadlines, limits, slow and hostile clients.

import CWeirLinux
import Testing
import WeirBase
import WeirNet

@testable import WeirAdmin

/// A loop with its virtual network.
private final class AdminRig {
    let driver = ScriptedDriver(seed: 1)
    let listener: Int32
    private var loop: AdminLoop

    init(metrics: @escaping @Sendable () -> [MetricFamily] = { [] }, ready: ReadyState = ReadyState()) {
        listener = driver.listen(.loopback(port: 9001), backlog: 64)
        loop = AdminLoop(
            driver: driver, listener: listener, routes: AdminRoutes(metrics: metrics, ready: { ready }),
            requiresLoopbackHost: true)
    }

    var connectionCount: Int { loop.connectionCount }

    func client(_ text: String = "") -> ScriptedPeer {
        let peer = driver.connectPeer(to: listener)
        if !text.isEmpty { peer.send(text) }
        return peer
    }

    /// Lets time pass; false when the loop spins.
    @discardableResult func run(_ duration: Duration = .zero) -> Bool {
        driver.run(for: duration, maximumTurnCount: 10_000) { loop.turn() }
    }

    func close() { loop.close() }
}

@Suite struct `Admin loop` {
    private static let request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

    private func statuses(_ peer: ScriptedPeer) -> [String] {
        peer.receivedText.components("HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
    }

    @Test func `a request is answered and the connection serves the next`() {
        let rig = AdminRig()
        let peer = rig.client(Self.request)
        rig.run()
        let date = HTTPResponse.date(rig.driver.wallTime)
        #expect(peer.receivedText.hasPrefix("HTTP/1.1 200 OK\r\nDate: \(date)\r\n"))
        #expect(peer.receivedText.hasSuffix("\r\n\r\nok\n"))
        peer.send(Self.request)
        rig.run()
        #expect(statuses(peer) == ["200", "200"])
        #expect(!peer.hasEnded)
    }

    @Test func `pipelined requests are answered in order, through short reads and writes`() {
        let rig = AdminRig()
        rig.driver.faults.maximumReadByteCount = 7
        rig.driver.faults.maximumWriteByteCount = 11
        rig.driver.faults.wouldBlockPerMille = 300
        let peer = rig.client(Self.request + "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + Self.request)
        #expect(rig.run(.seconds(1)))
        #expect(statuses(peer) == ["200", "404", "200"])
    }

    @Test func `after Connection close the answer is followed by the end, and the descriptor is given back`() {
        let rig = AdminRig()
        let peer = rig.client("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        rig.run(.milliseconds(10))
        #expect(statuses(peer) == ["200"])
        #expect(peer.hasEnded)
        peer.close()
        rig.run(.milliseconds(10))
        #expect(rig.connectionCount == 0)
        #expect(!peer.wasReset)
    }

    @Test func `a client that does not close after the answer is closed after a second`() {
        let rig = AdminRig()
        let peer = rig.client("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
        rig.run(.milliseconds(10))
        #expect(statuses(peer) == ["405"])
        #expect(peer.receivedText.contains("\r\nAllow: GET, HEAD\r\n"))
        #expect(rig.connectionCount == 1)
        rig.run(.seconds(2))
        #expect(rig.connectionCount == 0)
    }

    @Test func `a slow sender is told so after ten seconds, however steadily it drips`() {
        let rig = AdminRig()
        let peer = rig.client("G")
        for _ in 0..<9 {
            rig.run(.seconds(1))
            peer.send("E")
        }
        #expect(!peer.hasEnded)
        rig.run(.seconds(2))
        #expect(statuses(peer) == ["408"])
        #expect(peer.hasEnded)
    }

    @Test func `an idle connection is closed after ten seconds without a word`() {
        let rig = AdminRig()
        let peer = rig.client(Self.request)
        rig.run(.seconds(9))
        #expect(!peer.hasEnded)
        rig.run(.seconds(2))
        #expect(statuses(peer) == ["200"])
        #expect(rig.connectionCount == 0)
    }

    @Test func `a client that does not read its answer is closed and holds nobody up`() {
        let many = MetricFamily(
            name: "weir_x", help: "x", kind: .gauge,
            series: (0..<10_000).map { MetricSeries(labels: [("n", "\($0)")], value: .signed(0)) })
        let rig = AdminRig(metrics: { [many] })
        let slow = rig.client("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.faults = ScriptedFaults()
        slow.faults?.sendBufferByteCount = 1000
        slow.isReading = false
        #expect(rig.run(.seconds(1)))
        let other = rig.client(Self.request)
        #expect(rig.run(.seconds(1)))
        #expect(statuses(other) == ["200"])
        #expect(rig.connectionCount == 2)
        #expect(rig.run(.seconds(10)))
        #expect(rig.connectionCount == 0)
    }

    @Test func `when the table is full of clients that send nothing, the one that waited longest makes room`() {
        let rig = AdminRig()
        var silent: [ScriptedPeer] = []
        for _ in 0..<AdminLoop.maximumConnectionCount {
            silent.append(rig.client("GET /"))
            rig.run(.milliseconds(1))
        }
        let probe = rig.client(Self.request)
        rig.run(.milliseconds(1))
        #expect(statuses(probe) == ["200"])
        #expect(rig.connectionCount == AdminLoop.maximumConnectionCount)
        #expect(silent[0].hasEnded || silent[0].wasReset)
        #expect(!silent[1].hasEnded)
    }

    @Test(arguments: ["\u{16}\u{3}\u{1}garbage", "*1\r\n$4\r\nPING\r\n", "\r\n\r\n\u{0}"])
    func `garbage is answered with 400 and the end`(text: String) {
        let rig = AdminRig()
        let peer = rig.client(text)
        rig.run(.milliseconds(10))
        #expect(statuses(peer) == ["400"])
        #expect(peer.hasEnded)
    }

    @Test func `a huge header is answered with 431 and what still comes is read away within limits`() {
        let rig = AdminRig()
        let peer = rig.client("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 20_000))
        rig.run(.milliseconds(10))
        #expect(statuses(peer) == ["431"])
        for _ in 0..<100 {
            peer.send(String(repeating: "x", count: 10_000))
            rig.run(.milliseconds(1))
        }
        #expect(rig.connectionCount == 0)
    }

    @Test func `without descriptors accepting rests for a second, without spinning, and then goes on`() {
        let rig = AdminRig()
        rig.driver.failNext(.accept, with: EMFILE)
        let peer = rig.client(Self.request)
        #expect(rig.run(.milliseconds(900)))
        #expect(peer.received.isEmpty)
        #expect(rig.run(.milliseconds(200)))
        #expect(statuses(peer) == ["200"])
    }

    @Test func `a client that resets at any byte of its request leaves nothing behind`() {
        let rig = AdminRig()
        for length in 0..<Self.request.utf8.count {
            let peer = rig.client(String(Self.request.prefix(length)))
            rig.run()
            peer.reset()
            rig.run()
        }
        #expect(rig.connectionCount == 0)
        rig.close()
        #expect(rig.driver.openDescriptorCount == 0)
        #expect(rig.driver.misuses == [])
    }

    @Test func `HEAD has the head of GET and no body`() {
        let rig = AdminRig()
        let get = rig.client("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let head = rig.client("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        rig.run()
        #expect(get.receivedText == head.receivedText + "ok\n")
    }

    @Test func `a Host that is not this machine is refused`() {
        let rig = AdminRig()
        let peer = rig.client("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        rig.run()
        #expect(statuses(peer) == ["403"])
    }

    @Test func `ready names what is missing, and draining is not ready`() {
        let missing = AdminRig(ready: ReadyState(missing: [.init(part: "source \"a\"", reason: "not listening")]))
        let peer = missing.client("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        missing.run()
        #expect(statuses(peer) == ["503"])
        let expected =
            #"{"ready":false,"draining":false,"missing":[{"part":"source \"a\"","reason":"not listening"}]}"# + "\n"
        #expect(peer.receivedText.hasSuffix("\r\n\r\n" + expected))
        let draining = AdminRig(ready: ReadyState(isDraining: true))
        let other = draining.client(
            "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        draining.run()
        #expect(statuses(other) == ["503", "403"])
        let fine = AdminRig()
        let third = fine.client("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        fine.run()
        #expect(statuses(third) == ["200"])
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
