// The scripted driver's own promises: virtual time, order, the far ends, misuse. Faults: `ScriptedFaultTests.swift`;
// likeness to the kernel: `LikenessTests.swift`.

import CWeirLinux
import Testing
import WeirNet

struct ScriptedDriverTests {
    let driver = ScriptedDriver()
    let listener: Int32

    init() { listener = driver.listen(.loopback(port: 6379), backlog: 16) }

    private func accept() -> Int32 {
        var peer = SocketAddress()
        return driver.accept(listener, &peer)
    }

    private func waitAll(_ nanoseconds: Int64 = -1, capacity: Int = 16) -> [IOEvent] {
        var events = [IOEvent](repeating: IOEvent(token: 0, readiness: []), count: capacity)
        let count = driver.wait(&events, capacity, timeoutNanoseconds: nanoseconds)
        return Array(events.prefix(max(0, count)))
    }

    // MARK: Time

    @Test func `a wait moves the clock to the end of its time-out, and no further than the horizon`() {
        let start = driver.now
        #expect(waitAll(250).isEmpty)
        #expect(driver.now == start + 250)
        #expect(!driver.isIdle)
        #expect(waitAll(0).isEmpty)
        #expect(driver.now == start + 250)
        #expect(!driver.isIdle)
        driver.horizon = start + 300
        #expect(waitAll(1000).isEmpty)
        #expect(driver.now == start + 300)
        #expect(waitAll(1000).isEmpty)
        #expect(driver.isIdle)
        #expect(driver.wallTime - driver.now == ScriptedDriver.wallEpochNanoseconds)
    }

    @Test func `a wait for ever that nothing ends returns idle, and the clock stands`() {
        let start = driver.now
        #expect(waitAll().isEmpty)
        #expect(driver.isIdle)
        #expect(driver.now == start)
    }

    @Test func `actions run at their time, in the order of adding where it is the same`() {
        var log: [String] = []
        let start = driver.now
        for (name, milliseconds) in [("c", 3), ("a", 1), ("d", 3), ("b", 2)] {
            driver.after(.milliseconds(milliseconds)) { [driver] in
                log.append("\(name)\((driver.now - start) / 1_000_000)")
            }
        }
        driver.advance(by: .milliseconds(2))
        #expect(log == ["a1", "b2"])
        #expect(waitAll(10_000_000).isEmpty)
        #expect(log == ["a1", "b2", "c3", "d3"])
        #expect(driver.now == start + 12_000_000)
    }

    @Test func `timers and bytes come in the order of virtual time`() {
        var timers = TimerQueue()
        let client = driver.connectPeer(to: listener)
        let worker = accept()
        #expect(driver.watch(worker, 1, .readable) == 0)
        driver.after(.milliseconds(2)) { client.send("x") }
        let start = driver.now
        let nothing: TimerQueue.Function = { _ in }
        for milliseconds in [3, 1, 2] {
            _ = timers.add(deadline: start + UInt64(milliseconds) * 1_000_000, function: nothing, context: nil)
        }
        var log: [String] = []
        while let deadline = timers.nextDeadline {
            let events = waitAll(Int64(deadline - driver.now))
            let time = (driver.now - start) / 1_000_000
            if !events.isEmpty {
                log.append("bytes at \(time)")
                _ = driver.readAll(worker)
            }
            while timers.popDue(driver.now) != nil { log.append("timer at \(time)") }
        }
        #expect(log == ["timer at 1", "bytes at 2", "timer at 2", "timer at 3"])
    }

    @Test func `run turns the worker until the time is over, and tells a worker that spins`() {
        let start = driver.now
        var turns = 0
        let isOver = driver.run(for: .seconds(1)) {
            turns += 1
            _ = waitAll(300_000_000)
        }
        #expect(isOver)
        #expect(driver.now == start + 1_000_000_000)
        #expect(turns == 5)
        #expect(!driver.run(for: .seconds(1), maximumTurnCount: 100) { _ = waitAll(0) })
        #expect(driver.horizon == .max)
    }

