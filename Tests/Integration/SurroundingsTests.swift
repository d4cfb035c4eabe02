// Faults of what surrounds the process: names that nobody knows, a log that takes nothing.

import Foundation
import Glibc
import Testing
import WeirTestSupport

extension Integration {
    @Suite(.weirOnly) struct Surroundings {
        @Test func `a name that nobody resolves is an error for its clients and nothing to others`() throws {
            let redis = try RedisServer()
            var topology = Topology(port: try freePort(), upstream: redis.port)
            let lost = try freePort()
            topology.sources.append(
                Topology.Source(
                    name: "lost", port: lost,
                    chain: [
                        "RedisSinkSingle: {name: sink, remote_address: \"nobody.invalid:6379\", connect_timeout_ms: 500}"
                    ]))
            let weir = try WeirServer(topology)
            let (victim, other) = (try RespClient(port: lost), try weir.client())
            try victim.write("GET", "k")
            try other.call("SET", "k", "v")
            #expect(try other.call("GET", "k") == .bulk("v"))
            let answer = try #require(try victim.receive().errorText)
            #expect(answer.contains("nobody.invalid"), "\(answer)")
            #expect(weir.process.isRunning)
        }

        @Test func `a full disk under the log loses lines and nothing else`() throws {
            let redis = try RedisServer()
            let folder = try TemporaryFolder("full")
            let topology = Topology(port: try freePort(), upstream: redis.port, adminPort: try freePort())
            let file = try folder.write("topology.yaml", topology.text)
            let binary = try #require(WeirServer.binary)
            let process = try ChildProcess(
                ["sh", "-c", "exec \(binary) run \(file) 2>/dev/full"], log: folder.path + "/log", environment: [:],
                openFiles: nil)
            defer { process.stop() }
            let port = topology.sources[0].port
            try eventually("weir to listen") { (try? RespClient(port: port)) != nil }
            let client = try RespClient(port: port)
            #expect(try client.call("SET", "k", "v") == .simple("OK"))
            let adminPort = try #require(topology.adminPort)
            let metrics = try httpGet(port: adminPort, path: "/metrics").body
            let lost = metrics.split(separator: "\n").first { $0.hasPrefix("weir_log_lines_lost_total ") }
            #expect(lost.map { !$0.hasSuffix(" 0") } == true, "\(lost ?? "no such series")")
        }
    }
}
