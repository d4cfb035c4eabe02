// What is measured: the Redis itself, proxies before it, and Weir in one or more shapes.

import Glibc
import WeirTestSupport

/// How one Weir is to be run.
struct WeirShape {
    var name = "weir"
    var workers = 1
    /// The transforms before the sink.
    var chain = Topology.passThrough

    /// Reads `name[,workers=N][,chain=A+B+C|none|A*3]`; a transform without options is named by its id.
    init(_ text: String) throws {
        for (index, part) in text.split(separator: ",").map(String.init).enumerated() {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            switch (index, pair[0], pair.count) {
            case (0, _, 1): name = part
            case (_, "workers", 2):
                guard let count = Int(pair[1]), count > 0 else { throw Failure("workers=\(pair[1]) is no count") }
                workers = count
            case (_, "chain", 2): chain = try Self.chain(pair[1])
            default: throw Failure("'\(part)' is not understood; a Weir is name[,workers=N][,chain=A+B*3|none]")
            }
        }
    }

    private static func chain(_ text: String) throws -> [String] {
        if text == "none" { return [] }
        var entries: [String] = []
        for part in text.split(separator: "+") {
            let pair = part.split(separator: "*").map(String.init)
            guard let times = pair.count == 1 ? 1 : Int(pair[1]) else { throw Failure("'\(part)': how often?") }
            for _ in 0..<times { entries.append(try entry(pair[0], number: entries.count)) }
        }
        return entries
    }

    private static func entry(_ id: String, number: Int) throws -> String {
        switch id {
        case "QueryCounter": "QueryCounter: {name: t\(number), counter_name: c\(number)}"
        case "QueryTypeFilter":
            "QueryTypeFilter: {name: t\(number), AllowList: [Read, Write, ReadWrite, SchemaChange, PubSubMessage]}"
        default: "\(id): {name: t\(number)}"
        }
    }
}

/// Something on a port, and the process whose CPU and memory are counted.
final class Target {
    let name: String
    let port: UInt16
    let pid: Int32
    /// Keeps the process alive.
    private let server: AnyObject?

    init(name: String, port: UInt16, pid: Int32, server: AnyObject? = nil) {
        self.name = name
        self.port = port
        self.pid = pid
        self.server = server
    }

    convenience init(name: String, server: any RespServer) {
        self.init(name: name, port: server.port, pid: server.pid, server: server)
    }

    /// Starts a target by name before a Redis; nil when the program is not there.
    static func start(_ name: String, shape: WeirShape?, redis: RedisServer) throws -> Target? {
        if let shape {
            guard WeirServer.binary != nil else { return nil }
            var topology = Topology()
            topology.workers = shape.workers
            topology.adminPort = try freePort()
            topology.sources = [.init(port: try freePort(), chain: shape.chain + [Topology.sink(redis.port)])]
            return Target(name: shape.name, server: try WeirServer(topology))
        }
        switch name {
        case "direct": return Target(name: name, server: redis)
        case "haproxy":
            return findProgram("haproxy") == nil
                ? nil : Target(name: name, server: try HAProxyServer(upstream: redis.port))
        case "twemproxy":
            return findProgram("nutcracker") == nil
                ? nil : Target(name: name, server: try TwemproxyServer(upstream: redis.port))
        default: throw Failure("no target '\(name)'; there are direct, haproxy, twemproxy, weir")
        }
    }

    /// CPU seconds so far.
    var cpu: Double {
        let (user, system) = ProcessUsage.cpuSeconds(pid)
        return user + system
    }

    /// A client for a few commands by hand.
    func client() throws -> RespClient { try RespClient(port: port) }
}
