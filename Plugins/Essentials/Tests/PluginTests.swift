// What libEssentials.so says of itself.

import CWeir
import Testing
import WeirConfig
import WeirTesting

@Suite struct PluginTests {
    @Test func `the library offers its five transforms under their names`() throws {
        let host = try Essentials.host()
        let plugin = host.plugin.pointee
        #expect(String(cString: plugin.name) == "Essentials")
        #expect(plugin.transform_count == 5)
        for id in ["RedisSinkSingle", "NullSink", "DebugPrinter", "QueryCounter", "QueryTypeFilter"] {
            let transform = try #require(host.transform(id), "\(id) is missing").pointee
            #expect(String(cString: transform.accepts) == "resp")
            #expect(transform.flags == 0)
        }
    }

    @Test(arguments: ["RedisSinkSingle", "NullSink", "DebugPrinter", "QueryCounter", "QueryTypeFilter"])
    func `the schema of a transform's options is one that the host understands`(id: String) throws {
        let host = try Essentials.host()
        let schema = String(cString: try #require(host.transform(id)).pointee.config_schema)
        switch OptionsSchema.compile(schema) {
        case .success: break
        case .failure(let problems): Issue.record("\(id): \(problems.description)")
        }
    }

    @Test func `sinks send nothing on, the others what they got`() throws {
        let host = try Essentials.host()
        for (id, emits) in [
            ("RedisSinkSingle", ""), ("NullSink", ""), ("DebugPrinter", "="), ("QueryCounter", "="),
            ("QueryTypeFilter", "="),
        ] {
            let transform = try #require(host.transform(id)).pointee
            #expect(String(cString: transform.emits) == emits, "\(id)")
        }
    }
}

@Suite struct SinkTests {
    @Test func `RedisSinkSingle routes each batch whole to the server of its options`() throws {
        let host = try Essentials.host()
        let client = try host.start("RedisSinkSingle", #"{"remote_address":"192.0.2.1:6379"}"#).connect()
        let exchanges = client.requests(["SET k v", "MONITOR", "QUIT"])
        #expect(exchanges.allSatisfy { $0.outcome == .routed && $0.target == "" })
        #expect(host.misuseCount == 0)
    }

    @Test func `RedisSinkSingle counts error replies and nothing else`() throws {
        let host = try Essentials.host()
        let client = try host.start("RedisSinkSingle").connect()
        #expect(host.series == ["failed_requests_total{}"])
        let exchange = client.request("GET k")
        #expect(exchange.respond("$-1\r\n") == "$-1\r\n")
        #expect(host.metric("failed_requests_total") == 0)
        #expect(client.request("INCR k").respond("-ERR no\r\n") == "-ERR no\r\n")
        #expect(host.metric("failed_requests_total") == 1)
    }

    @Test func `NullSink answers each request with its error, in the words of the reference`() throws {
        let host = try Essentials.host()
        let client = try host.start("NullSink").connect()
        for exchange in client.requests(["SET k v", "PING", "HELLO 3"]) {
            #expect(exchange.outcome == .failed)
            #expect(exchange.answer == "-ERR Handled by shotover null transform\r\n")
        }
        #expect(host.heldCount == 0)
        #expect(host.misuseCount == 0)
    }
}

@Suite struct DebugPrinterTests {
    private let options = #"{"show_payload":false,"lines_per_second":1000}"#

    @Test func `a line tells the command, how many arguments and how many bytes, and no payload`() throws {
        let host = try Essentials.host()
        let client = try host.start("DebugPrinter", options).connect()
        client.request("SET secretkey secretvalue").respond("-ERR secretkey is secret\r\n")
        #expect(host.log.contains("INFO Request: SET arguments=2 bytes=46"))
        #expect(host.log.contains("INFO Response: SET bytes=26 error"))
        #expect(!host.log.contains("secret"))
    }

    @Test func `a command that nobody knows is not named, for its name is the client's`() throws {
        let host = try Essentials.host()
        let client = try host.start("DebugPrinter", options).connect()
        client.request("secret x")
        #expect(host.log.contains("Request: unknown arguments=1"))
        #expect(!host.log.contains("secret"))
    }