    @Test func `a wake ends one wait and moves no clock`() {
        let start = driver.now
        driver.wake()
        driver.wake()
        #expect(waitAll(500).isEmpty)
        #expect(driver.now == start)
        #expect(!driver.isIdle)
        #expect(waitAll(500).isEmpty)
        #expect(driver.now == start + 500)
    }

    // MARK: Far ends

    @Test func `a client is accepted with its address and what it has sent`() {
        let client = driver.connectPeer(to: .loopback(port: 6379))
        client.send("PING")
        #expect(!client.isConnected)
        #expect(driver.watch(listener, 3, .readable) == 0)
        #expect(waitAll().map(\.token) == [3])
        var peer = SocketAddress()
        let worker = driver.accept(listener, &peer)
        #expect(client.isConnected)
        #expect(peer == client.address)
        #expect(client.workerDescriptor == worker)
        #expect(driver.localAddress(worker) == .loopback(port: 6379))
        #expect(client.unreadByteCount == 4)
        #expect(driver.readAll(worker) == Array("PING".utf8))
        driver.setNoDelay(worker)
        driver.setKeepAlive(worker)
        #expect(client.hasNoDelay && client.hasKeepAlive)
        #expect(driver.misuses.isEmpty)
    }

    @Test func `a client of no listener is refused, one that still waited when the listener closed is reset`() {
        #expect(driver.connectPeer(to: .loopback(port: 1)).wasRefused)
        #expect(driver.connectPeer(to: 17).wasRefused)
        let waiting = driver.connectPeer(to: listener)
        driver.close(listener)
        #expect(waiting.wasReset)
        #expect(driver.connectPeer(to: listener).wasRefused)
        #expect(driver.openDescriptorCount == 0)
    }

    @Test func `a server's closure decides what becomes of a connection attempt`() {
        var servers: [ScriptedPeer] = []
        let address = SocketAddress.loopback(port: 7000)
        var decisions: [ConnectDecision] = [.accept, .refuse, .fail(EHOSTUNREACH), .blackhole]
        driver.onConnect(address) { peer in
            peer.send("hello")
            servers.append(peer)
            return decisions.removeFirst()
        }
        let sockets = (0..<4).map { _ in driver.connect(address) }
        for socket in sockets {
            #expect(driver.connectOutcome(socket) == EINPROGRESS)
            #expect(driver.watch(socket, UInt64(socket), .writable) == 0)
        }
        #expect(servers.isEmpty)
        #expect(waitAll().map(\.token) == sockets[0..<3].map { UInt64($0) })
        #expect(sockets.map { driver.connectOutcome($0) } == [0, ECONNREFUSED, EHOSTUNREACH, EINPROGRESS])
        #expect(driver.readAll(sockets[0]) == Array("hello".utf8))
        #expect(driver.writeTexts(sockets[0], ["he", "llo"]) == 5)
        #expect(servers[0].receivedText == "hello")
        #expect(servers.map(\.isConnected) == [true, false, false, false])
        #expect(driver.writeTexts(sockets[3], ["x"]) == -Int(EAGAIN))
    }

    @Test func `an attempt to an address without a server is refused`() {
        let socket = driver.connect(.loopback(port: 9))
        #expect(driver.watch(socket, 1, .writable) == 0)
        #expect(waitAll().map(\.readiness) == [[.writable, .failed]])
        #expect(driver.connectOutcome(socket) == ECONNREFUSED)
    }

    @Test func `a closure of a peer never runs inside a call of the worker`() {
        let client = driver.connectPeer(to: listener)
        let worker = accept()
        var log: [String] = []
        client.onReceive = { peer, bytes in
            log.append(String(decoding: bytes, as: UTF8.self))
            peer.send("again")
        }
        client.onEnd = { _ in log.append("end") }
        #expect(driver.writeTexts(worker, ["a"]) == 1)
        driver.shutdownWrite(worker)
        #expect(log.isEmpty)
        #expect(client.receivedText == "a")
        _ = waitAll(0)
        #expect(log == ["a", "end"])
        #expect(driver.readAll(worker) == Array("again".utf8))
    }

