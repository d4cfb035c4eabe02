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
}
