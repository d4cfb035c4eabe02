// QueryTypeFilter: what each kind of command is, what the lists refuse, and what becomes of a transaction.

import Testing
import WeirTesting

private let refused = "-ERR Message was filtered out by shotover\r\n"
private let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n"

@Suite struct QueryKindTests {
    /// Every command of the test host's table with the one word that refuses it as a DenyList.
    static let kinds: [(String, String)] = [
        ("GET k", "Read"), ("EXISTS k", "Read"), ("TTL k", "Read"), ("SCAN 0", "Read"), ("MGET a b", "Read"),
        ("INFO", "Read"), ("EVAL_RO x 0", "Read"), ("SET k v", "Write"), ("APPEND k v", "Write"), ("INCR k", "Write"),
        ("BLPOP k 0", "Write"), ("FLUSHALL", "Write"), ("EVAL x 0", "ReadWrite"), ("FCALL f 0", "ReadWrite"),
        ("NOSUCH x", "ReadWrite"), ("FUNCTION LOAD x", "SchemaChange"), ("SHUTDOWN", "SchemaChange"),
        ("PUBLISH c m", "PubSubMessage"), ("SUBSCRIBE c", "PubSubMessage"),
    ]

    @Test(arguments: kinds)
    func `a command is refused by the word for what it does`(command: String, kind: String) throws {
        let host = try Essentials.host()
        let denied = try host.start("QueryTypeFilter", #"{"DenyList":["\#(kind)"]}"#).connect().request(command)
        #expect(denied.outcome == .failed)
        #expect(denied.answer == refused)
        let allowed = try host.start("QueryTypeFilter", #"{"AllowList":["\#(kind)"]}"#).connect().request(command)
        #expect(allowed.outcome == .passed)
    }

    @Test(arguments: kinds)
    func `a command passes a DenyList of all other words, unless it may do one of them`(command: String, kind: String)
        throws
    {
        let host = try Essentials.host()
        let others = ["Read", "Write", "ReadWrite", "SchemaChange", "PubSubMessage"].filter { $0 != kind }
        let list = others.map { "\"\($0)\"" }.joined(separator: ",")
        let exchange = try host.start("QueryTypeFilter", #"{"DenyList":[\#(list)]}"#).connect().request(command)
        // A script may write: where writes are refused it must not pass.
        #expect(exchange.outcome == (kind == "ReadWrite" ? .failed : .passed))
    }

    @Test(arguments: ["PING", "AUTH p", "HELLO 3", "SELECT 1", "CLIENT ID", "MULTI", "WATCH k", "EXEC"])
    func `what is about the connection or a transaction always passes`(command: String) throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"AllowList":[]}"#).connect()
        #expect(client.request(command).outcome == .passed)
        #expect(client.request("GET k").answer == refused)
    }

    @Test func `where reads and writes are both allowed, scripts are`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"AllowList":["Read","Write"]}"#).connect()
        #expect(client.request("EVAL x 0").outcome == .passed)
        #expect(client.request("SHUTDOWN").outcome == .failed)
    }
}

