// Topologies that are right: both dialects, defaults, units, references, names, upstreams, sub-chains.

import CWeir
import Testing
import WeirConfig

struct TopologyTests {
    @Test func `the 0_7 dialect reads as it is`() throws {
        let (topology, diagnostics) = Sample.read(
            """
            sources:
              - Valkey:
                  name: "valkey"
                  listen_addr: "127.0.0.1:6379"
                  timeout: 60
                  chain:
                    - QueryCounter: {name: "main"}
                    - DebugPrinter
                    - ValkeySinkSingle: {remote_address: "127.0.0.1:1111", connect_timeout_ms: 3000}
            """)
        #expect(DiagnosticRenderer().text(diagnostics) == "")
        let source = try #require(topology?.sources.first)
        #expect(source.name == "valkey")
        #expect(source.protocolName == "resp")
        #expect(source.listenAddress == "127.0.0.1:6379")
        #expect(source.connectionLimit == 512)
        #expect(!source.hardConnectionLimit)
        #expect(source.idleTimeoutNanoseconds == 60_000_000_000)
        #expect(source.chain.sites.map(\.name) == ["QueryCounter", "DebugPrinter", "RedisSinkSingle"])
        #expect(source.chain.sites[0].optionsJSON == #"{"counter_name":"main"}"#)
        let upstream = try #require(source.chain.sites[2].upstreams.first)
        #expect(upstream.pointer == "")
        #expect(upstream.upstream.addresses == ["127.0.0.1:1111"])
        #expect(upstream.upstream.connectTimeoutNanoseconds == 3_000_000_000)
        #expect(upstream.upstream.requestTimeoutNanoseconds == 30_000_000_000)
    }

