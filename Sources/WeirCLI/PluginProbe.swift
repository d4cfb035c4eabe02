// Asks a plugin what it offers, in a process of its own: a plugin that crashes, hangs or prints does no harm here.
//
// The child is this same program, started as `weir --probe-plugin FORM PATH`. It loads the plugin and writes the text that
// is asked for to descriptor 3; its standard output is our standard error.

import Glibc
import WeirConfig
import WeirPlugins

struct PluginProbe {
    static let flag = "--probe-plugin"
    static let outputDescriptor: Int32 = 3
    static let maximumOutputByteCount = 4 << 20

    /// What is written about a plugin.
    enum Form: String, CaseIterable {
        case listText = "list-text"
        case listJSON = "list-json"
        case infoText = "info-text"
        case infoJSON = "info-json"
    }

    /// The program to start.
    var program = "/proc/self/exe"
    var timeoutMilliseconds: Int32 = 10_000

    /// The text; or why there is none, in words, nil when the child has said it already.
    func ask(_ path: String, _ form: Form) -> (text: String?, failure: String?) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return (nil, FileError("look into", path).text) }
        defer { close(ends[0]) }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let child = start(["weir", PluginProbe.flag, form.rawValue, path], output: ends[1])
        close(ends[1])
        guard let child else { return (nil, "cannot look into \(path): the program cannot be started") }
        let bytes = collect(ends[0])
        if bytes == nil { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        guard let bytes else {
            return (nil, "\(path): it did not say what it offers within \(timeoutMilliseconds / 1000) s")
        }
        let signal = status & 0x7F
        if signal != 0 {
            return (
                nil,
                "\(path): it ended the process with signal \(signal) (\(String(cString: strsignal(signal)))) when asked what it offers"
            )
        }
        return (status >> 8) & 0xFF == 0 ? (String(decoding: bytes, as: UTF8.self), nil) : (nil, nil)
    }

    private func start(_ words: [String], output: Int32) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, PluginProbe.outputDescriptor)
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { arguments.forEach { free($0) } }
        arguments.append(nil)
        // A crash is told in one line; who sets SWIFT_BACKTRACE gets the trace too.
        setenv("SWIFT_BACKTRACE", "enable=no", 0)
        var child = pid_t()
        return posix_spawn(&child, program, &actions, nil, arguments, environ) == 0 ? child : nil
    }

    /// All bytes until the end; nil when they take too long or are too many.
    private func collect(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        let end = PluginProbe.milliseconds() + Int64(timeoutMilliseconds)
        while true {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = end - PluginProbe.milliseconds()
            guard left > 0, bytes.count <= PluginProbe.maximumOutputByteCount else { return nil }
            guard poll(&wanted, 1, Int32(clamping: left)) > 0 else { continue }
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count > 0 { bytes.append(contentsOf: chunk[..<count]) }
        }
    }

    private static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    // MARK: In the child

    /// What the child does: loads the plugin and writes about it.
    static func answer(_ words: [String], _ terminal: borrowing Terminal) -> ExitCode {
        guard words.count == 2, let form = Form(rawValue: words[0]) else { return .usage }
        switch terminal.host.loadPlugin(words[1]) {
        case .failure(let error):
            terminal.sayText(DiagnosticRenderer().text(error.diagnostic))
            return .no
        case .success(let plugin):
            let description = PluginDescription(plugin)
            let text =
                switch form {
                case .listText: description.listText
                case .listJSON: description.json(withSchemas: false)
                case .infoText: description.infoText
                case .infoJSON: description.json(withSchemas: true)
                }
            Terminal.write(text, to: outputDescriptor)
            return .done
        }
    }
}
