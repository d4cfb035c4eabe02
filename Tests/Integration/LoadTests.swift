// Many clients, slow clients, few descriptors.

import Foundation
import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Load {
        @Test func `five thousand clients at once each get their own answers`() throws {
            guard raiseOpenFileLimit() >= 12_000 else { throw Failure("needs 12,000 descriptors: ulimit -n") }
            let rig = try Rig()
            let clients = try (0..<5000).map { _ in try rig.client(patience: 30) }
            for (n, client) in clients.enumerated() { try client.write("SET", "key:\(n)", "\(n)") }
            for client in clients { try #require(try client.receive() == .simple("OK")) }
            for (n, client) in clients.enumerated().shuffled() { try client.write("GET", "key:\(n)") }
            for (n, client) in clients.enumerated() { try #require(try client.receive() == .bulk("\(n)")) }
            #expect(try rig.direct().call("DBSIZE") == .integer(5000))
        }

        @Test(.weirOnly) func `five thousand clients share few upstream connections`() throws {
            raiseOpenFileLimit()
            let rig = try Rig()
            let clients = try (0..<1000).map { _ in try rig.client() }
            for client in clients { try client.call("PING") }
            #expect(try rig.redis.clients().count <= 4)
        }

        @Test func `a client that never reads 300 answers of 1 MB costs little, and others nothing`() throws {
            let rig = try Rig()
            try rig.direct().call("SET", "large", String(repeating: "x", count: 1_000_000))
            let other = try rig.client()
            try other.call("SET", "k", "v")
            try rig.client().call("GET", "large")
            let before = ProcessUsage.residentKiB(rig.server.pid)
            let slow = try rig.client(patience: 60)
            for _ in 0..<300 { try slow.send(RespClient.encode("GET", "large"), readingMeanwhile: false) }
            var peak = before
            var waits: [Double] = []
            let end = monotonicSeconds() + 3
            while monotonicSeconds() < end {
                let start = monotonicSeconds()
                try #require(try other.call("GET", "k") == .bulk("v"))
                waits.append(monotonicSeconds() - start)
                peak = max(peak, ProcessUsage.residentKiB(rig.server.pid))
            }
            if Subject.current != .direct {
                #expect(peak - before <= 16 * 1024, "\((peak - before) / 1024) MiB more")
            }
            // Redis itself stands still for a moment while it copies 300 MB.
            waits.sort()
            #expect(waits[waits.count * 9 / 10] < 0.05, "one in ten of another client's requests waited longer")
            #expect((waits.last ?? 0) < 2, "another client waited \(waits.last ?? 0) s")
            for n in 0..<300 {
                if slow.isAtEnd { break }
                guard case .bulk(let value) = try slow.receive() else { throw Failure("answer \(n) is no value") }
                try #require(value.count == 1_000_000)
            }
            try rig.expectHealthy()
        }

        @Test func `a client that asks ten thousand times and reads late gets all in order`() throws {
            let rig = try Rig()
            let client = try rig.client(patience: 30)
            var bytes: [UInt8] = []
            for n in 0..<10_000 { bytes += RespClient.encode("ECHO", "\(n)" + String(repeating: ".", count: 200)) }
            var sent = 0
            let end = monotonicSeconds() + 1
            while sent < bytes.count, monotonicSeconds() < end { sent += client.sendSome(Array(bytes[sent...])) }
            let other = try rig.client()
            for _ in 0..<20 { try #require(try other.call("PING") == .simple("PONG")) }
            try client.send(Array(bytes[sent...]))
            for n in 0..<10_000 {
                try #require(try client.receive().text?.hasPrefix("\(n).") == true, "answer \(n)")
            }
        }

        @Test(.weirOnly) func `without descriptors left accepting pauses, costs no CPU, and goes on later`() throws {
            let redis = try RedisServer()
            let weir = try WeirServer(upstream: redis.port, openFiles: 64)
            let first = try weir.client()
            try first.call("PING")
            var clients: [RespClient] = []
            for _ in 0..<200 { clients.append(try weir.client()) }
            #expect(try first.call("PING") == .simple("PONG"))
            let (user, system) = ProcessUsage.cpuSeconds(weir.pid)
            Thread.sleep(forTimeInterval: 1)  // a second of wall time is what is measured
            let later = ProcessUsage.cpuSeconds(weir.pid)
            let used = later.user + later.system - user - system
            #expect(used < 0.3, "\(used) s of CPU in one second of having nothing to do")
            #expect(try first.call("PING") == .simple("PONG"))
            clients.removeAll()
            try eventually(within: 10, "a new client to be served") {
                (try? weir.client(patience: 1).call("PING")) == .simple("PONG")
            }
        }

        @Test(.weirOnly)
        func `beyond the connection limit nobody is served, and a place that becomes free is given away`() throws {
            let redis = try RedisServer()
            var topology = Topology(port: try freePort(), upstream: redis.port)
            topology.sources[0].connectionLimit = 5
            let weir = try WeirServer(topology)
            var clients = try (0..<5).map { _ in try weir.client() }
            for client in clients { #expect(try client.call("PING") == .simple("PONG")) }
            let sixth = try weir.client(patience: 5)
            try? sixth.write("PING")
            #expect(sixth.receiveUntilSilent(0.3).starts(with: Array("+PONG".utf8)) == false)
            clients.removeFirst().close()
            try eventually("the place to be given away") {
                (try? weir.client(patience: 0.5).call("PING")) == .simple("PONG")
                    || (sixth.receiveUntilSilent(0.05) == Array("+PONG\r\n".utf8))
            }
        }
    }
}
