// What a client sees when Redis refuses, hangs, dies, comes back, or says what no Redis says.

import Foundation
import Testing
import WeirTestSupport

extension Integration {
    @Suite(.proxyOnly) struct Upstream {
        @Test func `after Redis was killed and came back, service resumes for clients that stayed`() throws {
            let rig = try Rig()
            let client = try rig.client()
            try client.call("SET", "k", "before")
            rig.redis.destroy()
            if Subject.isWeir {
                #expect(try client.call("GET", "k").errorText != nil)
                #expect(try client.call("PING") != .null)
            }
            try rig.redis.startAgain()
            try eventually(within: 15, "a client to be served again") {
                guard let fresh = try? rig.client(patience: 5) else { return false }
                return (try? fresh.call("SET", "k", "after")) == .simple("OK")
            }
            if Subject.isWeir {
                try eventually(within: 10, "the client that stayed to be served") {
                    try client.call("GET", "k") == .bulk("after")
                }
            }
        }

        @Test(.weirOnly) func `a request that was sent before Redis died gets an error, not silence`() throws {
            let rig = try Rig()
            let clients = try (0..<20).map { _ in try rig.client() }
            for client in clients { try client.call("PING") }
            rig.redis.pause()
            for client in clients { try client.write("INCR", "n") }
            rig.redis.destroy()
            for client in clients {
                let answer = try client.receive()
                #expect(answer.errorText != nil, "\(answer)")
            }
            try rig.redis.startAgain()
            try eventually(within: 15, "service") { (try? rig.client(patience: 5).call("GET", "n")) == .null }
        }

        @Test(.weirOnly) func `a pinned client is told when its upstream connection is lost`() throws {
            let rig = try Rig()
            let client = try rig.client()
            try client.call("MULTI")
            try client.call("SET", "k", "1")
            try rig.direct().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            let answer = try? client.call("EXEC")
            #expect(answer == nil || answer?.errorText != nil, "EXEC gave \(String(describing: answer))")
            #expect(try rig.direct().call("EXISTS", "k") == .integer(0))
            try eventually("service") { (try? rig.client().call("SET", "k", "2")) == .simple("OK") }
        }