    @Test func `the 0_8 dialect reads as it is, beside the other in one file`() throws {
        let (topology, diagnostics) = Sample.read(
            Sample.topology(
                chain: """
                    - QueryCounter: {name: qc, counter_name: main}
                    - QueryCounter: {name: second}
                    - QueryCounter: {counter_name: third}
                    - NullSink: {name: null-sink}
                    """))
        #expect(DiagnosticRenderer().text(diagnostics) == "")
        let sites = try #require(topology?.sources.first?.chain.sites)
        #expect(sites.map(\.name) == ["qc", "QueryCounter", "QueryCounter-2", "null-sink"])
        #expect(
            sites.map(\.optionsJSON).prefix(3) == [
                #"{"counter_name":"main"}"#, #"{"counter_name":"second"}"#, #"{"counter_name":"third"}"#,
            ])
    }

    @Test func `the file's own fields are read`() throws {
        let head =
            "plugins: [a.so, /b]\nworkers: 4\nobservability_interface: \"[::1]:9001\"\n"
            + "main_log_level: \"info, shotover=debug, shotover::x=trace\"\n"
        let (topology, diagnostics) = TopologyReader.read(
            text: head + Sample.topology(chain: "- NullSink"), file: "conf/topology.yaml", catalog: Sample.catalog,
            environment: { _ in nil })
        #expect(diagnostics.isEmpty)
        let read = try #require(topology)
        #expect(read.pluginPaths == ["conf/a.so", "/b"])
        #expect(read.workerCount == 4)
        #expect(read.adminAddress == "[::1]:9001")
        #expect(read.logLevel == "debug")
    }

    @Test func `plugins are known before anything else is checked`() {
        let text = "plugins: [a.so, \"${env:DIR}\"]\nsources: [Nonsense]\n"
        let lookup = ReferenceLookup(environment: { $0 == "DIR" ? "/opt/plugins" : nil })
        let paths = TopologyReader.pluginPaths(bytes: Array(text.utf8), file: "/etc/weir/t.yaml", lookup: lookup)
        #expect(paths.map(\.path) == ["/etc/weir/a.so", "/opt/plugins"])
        #expect(paths.first?.position.start == SourcePosition(line: 1, column: 11))
        #expect(
            TopologyReader.pluginPaths(bytes: Array("plugins: x.so".utf8), file: "t", lookup: lookup).map(\.path) == [
                "x.so"
            ])
        #expect(TopologyReader.pluginPaths(bytes: Array("[".utf8), file: "t", lookup: lookup).isEmpty)
    }

    @Test func `Shotover's config_yaml is read as it is shipped`() {
        let shipped = """
            main_log_level: "info, shotover=info, shotover::connection_span=info"
            observability_interface: "0.0.0.0:9001"
            """
        let lookup = ReferenceLookup(environment: { _ in nil })
        let (settings, diagnostics) = TopologyReader.settings(
            bytes: Array(shipped.utf8), file: "config.yaml", lookup: lookup)
        #expect(diagnostics.isEmpty)
        #expect(settings == Settings(adminAddress: "0.0.0.0:9001", logLevel: "info"))
        let bad = TopologyReader.settings(
            bytes: Array("main_log_level: inof\nobservability_interface: \"localhost\"\nx: 1\n".utf8), file: "c",
            lookup: lookup)
        #expect(bad.settings == nil)
        #expect(bad.diagnostics.map(\.code) == [.badLogLevel, .badAddress, .unknownField])
    }

    @Test(
        arguments: [
            ("info", "info"), ("WARN", "warn"), ("info, shotover=debug", "debug"),
            ("shotover=debug, weir=error", "error"),
            ("off", "off"), ("hyper=debug", nil), ("shotover::codec=trace,warn", "warn"),
        ] as [(String, String?)])
    func `log levels are read as Shotover reads them`(text: String, level: String?) {
        let (topology, _) = Sample.read("log_level: \"\(text)\"\n" + Sample.topology(chain: "- NullSink"))
        #expect(topology != nil)
        #expect(topology?.logLevel == level)
    }

    @Test func `references give text, and numbers where numbers are wanted`() throws {
        let (topology, diagnostics) = Sample.read(
            Sample.topology(
                chain:
                    "- RedisSinkSingle:\n    remote_address: ${env:UPSTREAM}\n    password: ${env:PW}\n    request_timeout: ${env:T}",
                extra: "      connection_limit: ${env:LIMIT}\n"),
            environment: ["UPSTREAM": "redis.internal:6379", "PW": "12345", "T": "5s", "LIMIT": "7"])
        #expect(DiagnosticRenderer().text(diagnostics) == "")
        let source = try #require(topology?.sources.first)
        #expect(source.connectionLimit == 7)
        let upstream = try #require(source.chain.sites[0].upstreams.first?.upstream)
        #expect(upstream.addresses == ["redis.internal:6379"])
        #expect(upstream.password == "12345")
        #expect(upstream.requestTimeoutNanoseconds == 5_000_000_000)
    }

    @Test func `a referenced file is read, without its last newline`() throws {
        let lookup = ReferenceLookup(
            environment: { _ in nil },
            readFile: {
                $0 == "/run/secrets/pw" ? .success(Array("hunter2\n".utf8)) : .failure(ConfigFileError(text: "no"))
            })
        let text = Sample.topology(
            chain: "- RedisSinkSingle: {remote_address: \"a:1\", password: \"${file:/run/secrets/pw}\"}")
        let topology = TopologyReader.read(bytes: Array(text.utf8), file: "t", catalog: Sample.catalog, lookup: lookup)
            .topology
        #expect(topology?.sources[0].chain.sites[0].upstreams[0].upstream.password == "hunter2")
    }

    @Test func `what a reference stands for is never told`() {
        let environment = ["SECRET": "s3cr3t value"]
        for field in ["remote_address", "request_timeout", "connection_count", "connect_timeout_ms"] {
            let address = field == "remote_address" ? "" : "remote_address: \"a:1\", "
            let printed = Sample.printed(
                Sample.topology(chain: "- RedisSinkSingle: {\(address)\(field): \"${env:SECRET}\"}"),
                environment: environment)
            #expect(printed.contains("error["), "\(field)")
            #expect(!printed.contains("s3cr3t"), "\(printed)")
        }
    }

    @Test func `credentials of an upstream do not reach the plugin`() throws {
        let site = try #require(
            Sample.read(
                Sample.topology(chain: "- RedisSinkSingle: {remote_address: \"a:1\", username: joe, password: hunter2}")
            ).0?.sources[0].chain.sites[0])
        #expect(!site.optionsJSON.contains("hunter2"))
        #expect(!site.optionsJSON.contains("joe"))
        #expect(site.optionsJSON.contains(#""remote_address":"a:1""#))
        #expect(site.upstreams[0].upstream.user == "joe")
    }

    @Test func `upstreams and sub-chains inside of options are found by their pointers`() throws {
        let (topology, diagnostics) = Sample.read(
            Sample.topology(
                chain: """
                    - Tee:
                        name: mirror
                        chain:
                          - Tee: {chain: [NullSink]}
                          - RedisSinkSingle: {remote_address: "b:2"}
                    - RedisSinkCluster: {seed: {remote_address: "[::1]:7000", connection_count: 3, request_timeout: 0}}
                    """))
        #expect(DiagnosticRenderer().text(diagnostics) == "")
        let sites = try #require(topology?.sources[0].chain.sites)
        let chain = try #require(sites[0].subchains.first)
        #expect(chain.pointer == "/chain")
        #expect(chain.chain.name == "redis/mirror/chain")
        #expect(chain.chain.sites[0].subchains[0].chain.name == "redis/mirror/chain/Tee/chain")
        #expect(sites[0].optionsJSON == #"{"chain":"redis/mirror/chain","buffer_size":5,"memory":16777216}"#)
        let upstream = try #require(sites[1].upstreams.first)
        #expect(upstream.pointer == "/seed")
        #expect(upstream.upstream.addresses == ["[::1]:7000"])
        #expect(upstream.upstream.connectionCount == 3)
        #expect(upstream.upstream.requestTimeoutNanoseconds == 0)
    }

    @Test func `pointers into options lead to their place in the file`() throws {
        let site = try #require(
            Sample.read(
                Sample.topology(chain: "- QueryTypeFilter:\n    AllowList:\n      - Read\n      - Write\n- NullSink")
            ).0?.sources[0].chain.sites[0])
        #expect(site.position(of: "/AllowList/1").start == SourcePosition(line: 9, column: 17))
        #expect(site.position(of: "/AllowList").start == SourcePosition(line: 7, column: 13))
        #expect(site.position(of: "/AllowList/7").start == SourcePosition(line: 7, column: 13))
        #expect(site.position(of: "/nothing").start == SourcePosition(line: 6, column: 11))
        #expect(site.position(of: "").start == site.position.start)
    }

    @Test func `a source on port 0 may stand twice, and IPv4 beside IPv6`() {
        let text = """
            sources:
              - Redis: {name: a, listen_addr: "127.0.0.1:0", chain: [NullSink]}
              - Redis: {name: b, listen_addr: "127.0.0.1:0", chain: [NullSink]}
              - Redis: {name: c, listen_addr: "0.0.0.0:1", chain: [NullSink]}
              - Redis: {name: d, listen_addr: "[::1]:1", chain: [NullSink]}
            """
        #expect(Sample.printed(text) == "")
        #expect(
            Sample.printed(text + "\n  - Redis: {name: e, listen_addr: \"[::]:1\", chain: [NullSink]}").contains(
                "W0116"))
    }

    @Test func `a plugin's broken schema is told where its transform stands`() {
        let broken = Sample.transform("Broken", schema: "{\"type\":")
        let (topology, diagnostics) = TopologyReader.read(
            text: Sample.topology(chain: "- Broken\n- NullSink"), file: "t", catalog: [broken, Sample.null],
            environment: { _ in nil })
        #expect(topology == nil)
        #expect(diagnostics.map(\.code) == [.pluginBadSchema])
        #expect(diagnostics[0].message.hasPrefix("the option schema of 'Broken' (plugin Essentials 1.0.0) is broken: "))
    }

    @Test func `translated protocols are followed down the chain`() {
        let toCQL = Sample.transform("ToCql", emits: "cql")
        let sink = Sample.transform("CqlSink", accepts: "cql", emits: "")
        func codes(_ chain: String) -> [DiagnosticCode] {
            TopologyReader.read(
                text: Sample.topology(chain: chain), file: "t", catalog: [toCQL, sink, Sample.counter, Sample.null],
                environment: { _ in nil }
            ).diagnostics.map(\.code)
        }
        #expect(codes("- ToCql\n- QueryCounter: {counter_name: a}\n- CqlSink") == [])
        #expect(codes("- QueryCounter: {counter_name: a}\n- CqlSink") == [.protocolMismatch])
        #expect(codes("- ToCql\n- ToCql\n- CqlSink") == [.protocolMismatch])
    }

    @Test func `an unreadable file is told in the system's words`() {
        guard case .failure(let error) = ConfigFile.read("/nonexistent/topology.yaml") else {
            Issue.record("it was read")
            return
        }
        let text = DiagnosticRenderer().text(ConfigFile.unreadable("/nonexistent/topology.yaml", error))
        #expect(
            text == "/nonexistent/topology.yaml: error[W0001]: the file cannot be read: No such file or directory\n")
    }
}
