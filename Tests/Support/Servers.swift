// The real servers of the tests: redis-server, HAProxy in TCP mode and twemproxy, each on a free loopback
// port with a folder of its own, stopped by its pid.

import Foundation
import Glibc

/// Something that listens on a loopback port for RESP.
public protocol RespServer: AnyObject {
    /// The port that clients connect to.
    var port: UInt16 { get }
    /// The process that serves them.
    var process: ChildProcess { get }
}

extension RespServer {
    /// A new connection to it.
    public func client(patience: Double = 10) throws -> RespClient { try RespClient(port: port, patience: patience) }

    /// Its process id.
    public var pid: Int32 { process.pid }

    /// Waits until it answers PING.
    func waitUntilAnswering(_ name: String, within seconds: Double = 10) throws {
        try eventually(within: seconds, "\(name) on port \(port); its log ends: \(process.log.suffix(800))") {
            if let status = process.exitStatus {
                throw Failure("\(name) ended with status \(status): \(process.log.suffix(800))")
            }
            guard let client = try? RespClient(port: port, patience: 1) else { return false }
            guard let answer = try? client.call("PING") else { return false }
            return answer == .simple("PONG") || answer.errorText?.hasPrefix("NOAUTH") == true
        }
    }
}

/// A redis-server without persistence.
public final class RedisServer: RespServer, @unchecked Sendable {
    public let port: UInt16
    public private(set) var process: ChildProcess
    private let folder: TemporaryFolder
    private let options: [String]

    /// Starts one and waits until it answers.
    /// - Parameter options: more arguments, such as `--maxmemory`, `10mb`.
    public init(_ options: [String] = [], port: UInt16? = nil) throws {
        guard findProgram("redis-server") != nil else { throw Failure("redis-server is not installed") }
        self.port = try port ?? freePort()
        self.options = options
        folder = try TemporaryFolder("redis")
        process = try Self.start(self.port, folder, options)
        try waitUntilAnswering("redis-server")
    }

    private static func start(_ port: UInt16, _ folder: TemporaryFolder, _ options: [String]) throws -> ChildProcess {
        try ChildProcess(
            [
                "redis-server", "--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--appendonly", "no", "--dir",
                folder.path, "--tcp-backlog", "4096", "--maxclients", "18000", "--enable-debug-command", "local",
            ] + options, log: folder.path + "/log")
    }

    /// SIGKILL; the port refuses afterwards.
    public func destroy() { process.destroy() }

    /// Starts it again on the same port, empty.
    public func startAgain() throws {
        process.destroy()
        process = try Self.start(port, folder, options)
        try waitUntilAnswering("redis-server")
    }

    /// SIGSTOP: it accepts and answers nothing.
    public func pause() { process.signal(SIGSTOP) }

    /// SIGCONT.
    public func resume() { process.signal(SIGCONT) }

    /// One field of INFO.
    public func info(_ field: String) throws -> String {
        let text = try client().call("INFO", "everything").text ?? ""
        let line = text.split(separator: "\r\n").first { $0.hasPrefix(field + ":") }
        return line.map { String($0.dropFirst(field.count + 1)) } ?? ""
    }

    /// The lines of CLIENT LIST without the connection that asks.
    public func clients() throws -> [String] {
        let text = try client().call("CLIENT", "LIST").text ?? ""
        return text.split(separator: "\n").map(String.init).filter { !$0.contains("cmd=client|list") }
    }
}

/// HAProxy in TCP mode, one thread: a proxy that knows nothing of RESP.
public final class HAProxyServer: RespServer {
    public let port: UInt16
    public let process: ChildProcess
    private let folder: TemporaryFolder

    /// Starts one before `upstream` and waits until it answers.
    public init(upstream: UInt16) throws {
        guard let program = findProgram("haproxy") else { throw Failure("haproxy is not installed") }
        port = try freePort()
        folder = try TemporaryFolder("haproxy")
        let file = try folder.write(
            "haproxy.cfg",
            """
            global
                maxconn 9000
                nbthread 1
            defaults
                mode tcp
                timeout connect 3s
                timeout client 1h
                timeout server 1h
            listen redis
                bind 127.0.0.1:\(port)
                server redis 127.0.0.1:\(upstream)

            """)
        process = try ChildProcess([program, "-db", "-f", file], log: folder.path + "/log")
        try waitUntilAnswering("haproxy")
    }
}

/// twemproxy with one upstream connection.
public final class TwemproxyServer: RespServer {
    public let port: UInt16
    public let process: ChildProcess
    private let folder: TemporaryFolder

    /// Starts one before `upstream` and waits until it answers.
    public init(upstream: UInt16) throws {
        guard let program = findProgram("nutcracker") else { throw Failure("nutcracker is not installed") }
        port = try freePort()
        folder = try TemporaryFolder("twemproxy")
        let file = try folder.write(
            "nutcracker.yml",
            """
            redis:
              listen: 127.0.0.1:\(port)
              hash: fnv1a_64
              distribution: ketama
              redis: true
              server_connections: 1
              backlog: 4096
              servers:
               - 127.0.0.1:\(upstream):1

            """)
        let statistics = try freePort()
        process = try ChildProcess(
            [program, "-c", file, "-a", "127.0.0.1", "-s", "\(statistics)", "-m", "16384"], log: folder.path + "/log")
        try waitUntilAnswering("nutcracker")
    }
}
