// How connections begin and end: limits, idle clients, a process without descriptors, draining.

import CWeir
import Glibc
import Testing
import WeirBed
import WeirChain
import WeirNet

struct LifecycleTests {
    private func limited(_ maximum: Int, refuses: Bool) -> WorkerBed {
        let bed = WorkerBed()
        let redis = bed.makeRedis()
        bed.open([.sink(redis.plan())], maximumConnections: maximum, refuses: refuses)
        return bed
    }

    @Test func `above the limit clients wait until one leaves`() {
        let bed = limited(2, refuses: false)
        let clients = (0..<3).map { _ in bed.client() }
        for client in clients { client.send("PING") }
        bed.run(.milliseconds(500))
        #expect(clients.map { $0.take().count } == [1, 1, 0])
        clients[0].peer.close()
        bed.run(.milliseconds(500))
        #expect(clients[2].take() == ["PONG"])
        bed.finish()
    }

    @Test func `above the limit clients are refused in their protocol`() {
        let bed = limited(2, refuses: true)
        let clients = (0..<3).map { _ in bed.client() }
        bed.run()
        for client in clients { client.send("PING") }
        bed.run()
        #expect(clients[2].take() == ["-ERR max number of clients reached"])
        #expect(clients[2].isEnded)
        clients[0].peer.close()
        bed.run()
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }

    /// Found by reading: a worker without clients and connections slept for ever with its listener paused.
    @Test func `a worker that ran out of descriptors accepts again by itself`() {
        let bed = WorkerBed()
        let nothing = TestTransform("nothing")
        nothing.onRequests = { hook in
            for message in hook.messages { weir.reply(message, hook.worker.response("+PONG\r\n")) }
        }
        bed.open([nothing])
        bed.driver.failNext(.accept, with: EMFILE, times: 3)
        let a = bed.client()
        a.send("PING")
        bed.run(.seconds(2))
        #expect(a.take() == ["PONG"])
        bed.finish()
    }

    @Test func `an error of accept that is about one client stops nobody`() {
        let bed = limited(10, refuses: false)
        bed.driver.failNext(.accept, with: ECONNABORTED, times: 2)
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }

    @Test func `an idle client is closed and a waiting or subscribed one is not`() {
        let bed = WorkerBed()
        let redis = bed.makeRedis()
        bed.open([.sink(redis.plan())], idleNanoseconds: 1_000_000_000)
        let idle = bed.client()
        let blocked = bed.client()
        let subscribed = bed.client()
        let busy = bed.client()
        #expect(idle.call("PING") == "PONG")
        blocked.send("BLPOP", "q", "0")
        subscribed.send("SUBSCRIBE", "c")
        let half = bed.client()
        half.peer.send("*2\r\n$536870912\r\n")
        for _ in 0..<30 {
            bed.run(.milliseconds(100))
            busy.send("PING")
        }
        bed.run()
        #expect(idle.isEnded)
        #expect(half.isEnded)
        #expect(!blocked.isEnded)
        #expect(!subscribed.isEnded)
        #expect(!busy.isEnded)
        bed.finish(owed: 1)
    }

    @Test func `a site that refuses a connection closes it, and the sites before it know`() {
        let first = TestTransform("first")
        first.onRequests = { _ in }
        first.onOpen = { connection in
            connection.targets["next"] = weir.next(connection.conn, first.site.handle)
            return weir_status(WEIR_OK)
        }
        let second = TestTransform("second")
        var refused = 0
        second.onRequests = { _ in }
        second.onOpen = { connection in
            refused += 1
            withText("no") { weir.close(connection.conn, $0) }
            return refused <= 2 ? weir_status(WEIR_E_REJECTED) : weir_status(WEIR_OK)
        }
        let (bed, _) = WorkerBed.simple([first, second])
        let a = bed.client()
        let b = bed.client()
        bed.run()
        #expect(a.isEnded)
        #expect(b.isEnded)
        #expect(first.openedCount == 2)
        #expect(first.closedCount == 2)
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }

    // MARK: draining

    private func turn(_ bed: WorkerBed, _ limit: Int = 2000) {
        for _ in 0..<limit where !bed.hasStopped { bed.worker.turn() }
    }

