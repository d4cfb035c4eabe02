// Sub-chains, the rest of the chain and operations: requests that leave the way of the client and come back.

import CWeir
import Testing
import WeirBed
import WeirChain
import WeirNet

struct SubchainTests {
    /// A router in front of a sub-chain that holds every request for `delay`, and of a main chain.
    private func routed(
        bound: Bool, delay: Duration = .milliseconds(5), inner: [TestTransform] = [], outer: [TestTransform] = [],
        configure: (TestTransform) -> Void = { _ in }
    ) -> (bed: WorkerBed, main: FakeRedis, side: FakeRedis, router: TestTransform, holder: TestTransform) {
        let bed = WorkerBed()
        let main = bed.makeRedis()
        let side = bed.makeRedis()
        let holder = TestTransform("holder")
        holder.onRequests = { hook in
            for message in hook.messages {
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                hook.worker.timer(delay) { weir.pass(message) }
            }
        }
        holder.onResponses = { hook in holder.log += hook.messages.map { $0.word } }
        let sideChain = inner + [holder, .sink(side.plan(), name: "side sink")]
        bed.track(sideChain)
        let router = TestTransform("router")
        router.subchain("/side", ChainPlan("side", sideChain))
        router.onStart = { if !bound { $0.targets["side"] = $0.open("/side") } }
        router.onRequests = { hook in
            if bound, hook.connection?.targets["side"] == nil {
                hook.connection?.targets["side"] = hook.transform.open("/side", for: hook.conn)
            }
            guard let target = bound ? hook.connection?.targets["side"] : hook.transform.targets["side"] else { return }
            for message in hook.messages where message.words.last?.hasPrefix("side") == true {
                weir.pass_to(message, target)
            }
        }
        router.onResponses = { hook in router.log += hook.messages.map { $0.word } }
        configure(router)
        bed.open(outer + [router, .sink(main.plan())])
        return (bed, main, side, router, holder)
    }

    @Test(arguments: [true, false])
    func `requests passed to a sub-chain come back to the transform that sent them, in the order of the client`(
        bound: Bool
    ) {
        let (bed, main, side, router, holder) = routed(bound: bound)
        let a = bed.client()
        a.sendAll([["ECHO", "1"], ["ECHO", "side1"], ["ECHO", "2"], ["ECHO", "side2"]])
        bed.run(.milliseconds(30))
        #expect(a.take() == ["\"1\"", "\"side1\"", "\"2\"", "\"side2\""])
        #expect(side.log.count == 2)
        #expect(main.log.count == 2)
        #expect(holder.log == ["side1", "side2"])
        #expect(router.log.sorted() == ["1", "2", "side1", "side2"])
        bed.finish()
    }

