// What the Swift face of the SDK promises its authors, on the test host.

import CWeir
import Testing
import WeirPlugin
import WeirTesting

@Suite struct TransformTests {
    @Test func `a transform has the hooks that it conforms to and no others`() throws {
        let host = try Samples.host()
        let prefix = try #require(host.transform("sdk.prefix")).pointee
        #expect(prefix.on_requests != nil)
        #expect(prefix.on_responses == nil)
        #expect(prefix.on_event == nil)
        #expect(prefix.conn_open == nil)
        #expect(prefix.flags == 0)
        let tagger = try #require(host.transform("sdk.tagger")).pointee
        #expect(tagger.on_responses != nil)
        #expect(tagger.flags == UInt32(WEIR_F_KEEP_REQUESTS) | UInt32(WEIR_F_TAGS))
        let visitors = try #require(host.transform("sdk.visitors")).pointee
        #expect(visitors.conn_open != nil)
        #expect(visitors.on_requests != nil)
    }

    @Test func `keys are found and edited, and what is not touched goes on as it was`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.prefix", #"{"prefix":"a:"}"#).connect()
        #expect(
            client.request("MSET k 1 l 2").wire
                == "*5\r\n$4\r\nMSET\r\n$3\r\na:k\r\n$1\r\n1\r\n$3\r\na:l\r\n$1\r\n2\r\n")
        #expect(client.request("PING").wire == "*1\r\n$4\r\nPING\r\n")
        #expect(host.misuseCount == 0)
    }

    @Test func `a command with many keys has all of them edited`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.prefix", #"{"prefix":"a:"}"#).connect()
        // The test host holds sixteen edits of a message; the seventeenth key is beyond what fits on the stack.
        let words = (0..<17).map { "k\($0)" }.joined(separator: " ")
        let wire = client.request("DEL \(words)").wire
        #expect(wire.contains("a:k0\r\n"))
        #expect(wire.contains("a:k15\r\n"))
    }

    @Test func `a problem in the settings is reported at its option`() throws {
        let host = try Samples.host()
        #expect(throws: TestHost.Refused.self) { try host.start("sdk.prefix", #"{"prefix":"a b"}"#) }
        #expect(host.log.contains("/prefix: ERROR must not contain spaces"))
    }

    @Test func `a problem at the start of a worker refuses the site and says why`() throws {
        let host = try Samples.host()
        #expect(throws: TestHost.Refused.self) { try host.start("sdk.unready") }
        #expect(host.log.contains("ERROR not today"))
    }

    @Test func `a kept request goes on when its time has come`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.keeper").connect()
        let exchange = client.request("GET k")
        #expect(exchange.outcome == .held)
        host.advance(nanoseconds: 999_999)
        #expect(exchange.outcome == .held)
        host.advance(nanoseconds: 1)
        #expect(exchange.outcome == .passed)
    }

    @Test func `a request that is lost is answered with an error`() throws {
        let host = try Samples.host()
        let exchange = try host.start("sdk.keeper").connect().request("DEL k")
        #expect(exchange.outcome == .failed)
        #expect(exchange.answer == "-ERR a transform lost this message\r\n")
    }

    @Test func `a kept request whose timer is forgotten at the stop is answered`() throws {
        let host = try Samples.host()
        let exchange = try host.start("sdk.keeper").connect().request("GET k")
        host.stop()
        host.advance(nanoseconds: 1_000_000)
        #expect(exchange.outcome == .failed)
        #expect(host.heldCount == 0)
    }

    @Test func `asynchronous code asks another target and answers with what it says`() throws {
        let host = try Samples.host()
        let exchange = try host.start("sdk.keeper").connect().request("INCR n")
        #expect(exchange.outcome == .held)
        host.run()
        #expect(host.sendingCount == 1)
        #expect(host.complete(":7\r\n"))
        host.run()
        #expect(exchange.answer == ":7\r\n")
        #expect(host.heldCount == 0)
        #expect(host.misuseCount == 0)
    }

    @Test func `a request whose asynchronous code throws is answered with an error`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.keeper").connect()
        let asked = client.request("INCR n")
        host.run()
        #expect(host.complete(failing: WEIR_E_UNAVAILABLE_, "no connection"))
        host.run()
        #expect(asked.outcome == .failed)
        #expect(host.log.contains("WARN a task failed: no connection"))

        let slept = client.request("FLUSHALL")
        host.run()
        #expect(slept.outcome == .held)
        host.advance(nanoseconds: 1000)
        #expect(slept.outcome == .failed)
        #expect(host.misuseCount == 0)
    }

    @Test func `a tag and the request come back with the response, which can be replaced`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.tagger").connect()
        let exchanges = client.requests(["GET a", "GET b"])
        #expect(exchanges[1].respond("$1\r\nx\r\n") == "*3\r\n:2\r\n$3\r\nGET\r\n$1\r\nx\r\n")
        #expect(exchanges[0].respond("$-1\r\n") == "*3\r\n:1\r\n$3\r\nGET\r\n$-1\r\n")
    }

    @Test func `a response can be forgotten and its request sent again`() throws {
        let host = try Samples.host()
        let exchange = try host.start("sdk.tagger").connect().request("GET a")
        #expect(exchange.respond("-MOVED 1 x:1\r\n") == nil)
        #expect(exchange.outcome == .routed)
        #expect(exchange.target == "next")
        #expect(host.misuseCount == 0)
    }

    @Test func `each connection has a session of its own, which ends with it`() throws {
        let host = try Samples.host()
        let site = try host.start("sdk.visitors")
        let first = try site.connect()
        let second = try site.connect()
        #expect(host.metric("visitors_open") == 2)
        first.requests(["GET a", "GET b"])
        #expect(second.request("GET c").outcome == .passed)
        #expect(first.request("GET d").answer == "-ERR request 3 of this visit\r\n")
        first.disconnect()
        #expect(host.metric("visitors_open") == 1)
        second.disconnect()
        #expect(host.metric("visitors_open") == 0)
    }

    @Test func `timers, posts and blocking work come back once, and cancelled timers do not`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.clockwork").connect()
        client.request("GET a")
        host.advance(nanoseconds: 1000)
        #expect(host.log == "INFO soon\nINFO blocking 42\nINFO timer\n")
    }

    @Test func `events of connections and targets are heard`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.listener").connect()
        client.event(UInt32(WEIR_EV_CLIENT_EOF))
        #expect(host.targetEvent("/other", UInt32(WEIR_TE_DOWN)))
        #expect(host.log == "INFO 192.0.2.1:40000 ended\nINFO target /other down\n")
    }

    @Test func `arguments can be taken out and put in`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.listener").connect()
        #expect(client.request("SET k v").wire == "*4\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nv\r\n")
    }

    @Test func `after the stop of a site its timers fire no more`() throws {
        let host = try Samples.host()
        let client = try host.start("sdk.clockwork").connect()
        client.request("GET a")
        host.stop()
        host.advance(nanoseconds: 2_000_000_000)
        #expect(host.log.isEmpty)
    }

    @Test func `a series that the host refuses costs the plugin nothing but its counts`() throws {
        let host = try Samples.host()
        host.maximumMetricCount = 0
        let client = try host.start("sdk.visitors").connect()
        #expect(client.request("GET a").outcome == .passed)
        #expect(host.metric("visitors_open") == 0)
    }
}

/// The enumerator comes as an Int.
private let WEIR_E_UNAVAILABLE_ = Int32(WEIR_E_UNAVAILABLE)
