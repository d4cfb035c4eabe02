// Clients that leave at every possible moment: a script is cut at a random byte (from a seed), the connection is
// closed, reset or half closed, and everybody else must notice nothing.

import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Disconnects {
        private static let scripts: [[UInt8]] = [
            Array("SET a 1\r\nGET a\r\nINCR n\r\n".utf8),
            RespClient.encode("SET", "k", String(repeating: "v", count: 300)),
            Array("MULTI\r\nSET left 1\r\nGET a\r\nEXEC\r\nGET a\r\n".utf8),
            Array("WATCH a\r\nMULTI\r\nGET a\r\nEXEC\r\n".utf8),
            Array("SELECT 5\r\nSET five 1\r\nBLPOP none 0\r\n".utf8),
            Array("SUBSCRIBE a b\r\nUNSUBSCRIBE\r\nPING\r\n".utf8),
            Array("HELLO 3\r\nCLIENT TRACKING ON\r\nGET a\r\nGET large\r\n".utf8),
            Array("GET large\r\nGET large\r\nPING\r\n".utf8),
            Array("CLIENT REPLY OFF\r\nSET a 2\r\nCLIENT REPLY ON\r\n".utf8),
            Array("CLIENT SETNAME x\r\nRESET\r\nQUIT\r\n".utf8),
        ]

        @Test(arguments: [11, 12, 13, 14] as [UInt64])
        func `a client may leave at any byte of anything`(seed: UInt64) throws {
            let rig = try Rig()
            var generator = SeededGenerator(seed: seed)
            let canary = try rig.client()
            try rig.direct().call("SET", "large", String(repeating: "L", count: 200_000))
            let connections = try rig.redis.clients().count
            let files = ProcessUsage.openFiles(rig.server.pid)
            for round in 0..<150 {
                let script = Self.scripts[Int.random(in: 0..<Self.scripts.count, using: &generator)]
                let cut = Int.random(in: 0...script.count, using: &generator)
                let client = try rig.client()
                try client.send(Array(script[..<cut]))
                for _ in 0..<Int.random(in: 0...2, using: &generator) where !client.staysSilent(for: 0.001) {
                    _ = client.receiveUntilSilent(0.001)
                }
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: client.close()
                case 1: client.reset()
                default: client.finishSending()
                }
                let word = "round \(round) of seed \(seed)"
                try #require(try canary.call("ECHO", word) == .bulk(word))
            }
            #expect(try rig.direct().call("SELECT", "0") == .simple("OK"))
            try rig.waitForBlocked(0)
            try eventually("upstream connections to be given back") {
                try rig.redis.clients().count <= connections + 8
            }
            try eventually("descriptors to be given back") {
                ProcessUsage.openFiles(rig.server.pid) <= files + 16
            }
            try rig.expectHealthy()
        }
    }
}
