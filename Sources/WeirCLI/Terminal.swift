// What a command talks to: standard output for data, standard error for everything else, the environment, the host.
//
// Tests put their own sinks and host here. Colour is decided once: on a terminal only, and not with NO_COLOR.

import Glibc

/// Where output goes and settings come from.
struct Terminal: ~Copyable, Sendable {
    let environment: [String: String]
    /// Whether what goes to standard output may have colours.
    let usesColor: Bool
    let host: HostCalls
    private let writeOutput: @Sendable (String) -> Void
    private let writeError: @Sendable (String) -> Void

    init(
        environment: [String: String], usesColor: Bool, host: HostCalls, output: @escaping @Sendable (String) -> Void,
        error: @escaping @Sendable (String) -> Void
    ) {
        self.environment = environment
        self.usesColor = usesColor
        self.host = host
        writeOutput = output
        writeError = error
    }

    /// The terminal of this process.
    static func standard() -> Terminal {
        let environment = readEnvironment()
        let refusesColor = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        return Terminal(
            environment: environment, usesColor: !refusesColor && isatty(STDOUT_FILENO) == 1, host: .standard,
            output: { write($0, to: STDOUT_FILENO) }, error: { write($0, to: STDERR_FILENO) })
    }

    /// Data. The text brings its own newlines.
    func output(_ text: String) { writeOutput(text) }

    /// Everything that is not data: one line.
    func say(_ line: String) { writeError(line + "\n") }

    /// A text for standard error that brings its own newlines.
    func sayText(_ text: String) { writeError(text) }

    /// Writes all of a text, as far as somebody reads it.
    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { buffer in
            var sent = 0
            while sent < buffer.count, let base = buffer.baseAddress {
                let count = Glibc.write(descriptor, base + sent, buffer.count - sent)
                // A reader that left (`weir … | head`) is no error of ours.
                if count <= 0 && errno != EINTR { return }
                sent += max(0, count)
            }
        }
    }

    private static func readEnvironment() -> [String: String] {
        var found: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let mark = text.firstIndex(of: "=") {
                found[String(text[..<mark])] = String(text[text.index(after: mark)...])
            }
            next += 1
        }
        return found
    }
}
