// Blocking commands, subscriptions and pushes; and what is left of them when the client has gone.

import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Blocking {
        let rig: Rig

        init() throws { rig = try Rig() }

        @Test(arguments: ["close", "reset"])
        func `an element is not lost to a client that left its BLPOP`(how: String) throws {
            for round in 0..<10 {
                let client = try rig.client()
                try client.write("BLPOP", "queue", "0")
                try rig.waitForBlocked(1)
                how == "close" ? client.close() : client.reset()
                try rig.waitForBlocked(0)
                #expect(try rig.client().call("RPUSH", "queue", "element \(round)") == .integer(1))
                #expect(try rig.client().call("LPOP", "queue") == .bulk("element \(round)"))
            }
        }

        @Test func `blocked clients do not hold up others`() throws {
            let waiting = try (0..<20).map { _ in try rig.client() }
            for client in waiting { try client.write("BLPOP", "queue", "0") }
            try rig.waitForBlocked(20)
            let other = try rig.client()
            for _ in 0..<50 { #expect(try other.call("PING") == .simple("PONG")) }
            for n in 0..<20 { try other.call("RPUSH", "queue", "\(n)") }
            let got = try waiting.map { try $0.receive().elements.last?.text ?? "nothing" }
            #expect(Set(got) == Set((0..<20).map(String.init)))
        }

        @Test func `answers stay in order around a blocking command in a pipeline`() throws {
            let client = try rig.client()
            try client.send(raw: "SET k 1\r\nGET k\r\nBLPOP queue 0\r\nGET k\r\nSET k 2\r\nGET k\r\n")
            #expect(try client.receive(count: 2) == [.simple("OK"), .bulk("1")])
            try rig.waitForBlocked(1)
            try rig.client().call("RPUSH", "queue", "x")
            let rest = try client.receive(count: 4)
            #expect(rest == [.array([.bulk("queue"), .bulk("x")]), .bulk("1"), .simple("OK"), .bulk("2")])
        }

        @Test func `a blocking command that times out is answered, and the client goes on`() throws {
            let client = try rig.client()
            #expect(try client.call("BLPOP", "queue", "0.05").isNull)
            #expect(try client.call("BLMOVE", "a", "b", "LEFT", "LEFT", "0.05").isNull)
            #expect(try client.call("XREAD", "BLOCK", "50", "STREAMS", "s", "$").isNull)
            #expect(try client.call("WAIT", "1", "50") == .integer(0))
            #expect(try client.call("PING") == .simple("PONG"))
        }

        @Test func `upstream connections of blocked clients that are answered are used again or closed`() throws {
            let before = try rig.redis.clients().count
            for _ in 0..<100 {
                let client = try rig.client()
                _ = try client.call("BLPOP", "queue", "0.001")
                client.close()
            }
            try eventually("Redis to have few clients") { try rig.redis.clients().count <= before + 8 }
        }

        @Test func `messages reach subscribers in order, and unsubscribing ends it`() throws {
            let subscriber = try rig.client()
            #expect(try subscriber.call("SUBSCRIBE", "news").elements.last == .integer(1))
            let publisher = try rig.client()
            for n in 0..<500 { #expect(try publisher.call("PUBLISH", "news", "\(n)") == .integer(1)) }
            for n in 0..<500 {
                #expect(try subscriber.receive() == .array([.bulk("message"), .bulk("news"), .bulk("\(n)")]))
            }
            #expect(try subscriber.call("PING") == .array([.bulk("pong"), .bulk("")]))
            #expect(try subscriber.call("GET", "k").errorText?.contains("only") == true)
            #expect(try subscriber.call("UNSUBSCRIBE").elements.last == .integer(0))
            #expect(try subscriber.call("GET", "k") == .null)
        }

        @Test(arguments: ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
        func `a subscriber that vanishes is gone at the server`(command: String) throws {
            for _ in 0..<5 {
                let client = try rig.client()
                try client.call(command, "news")
                client.reset()
            }
            let direct = try rig.direct()
            try eventually("Redis to have no subscriber") {
                let plain = try direct.call("PUBSUB", "NUMSUB", "news").elements.last
                let sharded = try direct.call("PUBSUB", "SHARDNUMSUB", "news").elements.last
                let patterns = try direct.call("PUBSUB", "NUMPAT")
                return plain == .integer(0) && sharded == .integer(0) && patterns == .integer(0)
            }
        }

        @Test func `in RESP3 commands go on beside a subscription`() throws {
            let client = try rig.client3()
            #expect(try client.call("SUBSCRIBE", "news") == .push([.bulk("subscribe"), .bulk("news"), .integer(1)]))
            #expect(try client.call("SET", "k", "v") == .simple("OK"))
            try rig.client().call("PUBLISH", "news", "hello")
            #expect(try client.receive() == .push([.bulk("message"), .bulk("news"), .bulk("hello")]))
            #expect(try client.call("GET", "k") == .bulk("v"))
            #expect(
                try client.call("UNSUBSCRIBE", "news") == .push([.bulk("unsubscribe"), .bulk("news"), .integer(0)]))
        }

        @Test func `no push reaches a client that did not ask for it`() throws {
            let (subscriber, bystander) = (try rig.client3(), try rig.client3())
            try subscriber.call("SUBSCRIBE", "news")
            for n in 0..<50 {
                try rig.client().call("PUBLISH", "news", "\(n)")
                #expect(try bystander.call("PING") == .simple("PONG"))
            }
            for n in 0..<50 { #expect(try subscriber.receive().elements.last == .bulk("\(n)")) }
            #expect(bystander.staysSilent(for: 0.1))
        }

        @Test func `client tracking tells of changes, to the tracking client only, until it ends`() throws {
            let (tracker, bystander, writer) = (try rig.client3(), try rig.client3(), try rig.client())
            try writer.call("SET", "k", "1")
            #expect(try tracker.call("CLIENT", "TRACKING", "ON") == .simple("OK"))
            #expect(try tracker.call("GET", "k") == .bulk("1"))
            #expect(try bystander.call("GET", "k") == .bulk("1"))
            try writer.call("SET", "k", "2")
            #expect(try tracker.receive() == .push([.bulk("invalidate"), .array([.bulk("k")])]))
            #expect(bystander.staysSilent(for: 0.1))
            #expect(try tracker.call("CLIENT", "TRACKING", "OFF") == .simple("OK"))
            try tracker.call("GET", "k")
            try writer.call("SET", "k", "3")
            #expect(tracker.staysSilent(for: 0.1))
        }

        @Test func `a tracking client that leaves leaves no tracking behind`() throws {
            for _ in 0..<5 {
                let tracker = try rig.client3()
                try tracker.call("CLIENT", "TRACKING", "ON", "BCAST")
                tracker.close()
            }
            try eventually("Redis to track for nobody") { try rig.redis.info("tracking_clients") == "0" }
            let next = try rig.client3()
            try next.call("GET", "k")
            try rig.client().call("SET", "k", "v")
            #expect(next.staysSilent(for: 0.1))
        }

        @Test(.weirOnly, arguments: ["MONITOR", "SYNC", "PSYNC ? -1"])
        func `commands that turn a connection into a stream are refused in words`(command: String) throws {
            let client = try rig.client()
            try client.send(raw: command + "\r\n")
            let text = try client.receive().errorText?.uppercased() ?? ""
            let subject = command == "MONITOR" ? "MONITOR" : "REPLICATION"
            #expect(
                text.contains(subject) && text.contains("REFUSED"), "the error '\(text)' does not say what is refused")
            try rig.expectHealthy()
        }

        @Test(.weirOnly) func `MONITOR in a transaction or a script harms nobody`() throws {
            let client = try rig.client()
            try client.send(raw: "MULTI\r\nMONITOR\r\nEXEC\r\n")
            #expect(try client.receive() == .simple("OK"))
            #expect(try client.receive().errorText != nil)
            _ = try client.receive()
            #expect(try client.call("PING") == .simple("PONG"))
        }
    }
}
