// weir-bench: Weir beside no proxy, HAProxy and twemproxy, interleaved in one run. README.md says how to read it.

import Glibc
import WeirTestSupport

let help = """
    weir-bench: CPU per request, latency and memory of Weir and of other proxies before one Redis

    usage: weir-bench [options]
      --rounds N           interleaved rounds; the table shows the median (3)
      --seconds S          measured seconds of one workload, target and round (2)
      --warm-up S          seconds before each that are not counted (0.3)
      --workloads A,B      of plain, p16, p64, big, ping (all)
      --targets A,B        of direct, haproxy, twemproxy, weir (all that are installed)
      --weir SHAPE         a Weir to measure; may be given again. SHAPE is name[,workers=N][,chain=A+B*3|none];
                           without it one: weir,workers=1 with three pass-through transforms
      --peer NAME=PORT:PID a proxy that runs already, before the Redis of --redis
      --redis PORT         measure on the Redis that runs there (its pid with --redis-pid) instead of a fresh one
      --redis-pid PID
      --memory             measure memory too (about 8 s for each target)
      --json FILE          write everything as JSON
      --help

    The Weir is the one beside this program, or WEIR_BINARY.

    """

struct Options {
    var rounds = 3
    var seconds = 2.0
    var warmUp = 0.3
    var workloads = Workload.all
    var targets = ["direct", "haproxy", "twemproxy", "weir"]
    var shapes: [WeirShape] = []
    var peers: [Target] = []
    var redisPort: UInt16?
    var redisPid: Int32 = 0
    var memory = false
    var json: String?
}

func parse(_ arguments: [String]) throws -> Options {
    var options = Options()
    var rest = arguments[...]
    func value(_ name: String) throws -> String {
        guard let next = rest.popFirst() else { throw Failure("\(name) needs a value") }
        return next
    }
    func number<N: LosslessStringConvertible>(_ name: String, _ type: N.Type) throws -> N {
        let text = try value(name)
        guard let number = N(text) else { throw Failure("\(name) \(text): not a number") }
        return number
    }
    while let name = rest.popFirst() {
        switch name {
        case "--rounds": options.rounds = try number(name, Int.self)
        case "--seconds": options.seconds = try number(name, Double.self)
        case "--warm-up": options.warmUp = try number(name, Double.self)
        case "--workloads":
            options.workloads = try value(name).split(separator: ",").map { word in
                guard let known = Workload.all.first(where: { $0.name == word }) else {
                    throw Failure("no workload '\(word)'")
                }
                return known
            }
        case "--targets": options.targets = try value(name).split(separator: ",").map(String.init)
        case "--weir": options.shapes.append(try WeirShape(try value(name)))
        case "--peer":
            let parts = try value(name).split(whereSeparator: { $0 == "=" || $0 == ":" }).map(String.init)
            guard parts.count == 3, let port = UInt16(parts[1]), let pid = Int32(parts[2]) else {
                throw Failure("--peer NAME=PORT:PID")
            }
            options.peers.append(Target(name: parts[0], port: port, pid: pid))
        case "--redis": options.redisPort = try number(name, UInt16.self)
        case "--redis-pid": options.redisPid = try number(name, Int32.self)
        case "--memory": options.memory = true
        case "--json": options.json = try value(name)
        case "--help", "-h":
            print(help, terminator: "")
            exit(0)
        default: throw Failure("no option '\(name)'; see --help")
        }
    }
    if options.shapes.isEmpty { options.shapes = [try WeirShape("weir")] }
    return options
}

/// The targets by name; those that are not installed are named and left out.
func named(_ options: Options) -> [(name: String, shape: WeirShape?)] {
    options.targets.flatMap { name in name == "weir" ? options.shapes.map { ($0.name, $0) } : [(name, nil)] }
}

func benchmark(_ options: Options) throws {
    var report = Report()
    let fresh = options.redisPort == nil ? try RedisServer() : nil
    let redis =
        fresh.map { Target(name: "direct", server: $0) }
        ?? Target(name: "direct", port: options.redisPort ?? 0, pid: options.redisPid)
    var targets: [Target] = []
    for (name, shape) in named(options) {
        if name == "direct" {
            targets.append(redis)
        } else if let fresh, let target = try Target.start(name, shape: shape, redis: fresh) {
            targets.append(target)
        } else {
            say("\(name): left out (\(fresh == nil ? "--redis is given" : "not installed or not built"))")
        }
    }
    targets += options.peers
    for size in Set(options.workloads.map(\.valueSize)) {
        if let workload = options.workloads.first(where: { $0.valueSize == size }) {
            try Load.fill(workload, through: redis.client())
        }
    }
    let weirs = Set(options.shapes.map(\.name))
    for round in 1...max(1, options.rounds) {
        for workload in options.workloads {
            var samples: [(String, Sample)] = []
            for target in targets {
                do {
                    let sample = try measure(
                        target, workload, redis: redis, seconds: options.seconds, warmUp: options.warmUp)
                    samples.append((target.name, sample))
                } catch { throw Failure("\(target.name), \(workload.title): \(error)") }
            }
            say(
                "round \(round), \(workload.title): "
                    + samples.map { "\($0.0) \(formatted($0.1.cpuMicros, digits: 2)) µs" }.joined(separator: ", "))
            report.add(workload, samples, weirs: weirs)
        }
    }
    targets.removeAll()
    if options.memory {
        for (name, shape) in named(options) where name != "direct" {
            say("memory of \(name)")
            report.memory[name] = try measureMemory(name, shape: shape)
        }
    }
    print(report.text)
    if let path = options.json { try writeJSON(report, to: path) }
}

signal(SIGPIPE, SIG_IGN)
do {
    try benchmark(parse(Array(CommandLine.arguments.dropFirst())))
} catch {
    say("weir-bench: \(error)")
    exit(1)
}
