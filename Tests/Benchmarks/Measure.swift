// The measurements: one target under one workload for some seconds; and the memory of a fresh process.

import Glibc
import WeirTestSupport

/// What one run of one workload against one target gave.
struct Sample: Codable {
    var requests: UInt64
    var requestsPerSecond: Double
    /// CPU of the target's process per request.
    var cpuMicros: Double
    /// CPU of the Redis behind it per request.
    var redisMicros: Double
    var p50Micros: Double
    var p99Micros: Double
    /// The share of one core that the target, Redis and the generator used.
    var busy: [Double]
}

/// Runs one workload against one target.
func measure(_ target: Target, _ workload: Workload, redis: Target, seconds: Double, warmUp: Double) throws -> Sample {
    let load = try Load(workload, port: target.port)
    try load.run(seconds: warmUp)
    let start = monotonicSeconds()
    let (cpu, redisCPU, own) = (target.cpu, redis.cpu, ownCPU())
    try load.run(seconds: seconds)
    let (usedCPU, usedRedis, usedOwn) = (target.cpu - cpu, redis.cpu - redisCPU, ownCPU() - own)
    let elapsed = monotonicSeconds() - start
    try load.drain()
    guard load.completed > 0 else { throw Failure("no request was answered") }
    let count = Double(load.completed)
    return Sample(
        requests: load.completed, requestsPerSecond: count / elapsed, cpuMicros: usedCPU / count * 1e6,
        redisMicros: usedRedis / count * 1e6, p50Micros: load.latency.percentile(0.5),
        p99Micros: load.latency.percentile(0.99), busy: [usedCPU, usedRedis, usedOwn].map { $0 / elapsed })
}

/// The memory of one target, in KiB.
struct MemorySample: Codable {
    var idle: Int
    /// With a thousand connections that made one request each and are idle now.
    var withThousand: Int
    /// After they left.
    var after: Int
    /// The most it had while one client left 300 answers of 1 MB unread.
    var unreadPeak: Int
}

/// Starts a fresh process and reads its memory at four moments.
func measureMemory(_ name: String, shape: WeirShape?) throws -> MemorySample? {
    let redis = try RedisServer()
    guard let target = try Target.start(name, shape: shape, redis: redis) else { return nil }
    try redis.client().call("SET", "small", "value")
    try redis.client().call("SET", "large", String(repeating: "x", count: 1_000_000))
    usleep(1000000)
    let idle = ProcessUsage.residentKiB(target.pid)
    var clients: [RespClient] = []
    for _ in 0..<1000 {
        let client = try target.client()
        guard try client.call("GET", "small").text == "value" else { throw Failure("a wrong answer") }
        clients.append(client)
    }
    usleep(2000000)
    let withThousand = ProcessUsage.residentKiB(target.pid)
    clients.removeAll()
    usleep(2000000)
    let after = ProcessUsage.residentKiB(target.pid)
    let slow = try target.client()
    for _ in 0..<300 { try slow.send(RespClient.encode("GET", "large"), readingMeanwhile: false) }
    var peak = after
    for _ in 0..<40 {
        usleep(50000)
        peak = max(peak, ProcessUsage.residentKiB(target.pid))
    }
    slow.reset()
    return MemorySample(idle: idle, withThousand: withThousand, after: after, unreadPeak: peak)
}

private func ownCPU() -> Double {
    let (user, system) = ProcessUsage.cpuSeconds(getpid())
    return user + system
}

/// The middle value.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