@Suite struct QueryTypeFilterTests {
    @Test func `refused requests are answered in their places and the others go on untouched`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["GET a", "SET a 1", "GET b"])
        #expect(exchanges.map(\.outcome) == [.passed, .failed, .passed])
        #expect(exchanges[1].answer == refused)
        #expect(exchanges[2].respond("$1\r\nx\r\n") == "$1\r\nx\r\n")
        #expect(host.metric("refused_requests_total") == 1)
        #expect(host.misuseCount == 0)
    }

    @Test(arguments: [#"{}"#, #"{"AllowList":["Read"],"DenyList":["Write"]}"#])
    func `neither list, or both, is refused`(options: String) throws {
        let host = try Essentials.host()
        #expect(throws: TestHost.Refused.self) { try host.start("QueryTypeFilter", options) }
        #expect(host.log.contains("exactly one of AllowList and DenyList"))
    }

    @Test func `a word that is no kind is refused at its place`() throws {
        let host = try Essentials.host()
        #expect(throws: TestHost.Refused.self) { try host.start("QueryTypeFilter", #"{"DenyList":["Read","write"]}"#) }
        #expect(host.log.contains("/DenyList/1: ERROR is not one of Read, Write,"))
    }

    @Test func `an empty list is taken, with a warning`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":[]}"#).connect()
        #expect(client.request("SET a 1").outcome == .passed)
        #expect(host.log.contains("/DenyList: WARN is empty"))
    }

    @Test func `a transaction of which a command was refused is discarded, and its EXEC says EXECABORT`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["MULTI", "GET a", "SET a 1", "GET b", "EXEC", "GET c"])
        #expect(exchanges.map(\.outcome) == [.passed, .passed, .failed, .passed, .passed, .passed])
        #expect(exchanges[2].answer == refused)
        #expect(exchanges[4].wire == "*1\r\n$7\r\nDISCARD\r\n")
        #expect(exchanges[0].respond("+OK\r\n") == "+OK\r\n")
        #expect(exchanges[4].respond("+OK\r\n") == aborted)
        #expect(exchanges[5].respond("$1\r\nx\r\n") == "$1\r\nx\r\n")
        #expect(host.misuseCount == 0)
    }

    @Test func `a transaction without refused commands is executed`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        client.request("SET a 1")
        let exchanges = client.requests(["MULTI", "GET a", "EXEC"])
        #expect(exchanges[2].wire == "*1\r\n$4\r\nEXEC\r\n")
        #expect(exchanges[2].respond("*1\r\n$-1\r\n") == "*1\r\n$-1\r\n")
    }

    @Test func `after a discarded transaction the next one is executed`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["MULTI", "SET a 1", "EXEC", "MULTI", "GET a", "EXEC"])
        #expect(exchanges[2].respond("+OK\r\n") == aborted)
        #expect(exchanges[5].wire == "*1\r\n$4\r\nEXEC\r\n")
        #expect(exchanges[5].respond("*1\r\n$-1\r\n") == "*1\r\n$-1\r\n")
    }

    @Test(arguments: ["DISCARD", "RESET"])
    func `the client may end a spoiled transaction itself`(command: String) throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["MULTI", "SET a 1", command, "MULTI", "EXEC"])
        #expect(exchanges[2].respond("+OK\r\n") == "+OK\r\n")
        #expect(exchanges[4].wire == "*1\r\n$4\r\nEXEC\r\n")
    }

    @Test func `a nested MULTI does not save a spoiled transaction`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["MULTI", "SET a 1", "MULTI", "EXEC"])
        #expect(exchanges[3].respond("+OK\r\n") == aborted)
    }

    @Test func `an EXEC with arguments is the server's to refuse, and the transaction stays spoiled`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        client.requests(["MULTI", "SET a 1"])
        #expect(client.request("EXEC now").wire == "*2\r\n$4\r\nEXEC\r\n$3\r\nnow\r\n")
        #expect(client.request("EXEC").wire == "*1\r\n$7\r\nDISCARD\r\n")
    }

    @Test func `when the server knows of no transaction the client hears that of its EXEC`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#).connect()
        let exchanges = client.requests(["MULTI", "SET a 1", "EXEC"])
        #expect(exchanges[2].respond("-ERR DISCARD without MULTI\r\n") == "-ERR EXEC without MULTI\r\n")
        let others = client.requests(["MULTI", "SET a 1", "EXEC"])
        #expect(others[2].respond("-LOADING wait\r\n") == "-LOADING wait\r\n")
    }

    @Test func `one client's spoiled transaction is nobody else's`() throws {
        let host = try Essentials.host()
        let site = try host.start("QueryTypeFilter", #"{"DenyList":["Write"]}"#)
        let first = try site.connect()
        let second = try site.connect()
        first.requests(["MULTI", "SET a 1"])
        second.requests(["MULTI", "GET a"])
        #expect(second.request("EXEC").wire == "*1\r\n$4\r\nEXEC\r\n")
        #expect(first.request("EXEC").wire == "*1\r\n$7\r\nDISCARD\r\n")
    }
}