    @Test func `draining delivers what is owed, closes idle clients at once and accepts nothing more`() {
        let watcher = TestTransform("watcher")
        watcher.onRequests = { _ in }
        watcher.onEvent = { _, event in if event == WEIR_EV_DRAIN { watcher.log.append("drain") } }
        let (bed, redis) = WorkerBed.simple([watcher])
        redis.latency = .milliseconds(20)
        let idle = bed.client()
        let busy = bed.client()
        #expect(idle.call("PING") == "PONG")
        busy.sendAll([["SET", "k", "1"], ["GET", "k"]])
        bed.run(.milliseconds(1))
        bed.worker.drain(until: bed.driver.now + 10_000_000_000)
        turn(bed)
        #expect(bed.hasStopped)
        bed.driver.advance(by: .milliseconds(10))
        #expect(busy.take() == ["OK", "\"1\""])
        #expect(busy.isEnded)
        #expect(idle.isEnded)
        #expect(watcher.log == ["drain", "drain"])
        #expect(watcher.stoppedCount == 1)
        let late = bed.client()
        bed.driver.advance(by: .milliseconds(10))
        #expect(late.peer.wasRefused)
        bed.check()
    }

    @Test func `draining ends at its deadline whatever is still owed`() {
        let (bed, _) = WorkerBed.simple()
        let a = bed.client()
        a.send("BLPOP", "q", "0")
        bed.run()
        let start = bed.driver.now
        bed.worker.drain(until: start + 2_000_000_000)
        turn(bed)
        #expect(bed.hasStopped)
        #expect(bed.driver.now - start >= 2_000_000_000)
        #expect(bed.driver.now - start < 2_300_000_000)
        bed.driver.advance(by: .milliseconds(10))
        #expect(a.isEnded)
        bed.check()
    }

    @Test func `draining waits for a transform that holds a request of a client that has gone`() {
        let holder = TestTransform("holder")
        holder.onRequests = { hook in
            for message in hook.messages {
                weir.take(message, UInt32(WEIR_TAKE_LOOSE))
                hook.worker.timer(.milliseconds(500)) { weir.drop(message) }
            }
        }
        let (bed, _) = WorkerBed.simple([holder])
        let a = bed.client()
        a.send("PING")
        bed.run()
        a.peer.reset()
        bed.run()
        bed.worker.drain(until: bed.driver.now + 5_000_000_000)
        turn(bed)
        #expect(bed.hasStopped)
        #expect(holder.closedCount == 1)
        #expect(holder.stoppedCount == 1)
        bed.check()
    }

    @Test func `a connection is closed once and last, however its client goes`() {
        for ending in 0..<4 {
            let holder = TestTransform("holder")
            holder.onRequests = { hook in
                for message in hook.messages where message.word == "GET" {
                    weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                    hook.connection?.openCompletionCount += 1
                    hook.worker.send([hook.worker.request("PING")], to: hook.next) { _ in
                        hook.connection?.openCompletionCount -= 1
                        weir.pass(message)
                    }
                }
            }
            let (bed, redis) = WorkerBed.simple([holder])
            redis.latency = .milliseconds(10)
            let a = bed.client()
            a.sendAll([["GET", "k"], ["GET", "k"], ["QUIT"]])
            bed.run(.milliseconds(2))
            switch ending {
            case 0: a.peer.reset()
            case 1: a.peer.close()
            case 2: a.peer.halfClose()
            default: break
            }
            bed.run(.milliseconds(200))
            #expect(holder.openedCount == 1)
            #expect(holder.closedCount == 1)
            bed.finish()
        }
    }

    /// Found by reading: the list of clients to be written to went through the memory of one that had been freed.
    @Test func `a client that goes and one that comes in the same turn leave the others' answers alone`() {
        for seed in 0..<60 {
            let (bed, _) = WorkerBed.simple(seed: UInt64(seed))
            bed.driver.faults.shufflesEvents = true
            var others = (0..<6).map { _ in bed.client() }
            bed.run()
            for round in 0..<10 {
                for (index, other) in others.enumerated() { other.send("ECHO", "\(index)r\(round)") }
                bed.worker.turn()
                bed.worker.turn()
                others[round % 6].peer.reset()
                others[round % 6] = bed.client()
            }
            bed.run(.milliseconds(50))
            for (index, other) in others.enumerated() {
                #expect(other.call("ECHO", "end\(index)") == "\"end\(index)\"" || !other.take().isEmpty)
            }
            bed.finish()
        }
    }
}