    @Test func `payload is shown when asked for, escaped and cut`() throws {
        let host = try Essentials.host()
        let client = try host.start("DebugPrinter", #"{"show_payload":true,"lines_per_second":0}"#).connect()
        client.request("SET \"a\nb\u{1b}c\" \(String(repeating: "v", count: 100))")
        #expect(host.log.contains(#"payload="SET" "a\nb\x1bc" ""#))
        #expect(host.log.contains("v\"+36 "))
        host.clearLog()
        client.request("DEL k1 k2 k3 k4 k5 k6 k7 k8 k9").respond(":9\r\n")
        #expect(host.log.contains(#""k7" … bytes="#))
        #expect(host.log.contains("Response: DEL payload=9 bytes=4"))
    }

    @Test func `beyond its lines per second it counts what it leaves out`() throws {
        let host = try Essentials.host()
        let client = try host.start("DebugPrinter", #"{"show_payload":false,"lines_per_second":2}"#).connect()
        client.requests(["GET a", "GET b", "GET c", "GET d"])
        #expect(host.log.split(separator: "\n").count == 2)
        host.advance(nanoseconds: 1_000_000_000)
        client.request("GET e")
        let lines = host.log.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[2] == "INFO lines left out: 2")
    }

    @Test func `above level info it says nothing`() throws {
        let host = try Essentials.host()
        let client = try host.start("DebugPrinter", options).connect()
        host.logLevel = 3
        client.request("GET a").respond("$-1\r\n")
        #expect(host.log.isEmpty)
    }
}

@Suite struct QueryCounterTests {
    private func labels(_ query: String) -> String { "name=main,query=\(query),type=redis" }

    @Test func `each command is counted under its name, whatever its letters`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryCounter", #"{"counter_name":"main"}"#).connect()
        client.requests(["SET a 1", "get a", "GET b", "MULTI", "INCR a", "EXEC"])
        #expect(host.metric("query_count", labels("GET")) == 2)
        #expect(host.metric("query_count", labels("SET")) == 1)
        #expect(host.metric("query_count", labels("INCR")) == 1)
        #expect(host.metric("query_count", labels("MULTI")) == 1)
        #expect(host.metric("query_count", labels("EXEC")) == 1)
    }

    @Test func `commands that nobody knows make no series of their own`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryCounter", #"{"counter_name":"main"}"#).connect()
        #expect(host.series == ["query_count{\(labels("unknown"))}"])
        client.requests((0..<100).map { "NOSUCH\($0) x" } + ["\"x\"y\" 1", "\"é\n\" 2"])
        #expect(host.series == ["query_count{\(labels("unknown"))}"])
        #expect(host.metric("query_count", labels("unknown")) == 102)
    }

    @Test func `a series appears with the first command of its name`() throws {
        let host = try Essentials.host()
        let client = try host.start("QueryCounter", #"{"counter_name":"main"}"#).connect()
        client.request("GET a")
        #expect(host.series == ["query_count{\(labels("GET"))}", "query_count{\(labels("unknown"))}"])
    }

    @Test func `when the host has no room for a series the requests pass all the same`() throws {
        let host = try Essentials.host()
        host.maximumMetricCount = 1
        let client = try host.start("QueryCounter", #"{"counter_name":"main"}"#).connect()
        #expect(client.requests(["GET a", "GET b"]).allSatisfy { $0.outcome == .passed })
        #expect(host.series.count == 1)
    }

    @Test(arguments: ["a,b", "a=b", #"a\"b"#, #"a\\b"#, #"a\nb"#])
    func `a name that would break the labels is refused at its option`(name: String) throws {
        let host = try Essentials.host()
        #expect(throws: TestHost.Refused.self) {
            try host.start("QueryCounter", "{\"counter_name\":\"\(name)\"}")
        }
        #expect(host.log.contains("/counter_name: ERROR must not contain"))
    }

    @Test func `without a name it is refused`() throws {
        let host = try Essentials.host()
        #expect(throws: TestHost.Refused.self) { try host.start("QueryCounter") }
        #expect(host.log.contains("counter_name is missing"))
    }
}