    @Test func `a client that stops reading fills the send buffer, and drains it when it reads again`() {
        let client = driver.connectPeer(to: listener)
        let worker = accept()
        driver.faults.sendBufferByteCount = 10
        client.isReading = false
        #expect(driver.watch(worker, 1, .writable) == 0)
        #expect(driver.writeTexts(worker, ["12345678"]) == 8)
        #expect(waitAll(0).count == 1)
        #expect(driver.writeTexts(worker, ["90", "ab"]) == 2)
        #expect(driver.writeTexts(worker, ["ab"]) == -Int(EAGAIN))
        #expect(waitAll(0).isEmpty)
        #expect(client.received.isEmpty)
        #expect(client.untakenByteCount == 10)
        driver.shutdownWrite(worker)
        #expect(!client.hasEnded)
        client.isReading = true
        #expect(client.receivedText == "1234567890")
        #expect(client.hasEnded)
        #expect(client.takeReceived().count == 10)
        #expect(client.received.isEmpty)
    }

    @Test func `closing a client with untaken bytes resets the worker`() {
        let client = driver.connectPeer(to: listener)
        let worker = accept()
        client.isReading = false
        #expect(driver.writeTexts(worker, ["x"]) == 1)
        client.close()
        #expect(driver.writeTexts(worker, ["x"]) == -Int(ECONNRESET))
    }

    @Test func `a client that writes to a closed worker is reset, one that only closes is not`() {
        let talker = driver.connectPeer(to: listener)
        let quiet = driver.connectPeer(to: listener)
        for _ in 0..<2 { driver.close(accept()) }
        #expect(talker.hasEnded && quiet.hasEnded)
        talker.send("x")
        quiet.close()
        #expect(talker.wasReset)
        #expect(!quiet.wasReset)
    }

    // MARK: Descriptors and events

    @Test func `the lowest free number is given out first, and real calls refuse it`() {
        _ = driver.connectPeer(to: listener)
        _ = driver.connectPeer(to: listener)
        let first = accept()
        let second = accept()
        #expect((first, second) == (listener + 1, listener + 2))
        driver.close(first)
        #expect(driver.connect(.loopback(port: 9)) == first)
        #expect(weir_fcntl(first, F_GETFD, 0) == -1)
        #expect(driver.openDescriptorCount == 3)
    }

    @Test func `calls with a wrong descriptor are noted`() {
        driver.close(99)
        _ = driver.readAll(listener)
        #expect(driver.connectOutcome(listener) == EBADF)
        #expect(driver.misuses == ["close(99)", "read(\(listener))", "connectOutcome(\(listener))"])
    }

    @Test func `events beyond the capacity come with the next waits, none twice before all`() {
        for token in 0..<7 {
            let client = driver.connectPeer(to: listener)
            #expect(driver.watch(accept(), UInt64(token), .readable) == 0)
            client.send("x")
        }
        var seen: [UInt64] = []
        for _ in 0..<3 { seen += waitAll(capacity: 3).map(\.token) }
        #expect(Set(seen.prefix(7)) == Set(0..<7))
        #expect(driver.wait(UnsafeMutablePointer(bitPattern: 8)!, 0, timeoutNanoseconds: 0) == -Int(EINVAL))
    }

    @Test func `random bytes come from the seed`() {
        func draw(_ seed: UInt64) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 32)
            ScriptedDriver(seed: seed).fillRandom(&bytes, 32)
            return bytes
        }
        #expect(draw(1) == draw(1))
        #expect(draw(1) != draw(2))
    }

    @Test func `a dropped driver takes all of its connections with it`() {
        weak var gone: ScriptedDriver?
        weak var peer: ScriptedPeer?
        do {
            let driver = ScriptedDriver()
            gone = driver
            driver.faults.delayNanoseconds = 5...5
            driver.onConnect(.loopback(port: 1)) { _ in .accept }
            let listener = driver.listen(.loopback(port: 2), backlog: 1)
            let client = driver.connectPeer(to: listener)
            peer = client
            client.send("under way")
            _ = driver.connect(.loopback(port: 1))
        }
        #expect(gone == nil)
        #expect(peer == nil)
    }
}
