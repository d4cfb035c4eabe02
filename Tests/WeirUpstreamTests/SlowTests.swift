// What others notice of a command that takes long: nothing, as soon as it can be known.

import Testing
import WeirBed
import WeirNet

struct SlowTests {
    /// A server on which EVAL never ends until SCRIPT KILL, and SLEEP is answered after 300 ms.
    private func makeBed() -> (WorkerBed, FakeRedis) {
        let (bed, redis) = WorkerBed.simple()
        var running: FakeRedis.Session?
        redis.override = { session, words in
            switch words[0].uppercased() {
            case "EVAL":
                running = session
                return []
            case "SCRIPT":
                running?.reply(Array("-ERR killed\r\n".utf8))
                return Array("+OK\r\n".utf8)
            case "KEYS":
                redis.driver.after(.milliseconds(300)) { session.reply(Array("*0\r\n".utf8)) }
                return []
            default: return nil
            }
        }
        return (bed, redis)
    }

    @Test func `nobody waits behind another client's script`() {
        let (bed, _) = makeBed()
        let (a, b) = (bed.client(), bed.client())
        #expect(a.call("SET", "k", "1") == "OK")
        a.send("EVAL", "while true do end", "0")
        bed.run(.milliseconds(1))
        #expect(b.call("GET", "k", within: .milliseconds(20)) == "\"1\"")
        #expect(b.call("SCRIPT", "KILL", within: .milliseconds(20)) == "OK")
        bed.run(.milliseconds(5))
        #expect(a.take().count == 1)
        #expect(a.call("GET", "k") == "\"1\"")
        bed.finish()
    }

    @Test func `SCRIPT KILL goes over no database's connection and leaves the session where it was`() {
        let (bed, redis) = makeBed()
        let (a, b) = (bed.client(), bed.client())
        #expect(b.call("SELECT", "5") == "OK")
        #expect(b.call("SET", "k", "five") == "OK")
        a.send("EVAL", "while true do end", "0")
        bed.run(.milliseconds(1))
        b.sendAll([["SCRIPT", "KILL"], ["GET", "k"]])
        bed.run(.milliseconds(20))
        #expect(b.take() == ["OK", "\"five\""])
        let killer = redis.sessions.first { $0.commands.contains(["SCRIPT", "KILL"]) }
        #expect(killer?.database == 0)
        bed.finish()
    }

    @Test func `a slow answer holds up only those who asked before it was known to be slow`() {
        let (bed, redis) = makeBed()
        let (a, b, c) = (bed.client(), bed.client(), bed.client())
        #expect(c.call("PING") == "PONG")
        a.send("KEYS", "*")
        bed.run(.milliseconds(1))
        b.send("GET", "k")
        bed.run(.milliseconds(150))
        // c comes when the connection has been left to a and b.
        #expect(c.call("SET", "k", "1", within: .milliseconds(20)) == "OK")
        bed.run(.milliseconds(200))
        #expect(a.take().count == 1)
        #expect(b.take().count == 1)
        // The connection that was left goes when nobody stays with it.
        #expect(a.call("GET", "k") == "\"1\"")
        #expect(b.call("GET", "k") == "\"1\"")
        bed.run(.milliseconds(200))
        #expect(redis.openSessions.count == 1)
        bed.finish()
    }
}