        @Test(.weirOnly) func `nobody listening gives each request an error within the connect timeout`() throws {
            let weir = try WeirServer(upstream: try freePort())
            let client = try weir.client(patience: 15)
            for _ in 0..<3 { #expect(try client.call("GET", "k").errorText != nil) }
            #expect(try weir.get("/health").status == 200)
        }

        @Test(.weirOnly) func `an upstream that accepts and says nothing gives errors, not silence`() throws {
            let redis = try RedisServer()
            let hole = try FaultProxy(upstream: redis.port, .init(swallows: true))
            let weir = try WeirServer(upstream: hole.port)
            let client = try weir.client(patience: 60)
            #expect(try client.call("GET", "k").errorText != nil)
            hole.set(.init())
            hole.resetAll()
            try eventually(within: 20, "service") { (try? weir.client(patience: 5).call("GET", "k")) == .null }
        }

        @Test(.weirOnly) func `an upstream that flaps five times a second is survived`() throws {
            let redis = try RedisServer()
            let proxy = try FaultProxy(upstream: redis.port)
            let weir = try WeirServer(upstream: proxy.port)
            let end = monotonicSeconds() + 3
            let client = try weir.client(patience: 20)
            var (good, next) = (0, monotonicSeconds())
            while monotonicSeconds() < end {
                if monotonicSeconds() > next {
                    proxy.resetAll()
                    next += 0.2
                }
                let answer = try client.call("GET", "k")
                #expect(answer == .null || answer.errorText != nil)
                if answer == .null { good += 1 }
            }
            #expect(good > 0)
            #expect(proxy.accepted < 200, "\(proxy.accepted) connections in three seconds")
            try eventually(within: 10, "service") { try client.call("GET", "k") == .null }
        }

        @Test(.weirOnly) func `one byte at a time from upstream is slow and right, and others are served`() throws {
            let redis = try RedisServer()
            let proxy = try FaultProxy(upstream: redis.port, .init(toClient: [.rate(bytesPerSecond: 400)]))
            var topology = Topology(port: try freePort(), upstream: proxy.port)
            let fast = Topology.Source(name: "fast", port: try freePort(), chain: [Topology.sink(redis.port)])
            topology.sources.append(fast)
            let weir = try WeirServer(topology)
            let slow = try weir.client(patience: 30)
            try slow.write("ECHO", "slow")
            let other = try RespClient(port: fast.port)
            for _ in 0..<50 { #expect(try other.call("PING") == .simple("PONG")) }
            #expect(try slow.receive() == .bulk("slow"))
        }

        @Test(arguments: [
            "$100\r\nonly a part", "*3\r\n$1\r\na\r\n", "*4294967295\r\n", "%2147483648\r\n", "$-7\r\n",
            "$99999999999\r\n",
            "?what\r\n", "*x\r\n", "\r\n",
        ])
        func `an answer cut off or malformed is that client's loss only`(bytes: String) throws {
            guard Subject.isWeir else { return }
            let redis = try RedisServer()
            let scripted = try ScriptedServer(upstream: redis.port, ["bad": .init(bytes, closes: true)])
            let weir = try WeirServer(upstream: scripted.port)
            let (victim, other) = (try weir.client(), try weir.client())
            try other.call("SET", "good", "value")
            try victim.write("GET", "bad")
            let answer = try? victim.receive()
            #expect(answer == nil || answer?.errorText != nil, "the victim got \(String(describing: answer))")
            try eventually("others to be served") { try other.call("GET", "good") == .bulk("value") }
            #expect(weir.process.isRunning)
        }

        @Test(.weirOnly) func `nesting without end from upstream is refused`() throws {
            let redis = try RedisServer()
            let deep = String(repeating: "*1\r\n", count: 100_000)
            let scripted = try ScriptedServer(upstream: redis.port, ["bad": .init(deep)])
            let weir = try WeirServer(upstream: scripted.port)
            let victim = try weir.client()
            try victim.write("GET", "bad")
            let answer = try? victim.receive()
            #expect(answer == nil || answer?.errorText != nil)
            try eventually("others to be served") { try weir.client().call("GET", "good") == .null }
        }

        @Test(
            .weirOnly, arguments: ["$1\r\n1\r\n$5\r\nextra\r\n", "$1\r\n1\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nx\r\n"])
        func `an answer too many or a push that nobody asked for reaches nobody`(bytes: String) throws {
            let redis = try RedisServer()
            let scripted = try ScriptedServer(upstream: redis.port, ["bad": .init(bytes)])
            let weir = try WeirServer(upstream: scripted.port)
            let victim = try weir.client()
            let others = try (0..<5).map { _ in try weir.client() }
            for (n, other) in others.enumerated() { try other.call("SET", "own:\(n)", "\(n)") }
            try victim.write("GET", "bad")
            _ = try? victim.receive()
            for round in 0..<10 {
                for (n, other) in others.enumerated() {
                    let answer = try other.call("GET", "own:\(n)")
                    #expect(
                        answer == .bulk("\(n)") || answer.errorText != nil, "round \(round): client \(n) got \(answer)")
                }
            }
            for other in others { #expect(other.staysSilent(for: 0.02)) }
        }

        @Test(.weirOnly) func `answers already owed when the connection is lost are errors for all who wait`() throws {
            let redis = try RedisServer()
            let scripted = try ScriptedServer(
                upstream: redis.port, ["bad": .init("$10\r\nabc", closes: true, delay: 0.3)])
            let weir = try WeirServer(upstream: scripted.port)
            let clients = try (0..<10).map { _ in try weir.client() }
            for client in clients { try client.call("PING") }
            try clients[0].write("GET", "bad")
            for client in clients.dropFirst() { try client.write("GET", "good") }
            for client in clients {
                let answer = try? client.receive()
                #expect(answer == nil || answer == .null || answer?.errorText != nil, "\(String(describing: answer))")
            }
            #expect(try weir.client().call("GET", "good") == .null)
        }
    }
}
