// What transforms do with requests, and that every client gets exactly one answer for each, in order.

import CWeir
import Testing
import WeirBed
import WeirChain
import WeirNet

struct OrderTests {
    private let echoes = (0..<10).map { ["ECHO", "\($0)"] }
    private let answers = (0..<10).map { "\"\($0)\"" }

    private func holder(_ flags: Int, _ release: @escaping (Hook, [MessageHandle]) -> Void) -> TestTransform {
        let holder = TestTransform("holder")
        holder.onRequests = { hook in
            for message in hook.messages { weir.take(message, UInt32(flags)) }
            release(hook, hook.messages)
        }
        return holder
    }

    @Test func `a request passes through a chain and its answer comes back`() {
        let (bed, _) = WorkerBed.simple([])
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }

    @Test(arguments: [WEIR_TAKE_ORDERED, WEIR_TAKE_LOOSE])
    func `held requests that are passed in any order are answered in the order of the client`(flags: Int) {
        let holder = holder(flags) { hook, held in
            for (index, message) in held.enumerated() {
                hook.worker.timer(.milliseconds((index * 7) % 10)) { weir.pass(message) }
            }
        }
        let (bed, redis) = WorkerBed.simple([holder])
        let a = bed.client()
        a.sendAll(echoes)
        bed.run(.milliseconds(50))
        #expect(a.take() == answers)
        let order = redis.log.map { String($0.last ?? "?") }
        if flags == WEIR_TAKE_ORDERED { #expect(order == (0..<10).map { "\($0)" }) }
        bed.finish()
    }

    @Test func `what comes behind a request held in order waits for it`() {
        let holder = TestTransform("holder")
        holder.onRequests = { hook in
            for message in hook.messages where message.words == ["ECHO", "3"] {
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                hook.worker.timer(.milliseconds(20)) { weir.pass(message) }
            }
        }
        let (bed, redis) = WorkerBed.simple([holder])
        let a = bed.client()
        let b = bed.client()
        a.sendAll(echoes)
        bed.run(.milliseconds(10))
        #expect(a.take() == Array(answers.prefix(3)))
        #expect(b.call("ECHO", "b") == "\"b\"")
        bed.run(.milliseconds(30))
        #expect(a.take() == Array(answers.dropFirst(3)))
        #expect(redis.log.count == 11)
        bed.finish()
    }

    /// Found by reading: a held request released in the hook of the next batch was overtaken by that batch.
    @Test func `a held request that is released in a later hook is not overtaken by what that hook lets pass`() {
        let holder = TestTransform("holder")
        holder.onRequests = { hook in
            for message in hook.messages {
                if message.words[1] == "0" {
                    weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                    hook.connection?.held.append(message)
                } else if let held = hook.connection?.held.popLast() {
                    weir.pass(held)
                }
            }
        }
        let (bed, redis) = WorkerBed.simple([holder])
        let a = bed.client()
        a.send("ECHO", "0")
        bed.run()
        a.send("ECHO", "1")
        bed.run()
        #expect(a.take() == ["\"0\"", "\"1\""])
        #expect(redis.log == ["0: ECHO 0", "0: ECHO 1"])
        bed.finish()
    }

    @Test func `two holding transforms in a row keep the order`() {
        func make(_ name: String, _ base: Int) -> TestTransform {
            let holder = TestTransform(name)
            holder.onRequests = { hook in
                for message in hook.messages {
                    weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                    let number = Int(message.words[1]) ?? 0
                    hook.worker.timer(.microseconds((number * base) % 11 * 300)) { weir.pass(message) }
                }
            }
            return holder
        }
        let (bed, redis) = WorkerBed.simple([make("first", 7), make("second", 5)])
        let a = bed.client()
        for command in echoes {
            a.sendAll([command])
            bed.run(.microseconds(200))
        }
        bed.run(.milliseconds(50))
        #expect(a.take() == answers)
        #expect(redis.log.map { String($0.last ?? "?") } == (0..<10).map { "\($0)" })
        bed.finish()
    }

    @Test func `replies, failures and drops stand at the place of their requests`() {
        let worker = TestTransform("mixed")
        worker.onRequests = { hook in
            for message in hook.messages {
                switch message.words[1] {
                case "2": weir.reply(message, hook.worker.response("$5\r\nlocal\r\n"))
                case "4": withText("no such luck") { weir.fail(message, weir_status(WEIR_E_REJECTED), $0) }
                case "6": weir.drop(message)
                case "8":
                    weir.take(message, UInt32(WEIR_TAKE_LOOSE))
                    hook.worker.timer(.milliseconds(5)) { weir.reply(message, hook.worker.response("+late\r\n")) }
                default: break
                }
            }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll(echoes)
        bed.run(.milliseconds(20))
        #expect(
            a.take() == [
                "\"0\"", "\"1\"", "\"local\"", "\"3\"", "-ERR no such luck", "\"5\"",
                "-ERR the request was dropped by a transform", "\"7\"", "late", "\"9\"",
            ])
        bed.finish()
    }

    @Test func `responses may be taken, replaced, failed and dropped`() {
        let worker = TestTransform("mixed")
        worker.onRequests = { _ in }
        worker.onResponses = { hook in
            for message in hook.messages {
                switch message.word {
                case "1":
                    weir.take(message, 0)
                    hook.worker.timer(.milliseconds(5)) { weir.pass(message) }
                case "2": weir.reply(message, hook.worker.response("+other\r\n"))
                case "3": withText("bad") { weir.fail(message, weir_status(WEIR_E_INTERNAL), $0) }
                case "4": weir.drop(message)
                case "5":
                    weir.take(message, 0)
                    hook.worker.post { weir.reply(message, hook.worker.response("+posted\r\n")) }
                default: break
                }
            }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll(Array(echoes.prefix(7)))
        bed.run(.milliseconds(20))
        #expect(
            a.take() == [
                "\"0\"", "\"1\"", "other", "-ERR bad", "-ERR the response was dropped by a transform", "posted",
                "\"6\"",
            ])
        bed.finish()
    }

    @Test func `each transform sees the answers that those behind it made`() {
        let outer = TestTransform("outer")
        outer.onResponses = { hook in outer.log += hook.messages.map { $0.word } }
        let inner = TestTransform("inner")
        inner.onRequests = { hook in
            for message in hook.messages { weir.reply(message, hook.worker.response("+made\r\n")) }
        }
        inner.onResponses = { hook in inner.log += hook.messages.map { $0.word } }
        let (bed, _) = WorkerBed.simple([outer, inner])
        #expect(bed.client().call("GET", "k") == "made")
        #expect(outer.log == ["made"])
        #expect(inner.log == [])
        bed.finish()
    }

    @Test func `a retried request is sent again and answered once`() {
        let worker = TestTransform("retry")
        worker.flags = UInt32(WEIR_F_KEEP_REQUESTS)
        worker.onStart = { $0.targets["again"] = $0.open("/again") }
        worker.onResponses = { hook in
            for message in hook.messages where message.isError {
                #expect(message.pointee.request?.words == ["INCR", "k"])
                hook.transform.log.append("retry")
                if let target = hook.transform.targets["again"] { weir.retry(message, target) }
            }
        }
        let bed = WorkerBed()
        let redis = bed.makeRedis()
        let other = bed.makeRedis()
        worker.upstream("/again", other.plan())
        var count = 0
        redis.override = { _, words in words[0] == "INCR" ? Array("-ERR busy\r\n".utf8) : nil }
        other.override = { _, words in
            guard words[0] == "INCR" else { return nil }
            count += 1
            return count < 3 ? Array("-ERR busy\r\n".utf8) : nil
        }
        bed.open([worker, .sink(redis.plan())])
        let a = bed.client()
        a.sendAll([["GET", "k"], ["INCR", "k"], ["GET", "k"]])
        bed.run(.milliseconds(50))
        #expect(a.take() == ["nil", ":1", "nil"])
        #expect(worker.log.count == 3)
        bed.finish()
    }

    @Test func `a transform that never answers is answered for, and its late answer goes nowhere`() {
        let worker = TestTransform("hold")
        worker.onRequests = { hook in
            for message in hook.messages where message.word == "GET" {
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                hook.connection?.held.append(message)
            }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll([["GET", "k"], ["ECHO", "1"]])
        bed.run(.seconds(61))
        #expect(a.take() == ["-ERR a transform did not answer in time", "\"1\""])
        for connection in worker.live.values {
            for message in connection.held {
                #expect(message.has(WEIR_M_DEAD))
                weir.reply(message, connection.conn.pointee.worker.response("+late\r\n"))
            }
        }
        #expect(a.call("ECHO", "2") == "\"2\"")
        bed.finish()
    }

    @Test func `requests held for a client that vanishes may be disposed of in any way afterwards`() {
        let ways: [(MessageHandle, UnsafeMutablePointer<weir_worker>) -> Void] = [
            { message, _ in weir.pass(message) }, { message, _ in weir.drop(message) },
            { message, worker in weir.reply(message, worker.response("+x\r\n")) },
            { message, _ in withText("x") { weir.fail(message, weir_status(WEIR_E_TIMEOUT), $0) } },
        ]
        for flags in [WEIR_TAKE_ORDERED, WEIR_TAKE_LOOSE] {
            for way in ways {
                let worker = TestTransform("hold")
                var released = 0
                worker.onRequests = { hook in
                    for message in hook.messages where message.word == "GET" {
                        weir.take(message, UInt32(flags))
                        hook.worker.timer(.milliseconds(50)) {
                            #expect(message.has(WEIR_M_DEAD))
                            #expect(message.words == ["GET", "k"])
                            way(message, hook.worker)
                            released += 1
                        }
                    }
                }
                let (bed, redis) = WorkerBed.simple([worker])
                let a = bed.client()
                a.sendAll([["GET", "k"], ["ECHO", "1"], ["GET", "k"], ["ECHO", "1"]])
                bed.run()
                a.peer.reset()
                bed.run()
                #expect(worker.closedCount == 0)
                bed.run(.milliseconds(100))
                #expect(released == 2)
                #expect(worker.closedCount == 1)
                #expect(!redis.log.contains { $0.contains("GET") })
                bed.finish()
            }
        }
    }

    @Test func `verbs that a transform did not ask for go by, and stay in order`() {
        let picky = TestTransform("picky")
        picky.onRequests = { hook in
            for message in hook.messages {
                picky.log.append(message.word)
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                hook.worker.timer(.milliseconds(3)) { weir.pass(message) }
            }
        }
        picky.onResponses = { hook in picky.log += hook.messages.map { "<\($0.word)" } }
        let verb = weir.verb(BedHost.table, "resp", "GET")
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)
        words.initialize(repeating: 0, count: 64)
        words[Int(verb >> 6)] |= 1 << UInt64(verb & 63)
        picky.site.requestInterest = words
        picky.site.responseInterest = words
        let (bed, redis) = WorkerBed.simple([picky])
        let a = bed.client()
        a.sendAll([["SET", "k", "1"], ["GET", "k"], ["SET", "k", "2"], ["GET", "k"], ["ECHO", "x"]])
        bed.run(.milliseconds(30))
        #expect(a.take() == ["OK", "\"1\"", "OK", "\"2\"", "\"x\""])
        #expect(picky.log.filter { !$0.hasPrefix("<") } == ["GET", "GET"])
        #expect(picky.log.filter { $0.hasPrefix("<") } == ["<1", "<2"])
        #expect(redis.log.count == 5)
        bed.finish()
    }

    @Test func `a tag set on a request comes back with its response and no other`() {
        let tagger = TestTransform("tagger")
        tagger.flags = UInt32(WEIR_F_TAGS)
        tagger.onRequests = { hook in
            for (index, message) in hook.messages.enumerated() {
                hook.batch.pointee.tags?[index] = UInt64(message.words[1]).map { $0 + 100 } ?? 0
            }
        }
        tagger.onResponses = { hook in
            for (index, message) in hook.messages.enumerated() {
                let tag = hook.batch.pointee.tags?[index] ?? 0
                tagger.log.append("\(message.word):\(tag)")
                if message.word == "2" || message.word == "3" {
                    withText("\(tag)") { weir.fail(message, weir_status(WEIR_E_INTERNAL), $0) }
                    hook.batch.pointee.tags?[index] = 999
                }
            }
        }
        let other = TestTransform("other")
        other.flags = UInt32(WEIR_F_TAGS)
        other.onRequests = { hook in
            for index in hook.messages.indices { hook.batch.pointee.tags?[index] = 7 }
        }
        other.onResponses = { hook in
            for index in hook.messages.indices { #expect(hook.batch.pointee.tags?[index] == 7) }
        }
        let (bed, _) = WorkerBed.simple([tagger, other])
        let a = bed.client()
        a.sendAll(Array(echoes.prefix(6)))
        bed.run()
        #expect(a.take() == ["\"0\"", "\"1\"", "-ERR 102", "-ERR 103", "\"4\"", "\"5\""])
        #expect(tagger.log == (0..<6).map { "\($0):\($0 + 100)" })
        bed.finish()
    }

    @Test func `silent requests may be dropped, taken and passed, and the others keep their places`() {
        let worker = TestTransform("worker")
        worker.onRequests = { hook in
            for message in hook.messages where message.words.last == "drop" { weir.drop(message) }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll([["ECHO", "1"], ["ECHO", "drop"], ["CLIENT", "REPLY", "SKIP"], ["ECHO", "s"], ["ECHO", "2"]])
        bed.run()
        #expect(a.take() == ["\"1\"", "-ERR the request was dropped by a transform", "\"2\""])
        bed.finish()
    }

    @Test func `a request that nobody takes is an error`() {
        let bed = WorkerBed()
        let nothing = TestTransform("nothing")
        nothing.onRequests = { _ in }
        bed.open([nothing])
        #expect(bed.client().call("GET", "k").contains("no sink"))
        bed.finish()
    }

    @Test func `close from a hook ends the connection after what is owed`() {
        let closer = TestTransform("closer")
        closer.onRequests = { hook in
            for message in hook.messages where message.words.last == "close" {
                withText("enough") { weir.close(hook.conn, $0) }
            }
        }
        let (bed, _) = WorkerBed.simple([closer])
        let a = bed.client()
        a.sendAll([["ECHO", "1"], ["ECHO", "close"]])
        bed.run()
        #expect(a.take() == ["\"1\"", "\"close\""])
        #expect(a.isEnded)
        bed.finish()
    }

    @Test func `a push made by a transform goes to its client through the transforms in front`() {
        let front = TestTransform("front")
        front.onResponses = { hook in front.log += hook.messages.map { $0.word } }
        let pusher = TestTransform("pusher")
        pusher.onRequests = { hook in
            for message in hook.messages where message.words.last == "push" {
                weir.push(hook.conn, hook.worker.response(">2\r\n$4\r\nnews\r\n$1\r\n1\r\n"))
            }
        }
        let (bed, _) = WorkerBed.simple([front, pusher])
        let a = bed.client()
        a.sendAll([["ECHO", "push"]])
        bed.run()
        #expect(a.take().sorted() == ["\"push\"", ">[\"news\" \"1\"]"])
        #expect(front.log.sorted() == ["news", "push"])
        bed.finish()
    }

    @Test func `a timer of zero that starts itself anew does not stop the worker`() {
        let worker = TestTransform("timers")
        var count = 0
        worker.onStart = { transform in
            func again() {
                count += 1
                if count < 2_000 { transform.workerHandle?.timer(.zero) { again() } }
            }
            transform.workerHandle?.timer(.zero) { again() }
        }
        worker.onRequests = { _ in }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.send("PING")
        bed.worker.turn()
        bed.worker.turn()
        bed.worker.turn()
        #expect(count < 10)
        bed.run()
        #expect(a.take() == ["PONG"])
        bed.finish()
    }

    @Test func `a timer that is cancelled does not fire, and one that is due fires once`() {
        let worker = TestTransform("timers")
        worker.onRequests = { hook in
            let id = hook.worker.timer(.milliseconds(5)) { worker.log.append("never") }
            hook.worker.timer(.milliseconds(6)) { worker.log.append("once") }
            weir.cancel(hook.worker, id)
            weir.cancel(hook.worker, id)
            weir.cancel(hook.worker, 12345)
        }
        let (bed, _) = WorkerBed.simple([worker])
        #expect(bed.client().call("PING") == "PONG")
        bed.run(.milliseconds(50))
        #expect(worker.log == ["once"])
        bed.finish()
    }
}
