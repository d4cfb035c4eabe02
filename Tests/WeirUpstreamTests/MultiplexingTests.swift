// Clients that share a connection to the server: what one of them does must never show in another's answers.

import CWeir
import Testing
import WeirBed
import WeirNet

struct MultiplexingTests {
    @Test func `two clients share one upstream connection`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(a.call("SET", "k", "1") == "OK")
        #expect(b.call("GET", "k") == "\"1\"")
        #expect(redis.sessions.count == 1)
        bed.finish()
    }

    @Test func `pipelines of two clients come back in their own order`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(1)
        let a = bed.client()
        let b = bed.client()
        for number in 0..<200 {
            a.send("ECHO", "a\(number)")
            b.send("ECHO", "b\(number)")
            if number % 7 == 0 { bed.run(.microseconds(100)) }
        }
        bed.run(.milliseconds(200))
        #expect(a.take() == (0..<200).map { "\"a\($0)\"" })
        #expect(b.take() == (0..<200).map { "\"b\($0)\"" })
        #expect(redis.sessions.count == 1)
        bed.finish()
    }

    @Test func `a transaction of one client never queues a command of another`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(b.call("SET", "k", "0") == "OK")
        #expect(a.call("MULTI") == "OK")
        #expect(b.call("GET", "k") == "\"0\"")
        #expect(a.call("INCR", "k") == "QUEUED")
        #expect(b.call("GET", "k") == "\"0\"")
        #expect(a.call("EXEC") == "[:1]")
        #expect(b.call("GET", "k") == "\"1\"")
        bed.finish()
    }

    @Test func `WATCH sees a change by another client and the transaction is void`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(a.call("WATCH", "k") == "OK")
        #expect(b.call("SET", "k", "9") == "OK")
        a.sendAll([["MULTI"], ["SET", "k", "1"], ["EXEC"]])
        bed.run(.milliseconds(10))
        #expect(a.take() == ["OK", "QUEUED", "nil"])
        #expect(b.call("GET", "k") == "\"9\"")
        bed.finish()
    }

    @Test func `SELECT of one client leaves the other's database alone`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.sendAll([["SET", "k", "zero"], ["SELECT", "3"], ["SET", "k", "three"], ["GET", "k"]])
        bed.run(.milliseconds(10))
        #expect(a.take() == ["OK", "OK", "OK", "\"three\""])
        #expect(b.call("GET", "k") == "\"zero\"")
        #expect(a.call("SELECT", "0") == "OK")
        #expect(a.call("GET", "k") == "\"zero\"")
        bed.finish()
    }

    @Test func `SELECT of a database that is not there is answered by the server and changes nothing`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        #expect(a.call("SET", "k", "v") == "OK")
        #expect(a.call("SELECT", "99") == "-ERR DB index is out of range")
        #expect(a.call("GET", "k") == "\"v\"")
        #expect(a.call("SELECT", "x") == "-ERR DB index is out of range")
        #expect(a.call("GET", "k") == "\"v\"")
        #expect(!redis.log.isEmpty)
        bed.finish()
    }

    @Test func `a subscription brings messages to its client only`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.send("SUBSCRIBE", "x", "y", "z")
        bed.run()
        #expect(
            a.take() == [
                "[\"subscribe\" \"x\" :1]", "[\"subscribe\" \"y\" :2]", "[\"subscribe\" \"z\" :3]",
            ])
        #expect(b.call("PUBLISH", "y", "hello") == ":1")
        bed.run()
        #expect(a.take() == ["[\"message\" \"y\" \"hello\"]"])
        #expect(b.call("GET", "k") == "nil")
        a.send("UNSUBSCRIBE")
        bed.run()
        #expect(a.take().count == 3)
        #expect(a.call("GET", "k") == "nil")
        bed.run(.milliseconds(10))
        #expect(redis.sessions.last.map { $0.isPlain } == true)
        bed.finish()
    }

    @Test func `messages between the confirmations of a pipeline stay in order`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        a.sendAll([["SUBSCRIBE", "x"], ["PING"], ["UNSUBSCRIBE", "x"], ["GET", "k"]])
        redis.publish("x", "early")
        bed.run(.milliseconds(10))
        #expect(
            a.take() == [
                "[\"subscribe\" \"x\" :1]", "[\"pong\" \"\"]", "[\"unsubscribe\" \"x\" :0]", "nil",
            ])
        bed.finish()
    }

    @Test func `BLPOP of one client does not keep another waiting`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.send("BLPOP", "q", "0")
        bed.run()
        #expect(b.call("GET", "k") == "nil")
        #expect(a.take() == [])
        #expect(b.call("RPUSH", "q", "job") == ":1")
        bed.run()
        #expect(a.take() == ["[\"q\" \"job\"]"])
        #expect(a.call("GET", "k") == "nil")
        bed.finish()
    }

    @Test func `CLIENT SETNAME stays with its client`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(a.call("CLIENT", "SETNAME", "alice") == "OK")
        #expect(b.call("CLIENT", "GETNAME") == "\"\"")
        #expect(a.call("CLIENT", "GETNAME") == "\"alice\"")
        bed.finish()
    }

    @Test func `CLIENT REPLY OFF silences its client only`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        a.sendAll([["CLIENT", "REPLY", "OFF"], ["SET", "k", "1"], ["SET", "k", "2"]])
        bed.run()
        #expect(a.take() == [])
        #expect(b.call("GET", "k") == "\"2\"")
        a.sendAll([["CLIENT", "REPLY", "ON"], ["GET", "k"]])
        bed.run()
        #expect(a.take() == ["OK", "\"2\""])
        #expect(redis.sessions.count == 2)
        bed.finish()
    }

    /// Found by reading: with several answers in one read, the one behind a silent command went to the silent one.
    @Test func `the answer behind a skipped one goes to the request that asked for it`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(1)
        let a = bed.client()
        a.sendAll([
            ["CLIENT", "SETNAME", "n"], ["ECHO", "1"], ["CLIENT", "REPLY", "SKIP"], ["ECHO", "2"], ["ECHO", "3"],
            ["CLIENT", "REPLY", "SKIP"], ["ECHO", "4"], ["ECHO", "5"],
        ])
        bed.run(.milliseconds(20))
        #expect(a.take() == ["OK", "\"1\"", "\"3\"", "\"5\""])
        bed.finish()
    }

    @Test func `RESET gives a fresh session and the old connection ends`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        #expect(a.call("MULTI") == "OK")
        #expect(a.call("SET", "k", "1") == "QUEUED")
        #expect(a.call("RESET") == "RESET")
        #expect(a.call("GET", "k") == "nil")
        #expect(redis.openSessions.allSatisfy { $0.isPlain })
        bed.finish()
    }

    @Test func `HELLO 3 of one client leaves the other on version 2`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(b.call("SUBSCRIBE", "c") == "[\"subscribe\" \"c\" :1]")
        #expect(a.call("HELLO", "3").contains("proto"))
        #expect(a.call("SUBSCRIBE", "c") == ">[\"subscribe\" \"c\" :1]")
        redis.publish("c", "m")
        bed.run()
        #expect(a.take().last == ">[\"message\" \"c\" \"m\"]")
        #expect(b.take().last == "[\"message\" \"c\" \"m\"]")
        #expect(a.call("GET", "k") == "nil")
        bed.finish()
    }

    @Test func `AUTH of one client does not let another in`() {
        let (bed, redis) = WorkerBed.simple()
        redis.password = "secret"
        let a = bed.client()
        let b = bed.client()
        #expect(a.call("AUTH", "wrong").hasPrefix("-WRONGPASS"))
        #expect(a.call("AUTH", "secret") == "OK")
        #expect(a.call("SET", "k", "1") == "OK")
        #expect(b.call("GET", "k").hasPrefix("-NOAUTH"))
        #expect(a.call("GET", "k") == "\"1\"")
        #expect(b.call("AUTH", "default", "secret") == "OK")
        #expect(b.call("GET", "k") == "\"1\"")
        bed.finish()
    }

    @Test func `MONITOR and SYNC are refused and the connection goes on`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        for command in ["MONITOR", "SYNC", "PSYNC", "monitor"] {
            #expect(a.call(command).hasPrefix("-"))
        }
        #expect(a.call("PING") == "PONG")
        #expect(!redis.log.contains { $0.uppercased().contains("MONITOR") || $0.uppercased().contains("SYNC") })
        bed.finish()
    }

    @Test func `requests before and after keep their order across changes of the connection`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(1)
        let a = bed.client()
        var commands: [[String]] = []
        var wanted: [String] = []
        for round in 0..<20 {
            commands += [
                ["INCR", "n"], ["MULTI"], ["INCR", "n"], ["EXEC"], ["INCR", "n"], ["WATCH", "n"], ["UNWATCH"],
                ["INCR", "n"],
            ]
            let n = round * 4
            wanted += [":\(n + 1)", "OK", "QUEUED", "[:\(n + 2)]", ":\(n + 3)", "OK", "OK", ":\(n + 4)"]
        }
        a.sendAll(commands)
        bed.run(.milliseconds(500))
        #expect(a.take() == wanted)
        bed.finish()
    }

    @Test func `an own connection that is given back is used again`() {
        let (bed, redis) = WorkerBed.simple()
        for _ in 0..<10 {
            let a = bed.client()
            a.sendAll([["MULTI"], ["INCR", "n"], ["EXEC"]])
            bed.run()
            #expect(a.take().count == 3)
            a.peer.close()
            bed.run()
        }
        // And the shared one, which is there from the start.
        #expect(redis.sessions.count == 2)
        bed.finish()
    }

    @Test func `a client that vanishes in a transaction closes its upstream connection at once`() {
        for ending in 0..<3 {
            let (bed, redis) = WorkerBed.simple()
            let a = bed.client()
            #expect(a.call("MULTI") == "OK")
            #expect(a.call("SET", "k", "1") == "QUEUED")
            switch ending {
            case 0: a.peer.close()
            case 1: a.peer.reset()
            default: a.peer.halfClose()
            }
            bed.run(.milliseconds(2))
            // Only the shared one is left.
            #expect(redis.openSessions.count == 1)
            bed.finish()
        }
    }

    @Test func `a client that vanishes while it blocks or listens closes its upstream connection at once`() {
        for words in [["BLPOP", "q", "0"], ["SUBSCRIBE", "c"], ["WATCH", "k"]] {
            let (bed, redis) = WorkerBed.simple()
            let a = bed.client()
            a.sendAll([["GET", "k"], words])
            bed.run()
            a.peer.close()
            bed.run(.milliseconds(2))
            #expect(redis.openSessions.allSatisfy { !$0.commands.contains(words) })
            let b = bed.client()
            #expect(b.call("RPUSH", "q", "job") == ":1")
            #expect(redis.lists["0/q"] == ["job"])
            bed.finish()
        }
    }

    @Test func `a client that is gone before its BLPOP is placed swallows no element`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(5)
        let a = bed.client()
        a.sendAll([["GET", "k"], ["BLPOP", "q", "0"]])
        a.peer.close()
        bed.run(.milliseconds(100))
        redis.latency = nil
        let b = bed.client()
        #expect(b.call("RPUSH", "q", "job") == ":1")
        bed.run()
        #expect(redis.lists["0/q"] == ["job"])
        bed.finish()
    }

    @Test func `what was asked before a half-close is answered`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(3)
        let a = bed.client()
        a.sendAll([["SET", "k", "1"], ["GET", "k"], ["MULTI"], ["INCR", "k"], ["EXEC"], ["GET", "k"]])
        a.peer.halfClose()
        bed.run(.milliseconds(100))
        #expect(a.take() == ["OK", "\"1\"", "OK", "QUEUED", "[:2]", "\"2\""])
        #expect(a.isEnded)
        bed.finish()
    }

    @Test func `a transaction before a half-close is carried out and answered`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(3)
        let a = bed.client()
        a.sendAll([["MULTI"], ["INCR", "k"], ["EXEC"]])
        a.peer.halfClose()
        bed.run(.milliseconds(100))
        #expect(a.take() == ["OK", "QUEUED", "[:1]"])
        #expect(a.isEnded)
        bed.finish()
    }

    @Test func `QUIT is answered last and closes`() {
        let (bed, redis) = WorkerBed.simple()
        redis.latency = .milliseconds(1)
        let a = bed.client()
        a.sendAll([["GET", "k"], ["QUIT"], ["GET", "never"]])
        bed.run(.milliseconds(20))
        #expect(a.take() == ["nil", "OK"])
        #expect(a.isEnded)
        #expect(!redis.log.contains { $0.contains("never") })
        bed.finish()
    }

    /// Found by reading: the bytes of inline commands behind QUIT were never freed.
    @Test func `inline commands behind QUIT leave no memory behind`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        a.peer.send("PING\r\nQUIT\r\nPING\r\nGET k\r\n")
        bed.run()
        #expect(a.take() == ["PONG", "OK"])
        bed.finish()
    }

    @Test func `more own connections than allowed are refused and others are served`() {
        let (bed, _) = WorkerBed.simple { $0.maximumPinnedCount = 2 }
        let clients = (0..<4).map { _ in bed.client() }
        var answers: [String] = []
        for client in clients { answers.append(client.call("MULTI")) }
        #expect(answers.filter { $0 == "OK" }.count == 2)
        #expect(answers.filter { $0.hasPrefix("-") }.count == 2)
        for client in clients { #expect(client.call("PING") != "<nothing>") }
        bed.finish()
    }

    @Test(arguments: 0..<20)
    func `many clients with changing sessions never see each other`(seed: Int) {
        let (bed, redis) = WorkerBed.simple(seed: UInt64(seed))
        bed.driver.faults.delayNanoseconds = 0...2_000_000
        bed.driver.faults.splitsReads = true
        bed.driver.faults.shufflesEvents = true
        var random = TestRandom(UInt64(seed) &+ 77)
        let clients = (0..<8).map { _ in bed.client() }
        var wanted = [[String]](repeating: [], count: clients.count)
        for step in 0..<150 {
            let index = Int(random.next() % 8)
            let mark = "c\(index)s\(step)"
            let client = clients[index]
            switch random.next() % 6 {
            case 0:
                client.sendAll([["MULTI"], ["ECHO", mark], ["EXEC"]])
                wanted[index] += ["OK", "QUEUED", "[\"\(mark)\"]"]
            case 1:
                client.sendAll([["CLIENT", "REPLY", "SKIP"], ["ECHO", "silent"], ["ECHO", mark]])
                wanted[index] += ["\"\(mark)\""]
            case 2:
                client.sendAll([["WATCH", mark], ["ECHO", mark], ["UNWATCH"]])
                wanted[index] += ["OK", "\"\(mark)\"", "OK"]
            case 3:
                client.sendAll([
                    ["SELECT", "\(index)"], ["SET", "own", "\(index)"], ["GET", "own"], ["SELECT", "0"],
                ])
                wanted[index] += ["OK", "OK", "\"\(index)\"", "OK"]
            case 4:
                client.sendAll([["SUBSCRIBE", mark], ["UNSUBSCRIBE", mark], ["ECHO", mark]])
                wanted[index] += ["[\"subscribe\" \"\(mark)\" :1]", "[\"unsubscribe\" \"\(mark)\" :0]", "\"\(mark)\""]
            default:
                client.send("ECHO", mark)
                wanted[index] += ["\"\(mark)\""]
            }
            if random.next() % 3 == 0 { bed.run(.milliseconds(Int(random.next() % 4))) }
        }
        bed.run(.seconds(3))
        for (index, client) in clients.enumerated() { #expect(client.take() == wanted[index], "client \(index)") }
        #expect(redis.openSessions.allSatisfy { $0.isPlain })
        bed.finish()
    }
}
