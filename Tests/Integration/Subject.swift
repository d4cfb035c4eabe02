// What the integration tests test: Weir before a real Redis. To prove a test itself, WEIR_UNDER_TEST=haproxy or
// direct puts HAProxy in TCP mode, or Redis itself, in Weir's place; tests of what only Weir does are skipped then.

import Foundation
import Testing
import WeirTestSupport

/// Which program stands between the tests and Redis.
enum Subject: String {
    case weir, haproxy, direct

    static let current = Subject(rawValue: ProcessInfo.processInfo.environment["WEIR_UNDER_TEST"] ?? "weir") ?? .weir
    static let isWeir = current == .weir

    /// Why nothing can be tested, or nil.
    static let obstacle: String? = {
        if findProgram("redis-server") == nil { return "redis-server is not installed" }
        switch current {
        case .weir: return WeirServer.binary == nil ? "weir is not built (set WEIR_BINARY)" : nil
        case .haproxy: return findProgram("haproxy") == nil ? "haproxy is not installed" : nil
        case .direct: return nil
        }
    }()
}

/// All integration tests, one after the other: they measure memory and time.
@Suite(.serialized, .enabled(if: Subject.obstacle == nil, "\(Subject.obstacle ?? "")"), .timeLimit(.minutes(3)))
enum Integration {}

/// A Redis and what stands before it.
final class Rig: @unchecked Sendable {
    let redis: RedisServer
    let server: any RespServer

    /// Starts both.
    /// - Parameter options: arguments of redis-server.
    init(_ options: [String] = []) throws {
        redis = try RedisServer(options)
        server = try Rig.start(before: redis.port) ?? redis
    }

    /// Starts the subject before a port; nil when that is Redis itself.
    static func start(before port: UInt16) throws -> (any RespServer)? {
        switch Subject.current {
        case .weir: try WeirServer(upstream: port)
        case .haproxy: try HAProxyServer(upstream: port)
        case .direct: nil
        }
    }

    /// A client of the subject.
    func client(patience: Double = 10) throws -> RespClient { try server.client(patience: patience) }

    /// A client of the subject that speaks RESP3.
    func client3() throws -> RespClient {
        let client = try client()
        try client.call("HELLO", "3")
        return client
    }

    /// A client of Redis itself.
    func direct() throws -> RespClient { try redis.client() }

    /// Waits until Redis has so many clients that are blocked.
    func waitForBlocked(_ count: Int) throws {
        try eventually("Redis to have \(count) blocked clients") { try redis.info("blocked_clients") == "\(count)" }
    }

    /// The subject still lives, and answers a new client.
    func expectHealthy(_ source: SourceLocation = #_sourceLocation) throws {
        #expect(server.process.isRunning, "it ended: \(server.process.log.suffix(1500))", sourceLocation: source)
        #expect(try client().call("PING") == .simple("PONG"), sourceLocation: source)
    }
}

extension Trait where Self == ConditionTrait {
    /// Only Weir does this: not run with WEIR_UNDER_TEST set to another program.
    static var weirOnly: Self { .enabled(if: Subject.isWeir, "only Weir does this") }

    /// Needs a proxy: not run against Redis itself.
    static var proxyOnly: Self { .enabled(if: Subject.current != .direct, "needs a proxy") }
}
