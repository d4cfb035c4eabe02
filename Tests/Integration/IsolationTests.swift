// What one client does to its connection, no other client may notice, though all share few upstream connections.

import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Isolation {
        let rig: Rig

        init() throws { rig = try Rig() }

        @Test func `each client stays in the database that it selected`() throws {
            let clients = try (0..<16).map { _ in try rig.client() }
            for (number, client) in clients.enumerated() {
                #expect(try client.call("SELECT", "\(number)") == .simple("OK"))
                #expect(try client.call("SET", "where", "\(number)") == .simple("OK"))
            }
            for _ in 0..<20 {
                for client in clients.shuffled() { try client.write("GET", "where") }
                for (number, client) in clients.enumerated() { #expect(try client.receive() == .bulk("\(number)")) }
            }
            #expect(try rig.client().call("GET", "where") == .bulk("0"))
            #expect(try rig.direct().call("INFO", "keyspace").text?.contains("db15:keys=1") == true)
        }

        @Test func `a client that left takes its database along`() throws {
            for round in 0..<20 {
                let client = try rig.client()
                try client.call("SELECT", "7")
                try client.call("SET", "k\(round)", "seven")
                client.close()
                #expect(try rig.client().call("GET", "k\(round)") == .null)
            }
        }

        @Test func `a failed SELECT changes nothing`() throws {
            let client = try rig.client()
            try client.call("SELECT", "3")
            #expect(try client.call("SELECT", "99").errorText == "ERR DB index is out of range")
            #expect(try client.call("SELECT", "x").errorText == "ERR value is not an integer or out of range")
            try client.call("SET", "k", "three")
            #expect(try rig.client().call("GET", "k") == .null)
        }

        @Test func `nobody is queued by another client's MULTI`() throws {
            let (owner, other) = (try rig.client(), try rig.client())
            #expect(try owner.call("MULTI") == .simple("OK"))
            #expect(try owner.call("SET", "k", "1") == .simple("QUEUED"))
            for _ in 0..<50 { #expect(try other.call("GET", "k") == .null) }
            #expect(try owner.call("GET", "k") == .simple("QUEUED"))
            #expect(try owner.call("EXEC") == .array([.simple("OK"), .bulk("1")]))
            #expect(try other.call("GET", "k") == .bulk("1"))
        }

        @Test func `many transactions at once stay whole`() throws {
            let clients = try (0..<20).map { _ in try rig.client() }
            for round in 0..<10 {
                for (n, client) in clients.enumerated() {
                    try client.send(raw: "MULTI\r\nINCR t:\(n)\r\n")
                }
                for (n, client) in clients.enumerated().shuffled() {
                    try client.send(raw: "GET t:\(n)\r\nEXEC\r\nPING\r\n")
                }
                for client in clients {
                    let answers = try client.receive(count: 5)
                    #expect(answers[0...2] == [.simple("OK"), .simple("QUEUED"), .simple("QUEUED")])
                    #expect(answers[3] == .array([.integer(Int64(round + 1)), .bulk("\(round + 1)")]))
                    #expect(answers[4] == .simple("PONG"))
                }
            }
        }

        @Test func `nested MULTI, EXEC alone, DISCARD alone and WATCH inside are refused in Redis's words`() throws {
            let client = try rig.client()
            #expect(try client.call("EXEC").errorText == "ERR EXEC without MULTI")
            #expect(try client.call("DISCARD").errorText == "ERR DISCARD without MULTI")
            try client.call("MULTI")
            #expect(try client.call("MULTI").errorText == "ERR MULTI calls can not be nested")
            #expect(try client.call("WATCH", "k").errorText == "ERR WATCH inside MULTI is not allowed")
            #expect(try client.call("NOSUCH").errorText?.hasPrefix("ERR unknown command") == true)
            #expect(try client.call("EXEC").errorText?.hasPrefix("EXECABORT") == true)
            #expect(try client.call("PING") == .simple("PONG"))
        }

        @Test func `a client that leaves in MULTI leaves nothing behind`() throws {
            for round in 0..<20 {
                let client = try rig.client()
                try client.send(raw: "MULTI\r\nSET left 1\r\n")
                _ = try client.receive(count: 2)
                round % 2 == 0 ? client.close() : client.reset()
                for _ in 0..<3 { #expect(try rig.client().call("SET", "k", "v") == .simple("OK")) }
            }
            #expect(try rig.direct().call("EXISTS", "left") == .integer(0))
        }

        @Test func `WATCH fails only the transaction of the client that watches`() throws {
            let (watcher, other) = (try rig.client(), try rig.client())
            try watcher.call("WATCH", "k")
            try other.call("SET", "k", "changed")
            try other.call("MULTI")
            try other.call("GET", "k")
            #expect(try other.call("EXEC") == .array([.bulk("changed")]))
            try watcher.call("MULTI")
            try watcher.call("SET", "k", "mine")
            #expect(try watcher.call("EXEC") == .nullArray)
            #expect(try other.call("GET", "k") == .bulk("changed"))
        }

        @Test func `WATCH holds until EXEC, UNWATCH or the client's end, and no longer`() throws {
            let (watcher, other) = (try rig.client(), try rig.client())
            try watcher.call("WATCH", "k")
            try watcher.call("UNWATCH")
            try other.call("SET", "k", "1")
            try watcher.call("MULTI")
            try watcher.call("GET", "k")
            #expect(try watcher.call("EXEC") == .array([.bulk("1")]))
            let gone = try rig.client()
            try gone.call("WATCH", "k")
            gone.close()
            try other.call("SET", "k", "2")
            for _ in 0..<5 {
                let next = try rig.client()
                try next.send(raw: "MULTI\r\nGET k\r\nEXEC\r\n")
                #expect(try next.receive(count: 3)[2] == .array([.bulk("2")]))
            }
        }

        @Test func `a client's name is its own`() throws {
            let clients = try (0..<8).map { _ in try rig.client() }
            for (n, client) in clients.enumerated() { try client.call("CLIENT", "SETNAME", "name-\(n)") }
            for _ in 0..<10 {
                for (n, client) in clients.enumerated().shuffled() {
                    #expect(try client.call("CLIENT", "GETNAME") == .bulk("name-\(n)"))
                }
            }
            let name = try rig.client().call("CLIENT", "GETNAME")
            #expect(name == .null || name == .bulk(""))
        }

        @Test func `CLIENT REPLY OFF and SKIP silence one client only`() throws {
            let (quiet, other) = (try rig.client(), try rig.client())
            try quiet.send(raw: "CLIENT REPLY SKIP\r\nSET a 1\r\nPING\r\n")
            #expect(try quiet.receive() == .simple("PONG"))
            try quiet.send(raw: "CLIENT REPLY OFF\r\nSET a 2\r\nGET a\r\n")
            for _ in 0..<10 { #expect(try other.call("PING") == .simple("PONG")) }
            try eventually("the silent SET to be carried out") { try other.call("GET", "a") == .bulk("2") }
            #expect(quiet.staysSilent(for: 0.1))
            try quiet.send(raw: "CLIENT REPLY ON\r\nGET a\r\n")
            #expect(try quiet.receive(count: 2) == [.simple("OK"), .bulk("2")])
        }

        @Test func `RESP2 and RESP3 clients each get answers of their protocol`() throws {
            let (two, three) = (try rig.client(), try rig.client3())
            try two.call("HSET", "h", "f", "v")
            for _ in 0..<20 {
                try two.write("HGETALL", "h")
                try three.write("HGETALL", "h")
                #expect(try two.receive() == .array([.bulk("f"), .bulk("v")]))
                #expect(try three.receive() == .map([.bulk("f"), .bulk("v")]))
            }
            #expect(try three.call("GET", "none") == .null)
            try three.call("HELLO", "2")
            #expect(try three.call("HGETALL", "h") == .array([.bulk("f"), .bulk("v")]))
        }

        @Test func `RESET brings a client back to its first state`() throws {
            let client = try rig.client3()
            try client.call("SELECT", "4")
            try client.call("MULTI")
            #expect(try client.call("RESET") == .simple("RESET"))
            #expect(try client.call("SET", "k", "zero") == .simple("OK"))
            #expect(try rig.direct().call("GET", "k") == .bulk("zero"))
            try client.call("HSET", "h", "f", "v")
            #expect(try client.call("HGETALL", "h") == .array([.bulk("f"), .bulk("v")]))
        }

        @Test func `QUIT is answered, what comes before it too, and what comes after is not`() throws {
            let client = try rig.client()
            try client.send(raw: "SET k v\r\nGET k\r\nQUIT\r\nSET k after\r\n")
            #expect(try client.receive(count: 3) == [.simple("OK"), .bulk("v"), .simple("OK")])
            #expect(try client.receiveUntilClosed().isEmpty)
            #expect(try rig.client().call("GET", "k") == .bulk("v"))
        }
    }
}
