// A program started by a test: output into a file, stopped by its pid, killed when the test process dies.
// It must not know which program it runs.
//
// Children are started by one thread that lives as long as the process: the kernel sends the death signal
// (setpriv --pdeathsig) when the *thread* that forked ends, and pool threads come and go.

import Foundation
import Glibc
import Synchronization

/// A running (or ended) child process.
public final class ChildProcess: Sendable {
    /// Its process id.
    public let pid: Int32
    /// Where its stdout and stderr go, one after the other as they come.
    public let logPath: String
    private let ending = Mutex<Int32?>(nil)

    /// Starts `command[0]` (looked up in PATH) with the rest as arguments.
    /// - Parameters:
    ///   - environment: added to the environment of the tests.
    ///   - openFiles: the limit on open descriptors, if it shall be another than ours.
    public init(
        _ command: [String], log: String, folder: String? = nil, environment: [String: String] = [:],
        openFiles: Int? = nil
    ) throws {
        var words = ["setpriv", "--pdeathsig", "KILL"]
        if let openFiles { words += ["prlimit", "--nofile=\(openFiles):\(openFiles)"] }
        if let folder { words += ["env", "--chdir", folder] }
        words += command
        logPath = log
        pid = try Spawner.shared.spawn(words, log: log, environment: environment)
    }

    /// The exit status once it has ended: the code, or 128 + the signal's number; nil while it runs.
    public var exitStatus: Int32? {
        ending.withLock { ended in
            if let ended { return ended }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
            ended = code
            return code
        }
    }

    /// Whether it has not ended.
    public var isRunning: Bool { exitStatus == nil }

    /// All that it wrote so far.
    public var log: String {
        guard let data = FileManager.default.contents(atPath: logPath) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Sends a signal, if it still runs.
    public func signal(_ number: Int32) {
        if exitStatus == nil { kill(pid, number) }
    }

    /// Waits for the end; throws when it has not come in `seconds`.
    @discardableResult
    public func waitForExit(within seconds: Double = 10) throws -> Int32 {
        try eventually(within: seconds, "process \(pid) to end; its log ends: \(log.suffix(600))") { !isRunning }
        return exitStatus ?? -1
    }

    /// SIGTERM, and SIGKILL if that is not obeyed in `grace` seconds.
    public func stop(grace: Double = 5) {
        signal(SIGTERM)
        do { try waitForExit(within: grace) } catch { destroy() }
    }

    /// SIGKILL, and waits for the end.
    public func destroy() {
        signal(SIGKILL)
        _ = try? waitForExit(within: 10)
    }

    deinit { destroy() }
}

/// The one thread that forks.
private final class Spawner: Sendable {
    static let shared = Spawner()
    private let queue = Mutex<[@Sendable () -> Void]>([])
    private let wake = DispatchSemaphore(value: 0)

    private init() {
        let thread = Thread { [self] in
            while true {
                wake.wait()
                let job = queue.withLock { $0.removeFirst() }
                job()
            }
        }
        thread.name = "spawner"
        thread.start()
    }

    func spawn(_ words: [String], log: String, environment: [String: String]) throws -> Int32 {
        let answer = Mutex<(code: Int32, pid: Int32)>((0, 0))
        let done = DispatchSemaphore(value: 0)
        queue.withLock {
            $0.append {
                answer.withLock { $0 = Self.fork(words, log: log, environment: environment) }
                done.signal()
            }
        }
        wake.signal()
        done.wait()
        let (code, pid) = answer.withLock { $0 }
        if code != 0 {
            throw Failure("cannot start \(words.joined(separator: " ")): \(String(cString: strerror(code)))")
        }
        return pid
    }

    private static func fork(
        _ words: [String], log: String, environment: [String: String]
    ) -> (code: Int32, pid: Int32) {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&files, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var ours = sigset_t()
        sigemptyset(&none)
        sigemptyset(&ours)
        for number in [SIGPIPE, SIGTERM, SIGINT, SIGHUP] { sigaddset(&ours, number) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &ours)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        let arguments = words.map { strdup($0) } + [nil]
        let block = variables.map { strdup($0) } + [nil]
        defer { (arguments + block).forEach { free($0) } }
        var pid: Int32 = 0
        let code = posix_spawnp(&pid, words[0], &files, &attributes, arguments, block)
        return (code, pid)
    }
}

/// Runs a command to its end and gives its status and all that it wrote.
@discardableResult
public func run(
    _ command: [String], within seconds: Double = 60, folder: String? = nil, environment: [String: String] = [:]
) throws -> (status: Int32, output: String) {
    let place = try TemporaryFolder("run")
    let child = try ChildProcess(command, log: place.path + "/log", folder: folder, environment: environment)
    let status = try child.waitForExit(within: seconds)
    return (status, child.log)
}

/// Where a program lies, looked up in PATH and /usr/sbin; nil when it is not installed.
public func findProgram(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
    return (path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"])
        .map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
}
