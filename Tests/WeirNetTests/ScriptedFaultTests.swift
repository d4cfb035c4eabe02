// Faults of the scripted network, one by one and then all together under a worker that must not lose a byte.

import CWeirLinux
import Testing
import WeirBase
import WeirNet

struct ScriptedFaultTests {
    let driver = ScriptedDriver(seed: 11)
    let listener: Int32

    init() { listener = driver.listen(.loopback(port: 6379), backlog: 16) }

    private func connection() -> (client: ScriptedPeer, worker: Int32) {
        let client = driver.connectPeer(to: listener)
        var peer = SocketAddress()
        return (client, driver.accept(listener, &peer))
    }

    @Test func `reads are cut at the given size, writes too`() {
        let (client, worker) = connection()
        driver.faults.maximumReadByteCount = 1
        driver.faults.maximumWriteByteCount = 2
        client.send("abc")
        for byte in "abc".utf8 { #expect(driver.readAll(worker) == [byte]) }
        #expect(driver.readAll(worker) == nil)
        #expect(driver.writeTexts(worker, ["x", "yz"]) == 2)
        #expect(client.receivedText == "xy")
    }

    @Test func `random splits give every size, and all bytes in order`() {
        let (client, worker) = connection()
        driver.faults.splitsReads = true
        driver.faults.splitsWrites = true
        var sizes: Set<Int> = []
        for _ in 0..<100 {
            client.send("12345")
            var all: [UInt8] = []
            while all.count < 5 {
                let piece = driver.readAll(worker) ?? []
                sizes.insert(piece.count)
                all += piece
            }
            #expect(all == Array("12345".utf8))
        }
        #expect(sizes == [1, 2, 3, 4, 5])
        var written = 0
        while written < 300 {
            let count = driver.writeTexts(worker, ["ab", "cd", "ef"])
            #expect((1...6).contains(count))
            #expect(client.takeReceived() == Array("abcdef".utf8.prefix(count)))
            written += count
        }
    }

    @Test func `scripted failures hit the next calls and no others`() {
        let (client, worker) = connection()
        let (other, second) = connection()
        client.send("a")
        other.send("b")
        driver.failNext(.read, with: EAGAIN, times: 3, on: client)
        #expect(driver.readAll(second) == Array("b".utf8))
        for _ in 0..<3 { #expect(driver.readAll(worker) == nil) }
        #expect(driver.readAll(worker) == Array("a".utf8))
        driver.failNext(.write, with: ENOBUFS)
        #expect(driver.writeTexts(second, ["x"]) == -Int(ENOBUFS))
        #expect(driver.writeTexts(second, ["x"]) == 1)
        driver.failNext(.connect, with: ENETUNREACH)
        #expect(driver.connect(.loopback(port: 1)) == -ENETUNREACH)
        driver.failNext(.listen, with: EADDRINUSE)
        #expect(driver.listen(.loopback(port: 1), backlog: 1) == -EADDRINUSE)
        driver.failNext(.watch, with: ENOSPC)
        #expect(driver.watch(worker, 1, .readable) == -ENOSPC)
        #expect(driver.watch(worker, 1, .readable) == 0)
        #expect(driver.misuses.isEmpty)
    }

    @Test func `out of descriptors, accept, connect and listen say so, and the client waits`() {
        driver.maximumDescriptorCount = 2
        _ = connection()
        let late = connection()
        #expect(late.worker == -EMFILE)
        #expect(driver.connect(.loopback(port: 1)) == -EMFILE)
        #expect(driver.listen(.loopback(port: 1), backlog: 1) == -EMFILE)
        driver.close(listener + 1)
        var peer = SocketAddress()
        #expect(driver.accept(listener, &peer) == listener + 1)
        #expect(late.client.isConnected)
    }

    @Test func `a worker that pauses accepting when out of descriptors serves the client later`() {
        let worker = EchoWorker(driver)
        driver.failNext(.accept, with: EMFILE, times: 3)
        let client = driver.connectPeer(to: worker.listener)
        client.send("hello")
        let start = driver.now
        #expect(driver.run(for: .seconds(1)) { worker.turn() })
        #expect(worker.acceptFailures == [EMFILE, EMFILE, EMFILE])
        #expect(client.receivedText == "hello")
        #expect(driver.now >= start + 3 * worker.acceptPauseNanoseconds)
    }

    @Test func `a storm of EAGAIN ends`() {
        let worker = EchoWorker(driver)
        driver.faults.wouldBlockPerMille = 900
        let client = driver.connectPeer(to: worker.listener)
        client.send("hello")
        var turns = 0
        while client.receivedText != "hello", turns < 10_000 {
            worker.turn()
            turns += 1
        }
        #expect(client.receivedText == "hello")
        #expect(turns > 5)
    }

    @Test func `a reset by chance is seen at both ends`() {
        let (client, worker) = connection()
        driver.faults.resetPerMille = 1000
        client.send("lost")
        #expect(driver.watch(worker, 1, .readable) == 0)
        var byte: UInt8 = 0
        #expect(driver.read(worker, &byte, 1) == -Int(ECONNRESET))
        #expect(driver.read(worker, &byte, 1) == 0)
        #expect(driver.writeTexts(worker, ["x"]) == -Int(EPIPE))
        #expect(client.wasReset)
    }

    @Test func `what is under way takes its time, and nothing overtakes`() {
        let (client, worker) = connection()
        var faults = ScriptedFaults()
        faults.delayNanoseconds = 1_000...1_000_000
        client.faults = faults
        #expect(driver.watch(worker, 1, .readable) == 0)
        let start = driver.now
        for number in 0..<50 { client.send("\(number),") }
        client.halfClose()
        #expect(driver.readAll(worker) == nil)
        var all: [UInt8] = []
        var event = IOEvent(token: 0, readiness: [])
        var times: Set<UInt64> = []
        while driver.wait(&event, 1, timeoutNanoseconds: -1) == 1 {
            times.insert(driver.now)
            guard let piece = driver.readAll(worker), !piece.isEmpty else { break }
            all += piece
        }
        #expect(String(decoding: all, as: UTF8.self) == (0..<50).map { "\($0)," }.joined())
        #expect(times.count > 3)
        #expect(driver.now > start && driver.now <= start + 1_000_000)
        // The other way round the same.
        for number in 0..<50 { #expect(driver.writeTexts(worker, ["\(number),"]) > 0) }
        driver.close(worker)
        #expect(client.received.isEmpty)
        driver.advance(by: .milliseconds(1))
        #expect(client.receivedText == (0..<50).map { "\($0)," }.joined())
        #expect(client.hasEnded)
    }

    @Test func `a delayed connection attempt is decided late, and not at all when the worker has given up`() {
        driver.faults.delayNanoseconds = 1_000_000...1_000_000
        var attempts = 0
        driver.onConnect(.loopback(port: 1)) { _ in
            attempts += 1
            return .accept
        }
        let patient = driver.connect(.loopback(port: 1))
        let hasty = driver.connect(.loopback(port: 1))
        driver.close(hasty)
        driver.advance(by: .microseconds(999))
        #expect(driver.connectOutcome(patient) == EINPROGRESS)
        driver.advance(by: .microseconds(1))
        #expect(driver.connectOutcome(patient) == 0)
        #expect(attempts == 1)
    }

    @Test func `the order of events is shuffled by the seed`() {
        func order(_ seed: UInt64) -> [UInt64] {
            let driver = ScriptedDriver(seed: seed)
            driver.faults.shufflesEvents = true
            let listener = driver.listen(.loopback(port: 1), backlog: 16)
            for token in 0..<10 {
                driver.connectPeer(to: listener).send("x")
                var peer = SocketAddress()
                _ = driver.watch(driver.accept(listener, &peer), UInt64(token), .readable)
            }
            var events = [IOEvent](repeating: IOEvent(token: 0, readiness: []), count: 16)
            let count = driver.wait(&events, 16, timeoutNanoseconds: 0)
            return events.prefix(count).map(\.token)
        }
        #expect(order(1) == order(1))
        #expect(order(1) != order(2))
        #expect(order(1).sorted() == Array(0..<10))
    }

    // MARK: All together

    /// Clients that send random texts in random pieces to an echo worker, with every fault that loses nothing.
    private static func storm(_ seed: UInt64) -> (fingerprint: UInt64, mistakes: [String]) {
        let driver = ScriptedDriver(seed: seed)
        var random = SeededRandom(seed: seed ^ 0x5eed)
        driver.faults.splitsReads = true
        driver.faults.splitsWrites = true
        driver.faults.wouldBlockPerMille = 200
        driver.faults.delayNanoseconds = 0...2_000_000
        driver.faults.shufflesEvents = true
        driver.faults.sendBufferByteCount = 600
        driver.maximumDescriptorCount = 6
        let worker = EchoWorker(driver)
        var sent: [(client: ScriptedPeer, bytes: [UInt8])] = []
        for _ in 0..<8 {
            let client = driver.connectPeer(to: worker.listener)
            var bytes: [UInt8] = []
            for _ in 0..<random.next(below: 30) {
                let piece = (0...random.next(below: 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                driver.after(.microseconds(Int64(bytes.count))) { client.send(piece) }
                bytes += piece
            }
            // Slow readers hold the echo back for a while.
            if random.chance(perMille: 300) {
                client.isReading = false
                driver.after(.milliseconds(50)) { client.isReading = true }
            }
            driver.after(.milliseconds(20)) { client.halfClose() }
            sent.append((client, bytes))
        }
        let isOver = driver.run(for: .seconds(10)) { worker.turn() }
        var mistakes = driver.misuses
        if !isOver { mistakes.append("the worker spins") }
        for (number, (client, bytes)) in sent.enumerated() {
            if client.received != bytes {
                mistakes.append("client \(number): \(client.received.count) of \(bytes.count)")
            }
            if !client.hasEnded { mistakes.append("client \(number) has not ended") }
        }
        if worker.openCount != 0 { mistakes.append("\(worker.openCount) connections left") }
        return (driver.fingerprint, mistakes)
    }

    @Test(arguments: 0..<40) func `an echo under every fault that loses nothing loses nothing`(seed: Int) {
        #expect(Self.storm(UInt64(seed)).mistakes == [])
    }

    @Test func `equal seeds give equal runs, other seeds others`() {
        let runs = (0..<5).map { Self.storm($0).fingerprint }
        #expect(runs == (0..<5).map { Self.storm($0).fingerprint })
        #expect(Set(runs).count == 5)
    }

    @Test(arguments: 0..<20) func `resets at any moment leave no connection behind`(seed: Int) {
        let driver = ScriptedDriver(seed: UInt64(seed))
        driver.faults.splitsReads = true
        driver.faults.splitsWrites = true
        driver.faults.resetPerMille = 30
        driver.faults.delayNanoseconds = 0...1_000_000
        let worker = EchoWorker(driver)
        var clients: [ScriptedPeer] = []
        for number in 0..<20 {
            let client = driver.connectPeer(to: worker.listener)
            client.send(String(repeating: "x", count: 500))
            switch number % 4 {
            case 0: client.reset()
            case 1: client.close()
            case 2: driver.after(.milliseconds(1)) { client.reset() }
            default: driver.after(.milliseconds(2)) { client.halfClose() }
            }
            clients.append(client)
        }
        #expect(driver.run(for: .seconds(1)) { worker.turn() })
        #expect(worker.openCount == 0)
        #expect(driver.openDescriptorCount == 1)
        #expect(driver.misuses.isEmpty)
        for client in clients { #expect(client.isClosed || client.hasEnded || client.wasReset) }
    }
}