    /// Found by reading: a sub-chain that was opened for a client was closed before its requests had come back.
    @Test(arguments: [true, false])
    func `a client that vanishes while a request is in its sub-chain closes both in order`(bound: Bool) {
        let (bed, _, _, router, holder) = routed(bound: bound, delay: .milliseconds(20))
        let a = bed.client()
        let b = bed.client()
        a.sendAll([["ECHO", "1"], ["ECHO", "side1"], ["ECHO", "side2"]])
        b.sendAll([["ECHO", "sideb"]])
        bed.run(.milliseconds(5))
        a.peer.reset()
        bed.run(.milliseconds(5))
        if bound { #expect(holder.closedCount == 0) }
        #expect(router.closedCount == 0)
        let c = bed.client()
        #expect(c.call("ECHO", "sidec") == "\"sidec\"")
        bed.run(.milliseconds(50))
        #expect(b.take() == ["\"sideb\""])
        #expect(router.closedCount == 1)
        bed.finish()
    }

    @Test func `a client that vanishes while the server works for its sub-chain closes both in order`() {
        for seed in 0..<20 {
            let (bed, _, side, router, holder) = routed(bound: true, delay: .milliseconds(1))
            side.latency = .milliseconds(10)
            let a = bed.client()
            a.sendAll([["ECHO", "side1"], ["MULTI"], ["ECHO", "side2"]])
            bed.run(.milliseconds(seed))
            a.peer.reset()
            bed.run(.milliseconds(1))
            let c = bed.client()
            #expect(c.call("ECHO", "sidec") == "\"sidec\"")
            bed.run(.milliseconds(50))
            #expect(router.closedCount == 1)
            #expect(holder.closedCount == 1)
            bed.finish()
        }
    }

    @Test func `every connection that a shared sub-chain opened is closed before its worker stops`() {
        let (bed, _, _, router, holder) = routed(bound: false)
        #expect(bed.client().call("ECHO", "side") == "\"side\"")
        bed.worker.drain(until: bed.driver.now + 5_000_000_000)
        for _ in 0..<100 where !bed.hasStopped { bed.worker.turn() }
        #expect(bed.hasStopped)
        #expect(router.stoppedCount == 1)
        #expect(holder.stoppedCount == 1)
        #expect(holder.openedCount == holder.closedCount)
        #expect(holder.mistakes == [])
    }

    @Test func `a sub-chain that is closed gives back what is in it, and may be opened again`() {
        let (bed, _, side, router, _) = routed(bound: true) { router in
            let pass = router.onRequests
            router.onRequests = { hook in
                for message in hook.messages where message.words == ["ECHO", "close"] {
                    if let target = hook.connection?.targets.removeValue(forKey: "side") { weir.target_close(target) }
                }
                pass?(hook)
            }
        }
        side.latency = .milliseconds(20)
        let a = bed.client()
        a.sendAll([["ECHO", "side1"], ["ECHO", "side2"]])
        bed.run(.milliseconds(1))
        a.send("ECHO", "close")
        bed.run(.milliseconds(100))
        let answers = a.take()
        #expect(answers.count == 3)
        #expect(answers.last == "\"close\"")
        #expect(a.call("ECHO", "side3") == "\"side3\"")
        a.peer.close()
        bed.run(.milliseconds(50))
        #expect(router.closedCount == 1)
        let b = bed.client()
        #expect(b.call("ECHO", "side4") == "\"side4\"")
        bed.finish()
    }

    /// Found by reading: a request with several answers never left its sub-chain.
    @Test(arguments: [true])
    func `a subscription inside a sub-chain is confirmed and its messages arrive`(bound: Bool) {
        let (bed, _, side, _, _) = routed(bound: bound)
        let a = bed.client()
        a.sendAll([["SUBSCRIBE", "x", "y", "side"]])
        bed.run(.milliseconds(20))
        #expect(a.take().count == 3)
        side.publish("x", "hello")
        bed.run()
        #expect(a.take() == ["[\"message\" \"x\" \"hello\"]"])
        bed.finish()
    }

    @Test func `sub-chains in sub-chains give everything back`() {
        let bed = WorkerBed()
        let redis = bed.makeRedis()
        let names = ["deep", "middle", "top"]
        var chain: [TestTransform] = [.sink(redis.plan())]
        for name in names {
            let router = TestTransform(name)
            let plan = ChainPlan("\(name) sub", chain)
            bed.track(chain)
            router.flags = UInt32(WEIR_F_TAGS)
            router.subchain("/in", plan)
            router.onRequests = { hook in
                if hook.connection?.targets["in"] == nil {
                    hook.connection?.targets["in"] = hook.transform.open("/in", for: hook.conn)
                }
                for (index, message) in hook.messages.enumerated() {
                    hook.batch.pointee.tags?[index] = UInt64(name.utf8.count) << 32 | (UInt64(message.words[1]) ?? 0)
                    if let target = hook.connection?.targets["in"] { weir.pass_to(message, target) }
                }
            }
            router.onResponses = { hook in
                for (index, message) in hook.messages.enumerated() {
                    let tag = hook.batch.pointee.tags?[index] ?? 0
                    #expect(tag == UInt64(name.utf8.count) << 32 | (UInt64(message.word) ?? 0), "\(name)")
                }
                router.log += hook.messages.map { $0.word }
            }
            chain = [TestTransform("front of \(name)"), router]
            chain[0].flags = UInt32(WEIR_F_TAGS)
            chain[0].onRequests = { hook in
                for index in hook.messages.indices { hook.batch.pointee.tags?[index] = 5 }
            }
            chain[0].onResponses = { hook in
                for index in hook.messages.indices { #expect(hook.batch.pointee.tags?[index] == 5) }
            }
        }
        bed.open(chain)
        let a = bed.client()
        a.sendAll((0..<20).map { ["ECHO", "\($0)"] })
        bed.run()
        #expect(a.take() == (0..<20).map { "\"\($0)\"" })
        for router in chain where router.name == "top" { #expect(router.log.count == 20) }
        a.sendAll((0..<20).map { ["ECHO", "\($0)"] })
        a.peer.reset()
        bed.run(.milliseconds(20))
        bed.finish()
    }

    // MARK: operations

    @Test func `a transform asks the rest of the chain first and then lets the request go on`() {
        let asker = TestTransform("asker")
        asker.onRequests = { hook in
            for message in hook.messages where message.word == "GET" {
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                hook.connection?.openCompletionCount += 1
                let worker = hook.worker
                worker.send([worker.request("INCR", "n"), worker.request("INCR", "n")], to: hook.next) { result in
                    hook.connection?.openCompletionCount -= 1
                    asker.log.append(result.messages.map { $0.word }.joined(separator: ","))
                    weir.pass(message)
                }
            }
        }
        asker.onResponses = { hook in #expect(!hook.messages.contains { $0.word == "1" && $0.pointee.conn == nil }) }
        let (bed, redis) = WorkerBed.simple([asker])
        let a = bed.client()
        a.sendAll([["GET", "n"], ["ECHO", "x"], ["GET", "n"]])
        bed.run(.milliseconds(10))
        #expect(a.take() == ["\"4\"", "\"x\"", "\"4\""] || asker.log == ["1,2", "3,4"])
        #expect(redis.log.count == 7)
        a.sendAll([["GET", "n"]])
        a.peer.reset()
        bed.run(.milliseconds(10))
        bed.finish()
    }

    @Test func `the answer of an operation may be the answer of the client`() {
        let asker = TestTransform("asker")
        asker.onRequests = { hook in
            for message in hook.messages {
                weir.take(message, UInt32(WEIR_TAKE_LOOSE))
                let copy = weir.clone(message)
                hook.worker.send([copy], to: hook.next) { result in
                    if let response = result.messages.first {
                        weir.reply(message, response)
                    } else {
                        weir.drop(message)
                    }
                }
            }
        }
        let (bed, _) = WorkerBed.simple([asker])
        let a = bed.client()
        a.sendAll((0..<50).map { ["ECHO", "\($0)"] })
        bed.run(.milliseconds(10))
        #expect(a.take() == (0..<50).map { "\"\($0)\"" })
        bed.finish()
    }

    /// Found by reading: the answers of a transform's own requests and those of the client's came in one batch, and
    /// were shown to the same transforms.
    @Test func `answers to a transform's own requests are not shown to the transforms in front of it`() {
        let front = TestTransform("front")
        front.onResponses = { hook in front.log += hook.messages.map { $0.word } }
        let asker = TestTransform("asker")
        asker.onRequests = { hook in
            for message in hook.messages where message.words == ["ECHO", "2"] {
                hook.worker.send([hook.worker.request("ECHO", "own")], to: hook.next, nil)
            }
        }
        asker.onResponses = { hook in asker.log += hook.messages.map { $0.word } }
        let behind = TestTransform("behind")
        behind.onResponses = { hook in behind.log += hook.messages.map { $0.word } }
        let (bed, _) = WorkerBed.simple([front, asker, behind])
        let a = bed.client()
        a.sendAll([["ECHO", "1"], ["ECHO", "2"], ["ECHO", "3"]])
        bed.run()
        a.sendAll([["ECHO", "4"]])
        bed.run()
        #expect(a.take() == ["\"1\"", "\"2\"", "\"3\"", "\"4\""])
        #expect(front.log == ["1", "2", "3", "4"])
        #expect(asker.log == ["1", "2", "3", "4"])
        #expect(behind.log.sorted() == ["1", "2", "3", "4", "own"])
        bed.finish()
    }

    @Test func `an operation that is cancelled or out of time is done once, and its late answers go nowhere`() {
        let asker = TestTransform("asker")
        asker.onRequests = { hook in
            for message in hook.messages where message.word == "GET" {
                weir.take(message, UInt32(WEIR_TAKE_LOOSE))
                hook.connection?.openCompletionCount += 2
                let worker = hook.worker
                let id = worker.send([worker.request("ECHO", "late")], to: hook.next) { result in
                    hook.connection?.openCompletionCount -= 1
                    asker.log.append("cancelled \(result.status) \(result.count)")
                }
                worker.send([worker.request("ECHO", "late")], to: hook.next, timeoutNanoseconds: 2_000_000) { result in
                    hook.connection?.openCompletionCount -= 1
                    asker.log.append("timeout \(result.status) \(result.count)")
                    weir.pass(message)
                }
                weir.cancel(worker, id)
                weir.cancel(worker, id)
                #expect(asker.log == [])
            }
        }
        for ending in 0..<3 {
            asker.log = []
            let (bed, redis) = WorkerBed.simple([asker])
            redis.latency = .milliseconds(10)
            let a = bed.client()
            a.send("GET", "k")
            bed.run(.microseconds(100))
            if ending == 1 { a.peer.reset() }
            bed.run(.milliseconds(5))
            if ending == 2 { a.peer.reset() }
            bed.run(.milliseconds(3))
            let b = bed.client()
            b.send("ECHO", "b")
            bed.run(.milliseconds(50))
            #expect(b.take() == ["\"b\""])
            #expect(asker.log == ["cancelled \(WEIR_E_CANCELLED) 0", "timeout \(WEIR_E_TIMEOUT) 0"])
            if ending == 0 { #expect(a.take() == ["nil"]) }
            bed.finish()
        }
    }

    /// Found by reading: a request of the client's own that a transform wrongly sent was answered and passed on.
    @Test func `a client's own request in an operation is refused and answered once`() {
        let asker = TestTransform("asker")
        asker.onRequests = { hook in
            for message in hook.messages where message.word == "GET" {
                if message.words[1] == "taken" { weir.take(message, UInt32(WEIR_TAKE_ORDERED)) }
                hook.worker.send([message, hook.worker.request("PING")], to: hook.next) { result in
                    asker.log.append("\(result.status)")
                }
            }
        }
        let (bed, redis) = WorkerBed.simple([asker])
        let a = bed.client()
        a.sendAll([["ECHO", "1"], ["GET", "k"], ["GET", "taken"], ["ECHO", "2"]])
        bed.run()
        let answers = a.take()
        #expect(answers.count == 4)
        #expect(answers[1].hasPrefix("-") && answers[2].hasPrefix("-"))
        #expect(asker.log == ["\(WEIR_E_INVALID)", "\(WEIR_E_INVALID)"])
        #expect(redis.log.count == 2)
        bed.finish()
    }

    /// Found by reading: a clone had forgotten that its command changes the session, and went over a shared connection.
    @Test func `clones of commands that change the session do not touch the shared connection`() {
        let bed = WorkerBed()
        let main = bed.makeRedis()
        let mirror = bed.makeRedis()
        let tee = TestTransform("tee")
        tee.upstream("/mirror", mirror.plan())
        tee.onStart = { $0.targets["mirror"] = $0.open("/mirror") }
        tee.onRequests = { hook in
            for message in hook.messages {
                let copy = weir.clone(message)
                if let target = hook.transform.targets["mirror"] { hook.worker.send([copy], to: target, nil) }
            }
        }
        bed.open([tee, .sink(main.plan())])
        let a = bed.client()
        a.sendAll([["MULTI"], ["SET", "k", "1"], ["EXEC"], ["SUBSCRIBE", "x"], ["UNSUBSCRIBE", "x"], ["GET", "k"]])
        bed.run(.milliseconds(50))
        #expect(a.take().count == 6)
        #expect(mirror.strings["0/k"] == "1")
        let shared = mirror.sessions.first { $0.commands.contains(["GET", "k"]) }
        #expect(shared?.commands.contains(["MULTI"]) == false || mirror.openSessions.allSatisfy { $0.isPlain })
        a.send("BLPOP", "q", "0")
        bed.run()
        a.peer.reset()
        bed.run(.milliseconds(10))
        #expect(main.openSessions.allSatisfy { !$0.commands.contains(["BLPOP", "q", "0"]) })
        _ = bed.client()
        bed.run()
    }

    @Test(arguments: 0..<30)
    func `nothing is lost or mixed up when everything happens at random`(seed: Int) {
        let bed = WorkerBed(seed: UInt64(seed))
        var random = TestRandom(UInt64(seed))
        let main = bed.makeRedis()
        let side = bed.makeRedis()
        bed.driver.faults.delayNanoseconds = 0...1_000_000
        bed.driver.faults.splitsReads = true
        bed.driver.faults.splitsWrites = true
        bed.driver.faults.wouldBlockPerMille = 50
        bed.driver.faults.shufflesEvents = true
        let sideChain: [TestTransform] = [chaos("inner", seed + 1), .sink(side.plan(), name: "side sink")]
        bed.track(sideChain)
        let router = chaos("router", seed + 2)
        router.subchain("/side", ChainPlan("side", sideChain))
        bed.open([chaos("front", seed + 3), router, .sink(main.plan())])
        for round in 0..<12 {
            let clients = (0..<6).map { _ in bed.client() }
            var sent = [Int](repeating: 0, count: 6)
            for step in 0..<40 {
                let index = Int(random.next() % 6)
                clients[index].send("ECHO", "r\(round)c\(index)n\(sent[index])")
                sent[index] += 1
                if random.next() % 4 == 0 { bed.run(.microseconds(Int(random.next() % 2000))) }
                if step > 20, random.next() % 20 == 0 {
                    let victim = Int(random.next() % 3)
                    switch random.next() % 3 {
                    case 0: clients[victim].peer.reset()
                    case 1: clients[victim].peer.close()
                    default: if random.next() % 2 == 0 { main.openSessions.first?.end(reset: true) }
                    }
                }
            }
            let isDone = bed.run(until: .seconds(20), step: .milliseconds(10)) {
                (3..<6).allSatisfy { clients[$0].replies.count >= sent[$0] || clients[$0].isEnded }
            }
            #expect(isDone, "a client waits for ever")
            for index in 0..<6 {
                for (position, answer) in clients[index].take().enumerated() where !answer.hasPrefix("-") {
                    #expect(answer == "\"r\(round)c\(index)n\(position)\"")
                }
            }
        }
        bed.finish()
    }

    /// A transform that does anything allowed, by chance.
    private func chaos(_ name: String, _ seed: Int) -> TestTransform {
        let transform = TestTransform(name)
        var random = TestRandom(UInt64(seed))
        transform.flags = UInt32(WEIR_F_TAGS | WEIR_F_KEEP_REQUESTS)
        transform.onRequests = { hook in
            let worker = hook.worker
            for message in hook.messages {
                let delay = Duration.microseconds(Int(random.next() % 3000))
                switch random.next() % 12 {
                case 0, 1:
                    weir.take(message, UInt32(random.next() % 2))
                    worker.timer(delay) { weir.pass(message) }
                case 2:
                    weir.take(message, UInt32(WEIR_TAKE_LOOSE))
                    worker.timer(delay) { weir.fail(message, weir_status(WEIR_E_REJECTED), weir_str()) }
                case 3:
                    weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                    let copy = weir.clone(message)
                    hook.connection?.openCompletionCount += 1
                    let timeout = random.next() % 3 == 0 ? UInt64(1_000_000) : 0
                    let id = worker.send([copy], to: hook.next, timeoutNanoseconds: timeout) { result in
                        hook.connection?.openCompletionCount -= 1
                        if let answer = result.messages.first {
                            weir.reply(message, answer)
                        } else {
                            weir.pass(message)
                        }
                    }
                    if random.next() % 4 == 0 { worker.timer(delay) { weir.cancel(worker, id) } }
                case 4 where name == "router", 5 where name == "router":
                    if hook.connection?.targets["side"] == nil {
                        hook.connection?.targets["side"] = hook.transform.open("/side", for: hook.conn)
                    }
                    if let target = hook.connection?.targets["side"] { weir.pass_to(message, target) }
                case 6: weir.drop(message)
                default: break
                }
            }
        }
        transform.onResponses = { hook in
            for message in hook.messages {
                switch random.next() % 10 {
                case 0:
                    weir.take(message, 0)
                    hook.worker.timer(.microseconds(Int(random.next() % 3000))) { weir.pass(message) }
                case 1: weir.fail(message, weir_status(WEIR_E_INTERNAL), weir_str())
                default: break
                }
            }
        }
        return transform
    }
}
