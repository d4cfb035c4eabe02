// One file for each mistake and what is printed about it, exactly. A table.

import Testing

/// A mistake and its diagnostics.
struct GoldenCase: Sendable, CustomTestStringConvertible {
    let name: String
    let file: String
    let expected: String

    var testDescription: String { name }

    init(_ name: String, _ file: String, _ expected: String) {
        self.name = name
        self.file = file
        self.expected = expected + "\n"
    }

    static let all = [
        GoldenCase(
            "a transform that nobody knows gets the nearest one",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisClusterSnk:
                        seed: {remote_address: "a:1"}
            """#,
            #"""
            topology.yaml:6:11: error[W0104]: no transform 'RedisClusterSnk'
               6 |         - RedisClusterSnk:
                 |           ^^^^^^^^^^^^^^^ did you mean 'RedisSinkCluster' (plugin RedisCluster 1.0.0)?
            """#),
        GoldenCase(
            "a Valkey spelling gets a Valkey hint",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - ValkeySinkSngle: {remote_address: "a:1"}
            """#,
            #"""
            topology.yaml:6:11: error[W0104]: no transform 'ValkeySinkSngle'
               6 |         - ValkeySinkSngle: {remote_address: "a:1"}
                 |           ^^^^^^^^^^^^^^^ did you mean 'ValkeySinkSingle' (plugin Essentials 1.0.0)?
            """#),
        GoldenCase(
            "a transform of Shotover that no plugin offers",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Coalesce: {flush_when_buffered_message_count: 5}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0104]: no transform 'Coalesce'
               6 |         - Coalesce: {flush_when_buffered_message_count: 5}
                 |           ^^^^^^^^ Shotover has it, but none of the plugins that were found offers it
            """#),
        GoldenCase(
            "a transform that is like nothing",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Frobnicate
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0104]: no transform 'Frobnicate'
               6 |         - Frobnicate
                 |           ^^^^^^^^^^ 'weir plugins list' shows what there is
            """#),
        GoldenCase(
            "an unknown field of a transform",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_adress: "a:1"}
            """#,
            #"""
            topology.yaml:6:29: error[W0101]: 'RedisSinkSingle' has no field 'remote_adress'
               6 |         - RedisSinkSingle: {remote_adress: "a:1"}
                 |                             ^^^^^^^^^^^^^ did you mean 'remote_address'?
            """#),
        GoldenCase(
            "an unknown field that is like nothing",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {counter_name: a, zzz: 1}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:43: error[W0101]: 'QueryCounter' has no field 'zzz'
               6 |         - QueryCounter: {counter_name: a, zzz: 1}
                 |                                           ^^^ its fields are counter_name, name
            """#),
        GoldenCase(
            "a transform without options that is given one",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - DebugPrinter: {level: 1}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:26: error[W0101]: 'DebugPrinter' has no field 'level'
               6 |         - DebugPrinter: {level: 1}
                 |                          ^^^^^ its fields are name
            """#),
        GoldenCase(
            "an unknown field of a source",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  conection_limit: 5
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:7: error[W0101]: 'Redis' has no field 'conection_limit'
               5 |       conection_limit: 5
                 |       ^^^^^^^^^^^^^^^ did you mean 'connection_limit'?
            """#),
        GoldenCase(
            "an unknown field of the file",
            #"""
            worker: 2
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:1:1: error[W0101]: the topology has no field 'worker'
               1 | worker: 2
                 | ^^^^^^ did you mean 'workers'?
            """#),
        GoldenCase(
            "a missing field of a transform",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {connect_timeout_ms: 3000}
            """#,
            #"""
            topology.yaml:6:11: error[W0102]: 'RedisSinkSingle' needs 'remote_address'
               6 |         - RedisSinkSingle: {connect_timeout_ms: 3000}
                 |           ^^^^^^^^^^^^^^^
            """#),
        GoldenCase(
            "missing fields of a source",
            #"""
            sources:
              - Redis: {}
            """#,
            #"""
            topology.yaml:2:5: error[W0102]: 'Redis' needs 'name'
               2 |   - Redis: {}
                 |     ^^^^^
            topology.yaml:2:5: error[W0102]: 'Redis' needs 'listen_addr'
               2 |   - Redis: {}
                 |     ^^^^^
            topology.yaml:2:5: error[W0102]: 'Redis' needs 'chain'
               2 |   - Redis: {}
                 |     ^^^^^
            """#),
        GoldenCase(
            "an unknown source",
            #"""
            sources:
              - Rediss: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:2:5: error[W0103]: no source 'Rediss'
               2 |   - Rediss: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
                 |     ^^^^^^ did you mean 'Redis'?
            """#),
        GoldenCase(
            "a source that is not built",
            #"""
            sources:
              - Cassandra: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:2:5: error[W0105]: Cassandra sources are not built yet
               2 |   - Cassandra: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
                 |     ^^^^^^^^^ built are Redis and Valkey
            """#),
        GoldenCase(
            "TLS on a source",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  tls: {certificate_path: a}
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:7: error[W0105]: TLS on sources is not built yet
               5 |       tls: {certificate_path: a}
                 |       ^^^ remove 'tls'; it is refused rather than ignored
            """#),
        GoldenCase(
            "TLS to an upstream",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle:
                        remote_address: "a:1"
                        tls: {certificate_authority_path: a}
            """#,
            #"""
            topology.yaml:8:13: error[W0105]: TLS to upstreams is not built yet
               8 |             tls: {certificate_authority_path: a}
                 |             ^^^ remove 'tls'; it is refused rather than ignored
            """#),
        GoldenCase(
            "text in the place of a number",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  connection_limit: "3000"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:25: error[W0106]: 'connection_limit' must be a whole number, but is text
               5 |       connection_limit: "3000"
                 |                         ^^^^^^ write it without quotes
            """#),
        GoldenCase(
            "yes is text",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  hard_connection_limit: yes
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:30: error[W0106]: 'hard_connection_limit' must be true or false, but is text
               5 |       hard_connection_limit: yes
                 |                              ^^^ write true
            """#),
        GoldenCase(
            "a number in the place of text",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {counter_name: 5}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:40: error[W0106]: 'counter_name' must be text, but is a whole number
               6 |         - QueryCounter: {counter_name: 5}
                 |                                        ^ put it in quotes
            """#),
        GoldenCase(
            "a number in the place of a list",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryTypeFilter: {AllowList: 5}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:40: error[W0106]: 'AllowList' must be a list, but is a whole number
               6 |         - QueryTypeFilter: {AllowList: 5}
                 |                                        ^
            """#),
        GoldenCase(
            "a key without a value",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  connection_limit:
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:7: error[W0106]: 'connection_limit' has no value; it must be a whole number
               5 |       connection_limit:
                 |       ^^^^^^^^^^^^^^^^
            """#),
        GoldenCase(
            "a limit of zero",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  connection_limit: 0
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:25: error[W0107]: 'connection_limit' must be at least 1
               5 |       connection_limit: 0
                 |                         ^ with 0 nobody would ever be served
            """#),
        GoldenCase(
            "an idle time of zero",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  timeout: 0
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:16: error[W0107]: 'timeout' must be at least 1ms
               5 |       timeout: 0
                 |                ^ leave 'timeout' out and idle connections stay open
            """#),
        GoldenCase(
            "a connect timeout of zero",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:1", connect_timeout_ms: 0}
            """#,
            #"""
            topology.yaml:6:72: error[W0107]: 'connect_timeout_ms' must be at least 1ms
               6 |         - RedisSinkSingle: {remote_address: "a:1", connect_timeout_ms: 0}
                 |                                                                        ^ leave it out for 3000 (milliseconds)
            """#),
        GoldenCase(
            "a word outside of an enumeration",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryTypeFilter: {AllowList: [Read, Wrte]}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:47: error[W0107]: entry 2 of 'AllowList' must be one of 'Read', 'Write', 'ReadWrite'
               6 |         - QueryTypeFilter: {AllowList: [Read, Wrte]}
                 |                                               ^^^^ did you mean 'Write'?
            """#),
        GoldenCase(
            "an empty list that may not be empty",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryTypeFilter: {DenyList: []}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:29: error[W0107]: 'DenyList' must not be empty
               6 |         - QueryTypeFilter: {DenyList: []}
                 |                             ^^^^^^^^
            """#),
        GoldenCase(
            "an empty text that may not be empty",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {counter_name: ""}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:40: error[W0107]: 'counter_name' must not be empty
               6 |         - QueryCounter: {counter_name: ""}
                 |                                        ^^
            """#),
        GoldenCase(
            "a unit that is none",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:1", request_timeout: 5sec}
            """#,
            #"""
            topology.yaml:6:69: error[W0108]: 'sec' is no unit
               6 |         - RedisSinkSingle: {remote_address: "a:1", request_timeout: 5sec}
                 |                                                                     ^^^^ units are ns, us, ms, s, m, h, d
            """#),
        GoldenCase(
            "a duration that is no number",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:1", request_timeout: soon}
            """#,
            #"""
            topology.yaml:6:69: error[W0108]: 'request_timeout' is not a duration
               6 |         - RedisSinkSingle: {remote_address: "a:1", request_timeout: soon}
                 |                                                                     ^^^^ write 30s or 250ms
            """#),
        GoldenCase(
            "a negative duration",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Tee: {chain: [NullSink], timeout_micros: -1}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:52: error[W0108]: 'timeout_micros' is negative
               6 |         - Tee: {chain: [NullSink], timeout_micros: -1}
                 |                                                    ^^
            """#),
        GoldenCase(
            "a bare number where the key does not say the unit",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Tee: {chain: [NullSink], hold: 5}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:42: error[W0108]: 'hold' is a duration and needs a unit
               6 |         - Tee: {chain: [NullSink], hold: 5}
                 |                                          ^ write 30s or 250ms
            """#),
        GoldenCase(
            "a size with a unit of time",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Tee: {chain: [NullSink], memory: 5s}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:44: error[W0108]: 's' is no unit
               6 |         - Tee: {chain: [NullSink], memory: 5s}
                 |                                            ^^ units are B, KiB, MiB, GiB, kB, MB, GB
            """#),
        GoldenCase(
            "a duration beyond its bound",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Tee: {chain: [NullSink], hold: 5m}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:42: error[W0107]: 'hold' must be at most 1m
               6 |         - Tee: {chain: [NullSink], hold: 5m}
                 |                                          ^^
            """#),
        GoldenCase(
            "both of two that exclude each other",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryTypeFilter: {AllowList: [Read], DenyList: [Write]}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0109]: 'QueryTypeFilter' has 'AllowList' and 'DenyList', which exclude each other
               6 |         - QueryTypeFilter: {AllowList: [Read], DenyList: [Write]}
                 |           ^^^^^^^^^^^^^^^ keep one of them
            """#),
        GoldenCase(
            "none of two",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryTypeFilter: {}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0109]: 'QueryTypeFilter' needs exactly one of 'AllowList', 'DenyList'
               6 |         - QueryTypeFilter: {}
                 |           ^^^^^^^^^^^^^^^
            """#),
        GoldenCase(
            "a user without a password",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:1", username: u}
            """#,
            #"""
            topology.yaml:6:11: error[W0109]: an upstream with 'username' needs 'password'
               6 |         - RedisSinkSingle: {remote_address: "a:1", username: u}
                 |           ^^^^^^^^^^^^^^^ Redis authenticates with both, or with the password alone
            """#),
        GoldenCase(
            "no sources",
            #"""
            sources: []
            """#,
            #"""
            topology.yaml:1:1: error[W0110]: the topology has no sources
               1 | sources: []
                 | ^^^^^^^ Weir would serve nobody
            """#),
        GoldenCase(
            "an empty file",
            #"""

            """#,
            #"""
            topology.yaml:1:1: error[W0110]: the file holds nothing
               1 |
                 | ^ it begins with 'sources:'
            """#),
        GoldenCase(
            "a file that is no map",
            #"""
            - Redis
            """#,
            #"""
            topology.yaml:1:1: error[W0106]: a topology is a map, this is a list
               1 | - Redis
                 | ^^^^^^^ it begins with 'sources:'
            """#),
        GoldenCase(
            "an empty chain",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain: []
            """#,
            #"""
            topology.yaml:5:7: error[W0111]: the chain has no transforms
               5 |       chain: []
                 |       ^^^^^ it needs at least a sink at its end
            """#),
        GoldenCase(
            "a chain without a sink",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {counter_name: a}
            """#,
            #"""
            topology.yaml:6:11: error[W0112]: the chain ends in 'QueryCounter', which is not a sink
               6 |         - QueryCounter: {counter_name: a}
                 |           ^^^^^^^^^^^^ end it with RedisSinkSingle or RedisSinkCluster or NullSink
            """#),
        GoldenCase(
            "a sink that is not last",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - NullSink
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0113]: 'NullSink' is a sink, but not the last of its chain
               6 |         - NullSink
                 |           ^^^^^^^^ no request would reach what stands behind it
            """#),
        GoldenCase(
            "a sub-chain without a sink",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - Tee:
                        chain:
                          - DebugPrinter
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:8:17: error[W0112]: the chain ends in 'DebugPrinter', which is not a sink
               8 |               - DebugPrinter
                 |                 ^^^^^^^^^^^^ end it with RedisSinkSingle or RedisSinkCluster or NullSink
            """#),
        GoldenCase(
            "a protocol that does not fit",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - CqlThing
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0114]: 'CqlThing' takes cql, but the requests that enter this chain are resp
               6 |         - CqlThing
                 |           ^^^^^^^^
            """#),
        GoldenCase(
            "two sources of one name",
            #"""
            sources:
              - Redis: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
              - Valkey: {name: a, listen_addr: "127.0.0.1:2", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:3:20: error[W0115]: two sources are named 'a'
               3 |   - Valkey: {name: a, listen_addr: "127.0.0.1:2", chain: [NullSink]}
                 |                    ^ the other one stands in line 2
            """#),
        GoldenCase(
            "two transforms of one name",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {name: a, counter_name: x}
                    - DebugPrinter: {name: a}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:7:32: error[W0115]: two transforms of this chain are named 'a'
               7 |         - DebugPrinter: {name: a}
                 |                                ^ the other one stands in line 6
            """#),
        GoldenCase(
            "two sources on one address",
            #"""
            sources:
              - Redis: {name: a, listen_addr: "127.0.0.1:1", chain: [NullSink]}
              - Redis: {name: b, listen_addr: "127.0.0.1:1", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:3:35: error[W0116]: 'a' listens on 127.0.0.1:1 already
               3 |   - Redis: {name: b, listen_addr: "127.0.0.1:1", chain: [NullSink]}
                 |                                   ^^^^^^^^^^^^^ give each its own port
            """#),
        GoldenCase(
            "a source on every address and one on one of them",
            #"""
            sources:
              - Redis: {name: a, listen_addr: "0.0.0.0:1", chain: [NullSink]}
              - Redis: {name: b, listen_addr: "127.0.0.1:1", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:3:35: error[W0116]: 127.0.0.1:1 and 0.0.0.0:1 of 'a' share a port
               3 |   - Redis: {name: b, listen_addr: "127.0.0.1:1", chain: [NullSink]}
                 |                                   ^^^^^^^^^^^^^ give each its own port
            """#),
        GoldenCase(
            "the admin interface on a source's address",
            #"""
            observability_interface: "127.0.0.1:6379"
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:20: error[W0116]: the admin interface listens on 127.0.0.1:6379 already
               5 |       listen_addr: "127.0.0.1:6379"
                 |                    ^^^^^^^^^^^^^^^^ give each its own port
            """#),
        GoldenCase(
            "a listening address with a host name",
            #"""
            sources:
              - Redis: {name: a, listen_addr: "localhost:6379", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:2:35: error[W0117]: 'localhost' is not an IP address
               2 |   - Redis: {name: a, listen_addr: "localhost:6379", chain: [NullSink]}
                 |                                   ^^^^^^^^^^^^^^^^ write 127.0.0.1:6379
            """#),
        GoldenCase(
            "a port beyond 65535",
            #"""
            sources:
              - Redis: {name: a, listen_addr: "127.0.0.1:70000", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:2:35: error[W0117]: '70000' is not a port
               2 |   - Redis: {name: a, listen_addr: "127.0.0.1:70000", chain: [NullSink]}
                 |                                   ^^^^^^^^^^^^^^^^^ ports are 1 to 65535
            """#),
        GoldenCase(
            "an upstream without a port",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "redis.internal"}
            """#,
            #"""
            topology.yaml:6:45: error[W0117]: the address has no port
               6 |         - RedisSinkSingle: {remote_address: "redis.internal"}
                 |                                             ^^^^^^^^^^^^^^^^ write redis.internal:port
            """#),
        GoldenCase(
            "an upstream with a scheme",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "redis://a:6379"}
            """#,
            #"""
            topology.yaml:6:45: error[W0117]: an address has no scheme
               6 |         - RedisSinkSingle: {remote_address: "redis://a:6379"}
                 |                                             ^^^^^^^^^^^^^^^^ write host:port
            """#),
        GoldenCase(
            "an address without a port number",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:"}
            """#,
            #"""
            topology.yaml:6:45: error[W0117]: the address has no port
               6 |         - RedisSinkSingle: {remote_address: "a:"}
                 |                                             ^^^^ ports are 1 to 65535
            """#),
        GoldenCase(
            "an address with a mistyped number",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0:6379"}
            """#,
            #"""
            topology.yaml:6:45: error[W0117]: '10.0.0' is neither an IP address nor a host name
               6 |         - RedisSinkSingle: {remote_address: "10.0.0:6379"}
                 |                                             ^^^^^^^^^^^^^
            """#),
        GoldenCase(
            "options beside the name instead of below it",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter:
                      counter_name: a
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:7:11: error[W0118]: a second key in the entry of 'QueryCounter'
               7 |           counter_name: a
                 |           ^^^^^^^^^^^^ indent the options of 'QueryCounter' deeper than its name
            """#),
        GoldenCase(
            "options that are no map",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: main
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0118]: the options of 'QueryCounter' are a map, this is text
               6 |         - QueryCounter: main
                 |           ^^^^^^^^^^^^ write each option as 'field: value' below the name
            """#),
        GoldenCase(
            "an entry that is a number",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - 5
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:11: error[W0118]: an entry of this list is a transform, this is a whole number
               6 |         - 5
                 |           ^ write '- Name:' and its options below, indented
            """#),
        GoldenCase(
            "an empty name",
            #"""
            sources:
              - Redis: {name: "", listen_addr: "127.0.0.1:1", chain: [NullSink]}
            """#,
            #"""
            topology.yaml:2:19: error[W0119]: the name is empty
               2 |   - Redis: {name: "", listen_addr: "127.0.0.1:1", chain: [NullSink]}
                 |                   ^^ metrics and logs are labelled with it
            """#),
        GoldenCase(
            "a log level that is none",
            #"""
            main_log_level: inof
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:1:17: error[W0120]: 'inof' is not a log level
               1 | main_log_level: inof
                 |                 ^^^^ did you mean 'info'?
            """#),
        GoldenCase(
            "an empty log level",
            #"""
            main_log_level: ""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:1:17: error[W0120]: the log level is empty
               1 | main_log_level: ""
                 |                 ^^ levels are trace, debug, info, warn, error, off
            """#),
        GoldenCase(
            "an option under two names",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "a:1", request_timeout: 3s, read_timeout: 4}
            """#,
            #"""
            topology.yaml:6:73: error[W0121]: 'read_timeout' is another name of 'request_timeout'
               6 |         - RedisSinkSingle: {remote_address: "a:1", request_timeout: 3s, read_timeout: 4}
                 |                                                                         ^^^^^^^^^^^^ 'request_timeout' stands in line 6 already; remove one of them
            """#),
        GoldenCase(
            "a merge key",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - QueryCounter: {counter_name: a, <<: {b: 1}}
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:6:43: error[W0101]: 'QueryCounter' has no field '<<'
               6 |         - QueryCounter: {counter_name: a, <<: {b: 1}}
                 |                                           ^^ merge keys are not part of YAML 1.2
            """#),
        GoldenCase(
            "an environment variable that is not set",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "${env:NOT_SET}"}
            """#,
            #"""
            topology.yaml:6:45: error[W0015]: the environment variable 'NOT_SET' is not set
               6 |         - RedisSinkSingle: {remote_address: "${env:NOT_SET}"}
                 |                                             ^^^^^^^^^^^^^^^^ set it for the process that runs Weir
            """#),
        GoldenCase(
            "a secret file that is missing",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle:
                        remote_address: "a:1"
                        password: ${file:/nonexistent/secret}
            """#,
            #"""
            topology.yaml:8:23: error[W0016]: the file '/nonexistent/secret' cannot be read: No such file or directory
               8 |             password: ${file:/nonexistent/secret}
                 |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
            """#),
        GoldenCase(
            "a reference that is not the whole value",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "${env:HOST}:6379"}
            """#,
            #"""
            topology.yaml:6:45: error[W0017]: a reference must be the whole value
               6 |         - RedisSinkSingle: {remote_address: "${env:HOST}:6379"}
                 |                                             ^^^^^^^^^^^^^^^^^^ put the whole text into the variable or file
            """#),
        GoldenCase(
            "a template that was not filled in",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: "${REDIS}"}
            """#,
            #"""
            topology.yaml:6:45: error[W0017]: '${REDIS}' is no reference
               6 |         - RedisSinkSingle: {remote_address: "${REDIS}"}
                 |                                             ^^^^^^^^^^ references are ${env:NAME} and ${file:/path}
            """#),
        GoldenCase(
            "a password in a line that is shown",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {password: hunter2, remote_address: 5}
            """#,
            #"""
            topology.yaml:6:64: error[W0106]: 'remote_address' must be text, but is a whole number
               6 |         - RedisSinkSingle: {password: *******, remote_address: 5}
                 |                                                                ^ put it in quotes
            """#),
        GoldenCase(
            "a duplicate key",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  name: again
                  chain:
                    - RedisSinkSingle: {remote_address: "10.0.0.7:6379"}
            """#,
            #"""
            topology.yaml:5:7: error[W0007]: the key 'name' stands here a second time
               5 |       name: again
                 |       ^^^^ it stands in line 3 already
            """#),
        GoldenCase(
            "a tab",
            #"""
            sources:
            	- Redis
            """#,
            #"""
            topology.yaml:2:1: error[W0006]: a tab where YAML allows only spaces
               2 | 	- Redis
                 | ^ indent with spaces
            """#),
        GoldenCase(
            "an unclosed bracket",
            #"""
            sources: [
            """#,
            #"""
            topology.yaml:2:1: error[W0005]: did not find expected node content (while parsing a flow node, line 2)
               2 |
                 | ^ a bracket or a quote is not closed, or a comma is missing
            """#),
        GoldenCase(
            "a text with a colon without quotes",
            #"""
            sources:
              - Redis:
                  name: a: b
            """#,
            #"""
            topology.yaml:3:14: error[W0005]: mapping values are not allowed in this context
               3 |       name: a: b
                 |              ^ put a text with ': ' in quotes, and let all keys of one map begin in the same column
            """#),
        GoldenCase(
            "a reference without quotes inside of braces",
            #"""
            sources:
              - Redis:
                  name: redis
                  listen_addr: "127.0.0.1:6379"
                  chain:
                    - RedisSinkSingle: {remote_address: ${env:A}}
            """#,
            #"""
            topology.yaml:6:46: error[W0005]: did not find expected ',' or '}' (while parsing a flow mapping, line 6)
               6 |         - RedisSinkSingle: {remote_address: ${env:A}}
                 |                                              ^ inside { } or [ ] a reference such as ${env:NAME} must stand in quotes
            """#),
        GoldenCase(
            "an alias that leads nowhere",
            #"""
            a: &base 1
            sources: *bas
            """#,
            #"""
            topology.yaml:2:10: error[W0010]: no anchor '&bas' stands before this
               2 | sources: *bas
                 |          ^^^^ did you mean 'base'?
            """#),
        GoldenCase(
            "an alias inside of itself",
            #"""
            sources: &a [*a]
            """#,
            #"""
            topology.yaml:1:14: error[W0010]: '*a' stands inside of '&a': the value would contain itself
               1 | sources: &a [*a]
                 |              ^^
            """#),
        GoldenCase(
            "two documents",
            #"""
            sources: []
            ---
            sources: []
            """#,
            #"""
            topology.yaml:2:1: error[W0011]: the file holds more than one document
               2 | ---
                 | ^^^ remove the line '---' and what follows
            """#),
        GoldenCase(
            "an unknown tag",
            #"""
            sources: !secret x
            """#,
            #"""
            topology.yaml:1:10: error[W0012]: unknown tag '!secret'
               1 | sources: !secret x
                 |          ^^^^^^^^^
            """#),
        GoldenCase(
            "a number beyond 64 bits",
            #"""
            workers: 99999999999999999999
            """#,
            #"""
            topology.yaml:1:10: error[W0013]: the number is beyond 64 bits
               1 | workers: 99999999999999999999
                 |          ^^^^^^^^^^^^^^^^^^^^ a text of digits needs quotes
            """#),
        GoldenCase(
            "a list as a key",
            #"""
            [a]: 1
            """#,
            #"""
            topology.yaml:1:1: error[W0014]: a list or a map stands where a key is expected
               1 | [a]: 1
                 | ^ a text that begins with [ or { needs quotes
            """#),
        GoldenCase(
            "everything wrong at once",
            #"""
            worker: 3
            sources:
              - Redis:
                  nmae: redis
                  listen_addr: "127.0.0.1"
                  connection_limit: 0
                  chain:
                    - QueryCounter: {counter_name: 5}
                    - NullSink
                    - RedisClusterSnk: {}
            """#,
            #"""
            topology.yaml:1:1: error[W0101]: the topology has no field 'worker'
               1 | worker: 3
                 | ^^^^^^ did you mean 'workers'?
            topology.yaml:4:7: error[W0101]: 'Redis' has no field 'nmae'
               4 |       nmae: redis
                 |       ^^^^ did you mean 'name'?
            topology.yaml:5:20: error[W0117]: the address has no port
               5 |       listen_addr: "127.0.0.1"
                 |                    ^^^^^^^^^^^ write 127.0.0.1:port
            topology.yaml:6:25: error[W0107]: 'connection_limit' must be at least 1
               6 |       connection_limit: 0
                 |                         ^ with 0 nobody would ever be served
            topology.yaml:8:40: error[W0106]: 'counter_name' must be text, but is a whole number
               8 |         - QueryCounter: {counter_name: 5}
                 |                                        ^ put it in quotes
            topology.yaml:9:11: error[W0113]: 'NullSink' is a sink, but not the last of its chain
               9 |         - NullSink
                 |           ^^^^^^^^ no request would reach what stands behind it
            topology.yaml:10:11: error[W0104]: no transform 'RedisClusterSnk'
              10 |         - RedisClusterSnk: {}
                 |           ^^^^^^^^^^^^^^^ did you mean 'RedisSinkCluster' (plugin RedisCluster 1.0.0)?
            """#),
    ]
}
