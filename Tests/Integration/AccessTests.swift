// ACL users: whoever is logged in has his own rights and never another's.

import Testing
import WeirTestSupport

extension Integration {
    @Suite struct Access {
        let rig: Rig

        init() throws {
            rig = try Rig(["--requirepass", "secret"])
        }

        private func addUsers() throws -> RespClient {
            let admin = try rig.redis.client()
            try admin.call("AUTH", "secret")
            for user in ["alice", "bob"] {
                try admin.call(
                    "ACL", "SETUSER", user, "on", ">\(user)-pw", "~\(user):*", "&\(user):*", "+@all", "-@dangerous")
            }
            return admin
        }

        @Test func `users that work at the same time never meet`() throws {
            _ = try addUsers()
            var clients: [(String, RespClient)] = []
            for n in 0..<12 {
                let user = n % 2 == 0 ? "alice" : "bob"
                let client = try rig.client()
                #expect(try client.call("AUTH", user, "\(user)-pw") == .simple("OK"))
                clients.append((user, client))
            }
            for round in 0..<20 {
                for (user, client) in clients.shuffled() {
                    let other = user == "alice" ? "bob" : "alice"
                    try client.send(
                        raw: "ACL WHOAMI\r\nSET \(user):k \(user)\(round)\r\nGET \(user):k\r\nGET \(other):k\r\n")
                }
                for (user, client) in clients {
                    let answers = try client.receive(count: 4)
                    #expect(answers[0] == .bulk(user))
                    #expect(answers[1] == .simple("OK"))
                    #expect(answers[2] == .bulk("\(user)\(round)"))
                    #expect(answers[3].errorText?.hasPrefix("NOPERM") == true, "\(user) saw \(answers[3])")
                }
            }
        }

        @Test func `who has not logged in gets nothing, however many others have`() throws {
            _ = try addUsers()
            for round in 0..<10 {
                let alice = try rig.client()
                try alice.call("AUTH", "alice", "alice-pw")
                try alice.call("SET", "alice:k", "v")
                if round % 2 == 0 { alice.close() }
                let stranger = try rig.client()
                #expect(try stranger.call("GET", "alice:k").errorText == "NOAUTH Authentication required.")
                #expect(try stranger.call("ACL", "WHOAMI").errorText?.hasPrefix("NOAUTH") == true)
                #expect(try stranger.call("AUTH", "alice", "wrong").errorText?.hasPrefix("WRONGPASS") == true)
                #expect(try stranger.call("GET", "alice:k").errorText?.hasPrefix("NOAUTH") == true)
                #expect(try stranger.call("AUTH", "secret") == .simple("OK"))
                #expect(try stranger.call("ACL", "WHOAMI") == .bulk("default"))
            }
        }

        @Test func `a failed AUTH keeps the user that was logged in before`() throws {
            _ = try addUsers()
            let client = try rig.client()
            try client.call("AUTH", "alice", "alice-pw")
            #expect(try client.call("AUTH", "bob", "wrong").errorText?.hasPrefix("WRONGPASS") == true)
            #expect(try client.call("ACL", "WHOAMI") == .bulk("alice"))
            #expect(try client.call("AUTH", "bob", "bob-pw") == .simple("OK"))
            #expect(try client.call("ACL", "WHOAMI") == .bulk("bob"))
            #expect(try client.call("GET", "alice:k").errorText?.hasPrefix("NOPERM") == true)
        }

        @Test func `a user's right taken away at the server ends at once for the clients that are there`() throws {
            let admin = try addUsers()
            let alice = try rig.client()
            try alice.call("AUTH", "alice", "alice-pw")
            #expect(try alice.call("SET", "alice:k", "1") == .simple("OK"))
            try admin.call("ACL", "SETUSER", "alice", "-set")
            #expect(try alice.call("SET", "alice:k", "2").errorText?.hasPrefix("NOPERM") == true)
        }

        @Test func `a password changed at the server keeps out who still uses the old one`() throws {
            let admin = try addUsers()
            let first = try rig.client()
            #expect(try first.call("AUTH", "alice", "alice-pw") == .simple("OK"))
            try first.call("SET", "alice:k", "1")
            try admin.call("ACL", "SETUSER", "alice", "resetpass", ">new-pw")
            let second = try rig.client()
            #expect(try second.call("AUTH", "alice", "alice-pw").errorText?.hasPrefix("WRONGPASS") == true)
            #expect(try second.call("GET", "alice:k").errorText?.hasPrefix("NOAUTH") == true)
            #expect(try second.call("AUTH", "alice", "new-pw") == .simple("OK"))
            #expect(try second.call("GET", "alice:k") == .bulk("1"))
        }

        @Test func `HELLO logs in, and each user's channels are his own`() throws {
            _ = try addUsers()
            let alice = try rig.client()
            #expect(try alice.call("HELLO", "3", "AUTH", "alice", "alice-pw", "SETNAME", "a").elements.isEmpty == false)
            #expect(try alice.call("ACL", "WHOAMI") == .bulk("alice"))
            #expect(try alice.call("CLIENT", "GETNAME") == .bulk("a"))
            #expect(try alice.call("SUBSCRIBE", "bob:news").errorText?.hasPrefix("NOPERM") == true)
        }

        @Test func `before AUTH many arguments and long ones are refused and cost nothing`() throws {
            let many = try rig.client()
            try many.send(raw: "*1000\r\n")
            #expect(
                try String(decoding: many.receiveUntilClosed(), as: UTF8.self)
                    == "-ERR Protocol error: unauthenticated multibulk length\r\n")
            let long = try rig.client()
            try long.send(raw: "*2\r\n$4\r\nAUTH\r\n$100000\r\n")
            #expect(
                try String(decoding: long.receiveUntilClosed(), as: UTF8.self)
                    == "-ERR Protocol error: unauthenticated bulk length\r\n")
        }
    }
}
