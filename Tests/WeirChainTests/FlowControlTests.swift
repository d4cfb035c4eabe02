// Clients that send more than they read, servers that read less than they are sent, and what that costs the others.

import CWeir
import Glibc
import Testing
import WeirBed
import WeirChain
import WeirNet

struct FlowControlTests {
    private var slow: ScriptedFaults {
        var faults = ScriptedFaults()
        faults.sendBufferByteCount = 64 * 1024
        return faults
    }

    @Test func `a pipeline of ten thousand comes back whole and in order`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        a.sendAll((0..<10_000).map { ["ECHO", "\($0)"] })
        bed.run(.seconds(1))
        #expect(a.take() == (0..<10_000).map { "\"\($0)\"" })
        bed.finish()
    }

    @Test(arguments: 1...40)
    func `requests that come byte by byte are the same requests`(step: Int) {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let bytes = Array((wire("SET", "k", "v") + wire("GET", "k") + "PING\r\n" + wire("ECHO", "x")).utf8)
        var at = 0
        while at < bytes.count {
            let end = Swift.min(bytes.count, at + step)
            a.peer.send(Array(bytes[at..<end]))
            bed.run(.microseconds(10))
            at = end
        }
        bed.run()
        #expect(a.take() == ["OK", "\"v\"", "PONG", "\"x\""])
        bed.finish()
    }

    @Test func `a client that does not read its large answers costs little and holds up nobody`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.peer.faults = slow
        a.peer.isReading = false
        a.sendAll((0..<300).map { _ in ["BIG", "1000000"] })
        var most = 0
        for round in 0..<50 {
            bed.run(.milliseconds(10))
            most = Swift.max(most, bed.usedSlabBytes)
            b.send("ECHO", "\(round)")
        }
        bed.run(.milliseconds(100))
        #expect(b.take() == (0..<50).map { "\"\($0)\"" })
        #expect(most < 16 << 20, "\(most) bytes of slabs")
        #expect(redis.log.count { $0.contains("BIG") } < 20)
        a.peer.isReading = true
        bed.run(.seconds(3))
        #expect(a.take().count == 300)
        bed.finish()
    }

    /// Found by reading: what a client has asked for on its own connection was read whatever it cost.
    @Test func `a client that does not read costs little on a connection of its own, too`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.peer.faults = slow
        a.sendAll([["CLIENT", "SETNAME", "greedy"]])
        bed.run()
        a.peer.isReading = false
        a.sendAll((0..<300).map { _ in ["BIG", "1000000"] })
        var most = 0
        for round in 0..<50 {
            bed.run(.milliseconds(10))
            most = Swift.max(most, bed.usedSlabBytes)
            b.send("ECHO", "\(round)")
        }
        #expect(b.take().count >= 49)
        #expect(most < 16 << 20, "\(most) bytes of slabs")
        a.peer.isReading = true
        bed.run(.seconds(3))
        #expect(a.take().count == 301)
        bed.finish()
    }

    @Test func `a subscriber that does not read is not read for without end`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        a.peer.faults = slow
        #expect(a.call("SUBSCRIBE", "c").contains("subscribe"))
        a.peer.isReading = false
        var most = 0
        let text = String(repeating: "m", count: 10_000)
        for _ in 0..<3000 {
            redis.publish("c", text)
            bed.run(.microseconds(100))
            most = Swift.max(most, bed.usedSlabBytes)
        }
        #expect(most < 16 << 20, "\(most) bytes of slabs")
        a.peer.isReading = true
        bed.run(.seconds(2))
        #expect(a.take().count == 3000)
        bed.finish()
    }

    /// Found by reading: each small answer that a client did not take was moved to a slab of its own.
    @Test func `small answers that wait for a slow client do not take a slab each`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        var faults = ScriptedFaults()
        faults.sendBufferByteCount = 100
        a.peer.faults = faults
        #expect(a.call("SUBSCRIBE", "c").contains("subscribe"))
        a.peer.isReading = false
        for _ in 0..<500 {
            redis.publish("c", "small")
            bed.run(.microseconds(100))
        }
        #expect(bed.usedSlabBytes < 2 << 20, "\(bed.usedSlabBytes) bytes of slabs")
        a.peer.isReading = true
        bed.run(.seconds(1))
        #expect(a.take().count == 500)
        bed.finish()
    }

    @Test func `a client that sends without reading is not read from above the marks, and goes on below`() {
        var limits = FlowLimits()
        limits.owedBytesHigh = 10_000
        limits.owedCountHigh = 100
        let (bed, redis) = WorkerBed.simple(limits: limits)
        redis.latency = .milliseconds(50)
        let a = bed.client()
        let filler = String(repeating: "z", count: 500)
        for number in 0..<5000 { a.send("ECHO", "\(number)", filler) }
        bed.run(.milliseconds(20))
        #expect(a.peer.unreadByteCount > 0)
        redis.latency = .milliseconds(1)
        bed.run(.seconds(5))
        #expect(a.take() == (0..<5000).map { "\"\($0)\"" })
        bed.finish()
    }

    /// Found by reading: a transform that shortens requests made its clients appear to owe more and more, until they
    /// were not read from any more; one that lengthens them switched the limit off.
    @Test(arguments: ["x", String(repeating: "long", count: 500)])
    func `a transform that changes the size of requests does not wear the marks out`(key: String) {
        let editor = TestTransform("editor")
        editor.onRequests = { hook in
            for message in hook.messages {
                _ = weir.parse(message)
                withText(key) { _ = weir.set(message, 2, $0, nil) }
            }
        }
        var limits = FlowLimits()
        limits.owedBytesHigh = 20_000
        let (bed, _) = WorkerBed.simple([editor], limits: limits)
        let a = bed.client()
        let text = String(repeating: "y", count: 300)
        for _ in 0..<500 { #expect(a.call("ECHO", text) == "\"\(key)\"") }
        bed.finish()
        #expect(bed.lowestOwedBytes >= 0)
    }

    @Test func `a server that does not read is not fed without end, and its clients get their answers`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        #expect(a.call("PING") == "PONG")
        redis.sessions[0].peer.faults = slow
        redis.sessions[0].peer.isReading = false
        let value = String(repeating: "v", count: 100_000)
        for _ in 0..<200 { a.send("SET", "k", value) }
        bed.run(.milliseconds(100))
        #expect(bed.usedSlabBytes < 8 << 20, "\(bed.usedSlabBytes) bytes of slabs")
        #expect(a.peer.unreadByteCount > 10 << 20)
        redis.sessions[0].peer.isReading = true
        bed.run(.seconds(3))
        #expect(a.take() == [String](repeating: "OK", count: 200))
        bed.finish()
    }

    @Test func `events tell a transform that its client is full and writable again, and has ended`() {
        let watcher = TestTransform("watcher")
        watcher.onRequests = { _ in }
        watcher.onEvent = { _, event in watcher.log.append("\(event)") }
        let (bed, _) = WorkerBed.simple([watcher])
        let a = bed.client()
        a.peer.faults = slow
        a.peer.isReading = false
        a.sendAll((0..<10).map { _ in ["BIG", "1000000"] })
        bed.run(.milliseconds(50))
        #expect(watcher.log == ["\(WEIR_EV_CLIENT_FULL)"])
        a.peer.isReading = true
        bed.run(.milliseconds(100))
        #expect(watcher.log.count % 2 == 0)
        for (index, event) in watcher.log.enumerated() {
            #expect(event == "\(index % 2 == 0 ? WEIR_EV_CLIENT_FULL : WEIR_EV_CLIENT_WRITABLE)")
        }
        a.peer.halfClose()
        bed.run()
        #expect(watcher.log.last == "\(WEIR_EV_CLIENT_EOF)")
        bed.finish()
    }

    @Test(arguments: 0..<100)
    func `short writes, EAGAIN storms, resets and half-closes at any moment lose and mix up nothing`(seed: Int) {
        let bed = WorkerBed(seed: UInt64(seed))
        let redis = bed.makeRedis()
        bed.open([.sink(redis.plan())])
        var random = TestRandom(UInt64(seed) &* 31)
        bed.driver.faults.delayNanoseconds = 0...500_000
        bed.driver.faults.splitsReads = true
        bed.driver.faults.splitsWrites = seed % 2 == 0
        bed.driver.faults.maximumWriteByteCount = 1 + Int(random.next() % 2000)
        bed.driver.faults.wouldBlockPerMille = Int(random.next() % 500)
        bed.driver.faults.resetPerMille = seed % 3 == 0 ? 3 : 0
        bed.driver.faults.shufflesEvents = true
        var sent = [Int](repeating: 0, count: 8)
        let clients = (0..<8).map { _ in bed.client() }
        for _ in 0..<120 {
            let index = Int(random.next() % 8)
            let size = random.next() % 8 == 0 ? Int(random.next() % 40_000) : 3
            let mark = "c\(index)n\(sent[index])" + String(repeating: "z", count: size)
            switch random.next() % 8 {
            case 0:
                clients[index].sendAll([["MULTI"], ["ECHO", mark], ["EXEC"]])
            default: clients[index].send("ECHO", mark)
            }
            sent[index] += 1
            if random.next() % 3 == 0 { bed.run(.microseconds(Int(random.next() % 1000))) }
            let victim = clients[Int(random.next() % 3)]
            switch random.next() % 60 {
            case 0: victim.peer.reset()
            case 1: victim.peer.close()
            case 2: victim.peer.halfClose()
            case 3: redis.openSessions.randomElement(using: &random)?.end(reset: true)
            case 4: redis.openSessions.randomElement(using: &random)?.end()
            default: break
            }
        }
        bed.run(.seconds(8))
        for (index, client) in clients.enumerated() {
            var next = 0
            for answer in client.take() where !answer.hasPrefix("-") && answer != "OK" && answer != "QUEUED" {
                let text = answer.filter { !"[\"]z".contains($0) }
                #expect(text.hasPrefix("c\(index)n"), "an answer of another client: \(answer.prefix(40))")
                let number = Int(text.drop { $0 != "n" }.dropFirst()) ?? -1
                #expect(number >= next, "an answer out of order: \(answer.prefix(40))")
                next = number + 1
            }
        }
        bed.finish()
    }
}
