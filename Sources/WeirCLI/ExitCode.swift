// How a command ends. The numbers are a promise to scripts; `--help` lists them.

/// An exit code of the program.
public struct ExitCode: Sendable, Equatable {
    public let number: Int32

    public init(_ number: Int32) { self.number = number }

    /// It is done.
    public static let done = ExitCode(0)
    /// It ran, and the answer is no.
    public static let no = ExitCode(1)
    /// The command line is wrong.
    public static let usage = ExitCode(64)
    /// An input file is not there.
    public static let noInput = ExitCode(66)
    /// A server or service cannot be reached.
    public static let notReachable = ExitCode(69)
    /// A bug in Weir.
    public static let bug = ExitCode(70)
    /// Not permitted.
    public static let permission = ExitCode(77)
    /// The configuration is wrong.
    public static let configuration = ExitCode(78)

    /// What stands in `--help`.
    static let table: [(code: String, meaning: String)] = [
        ("0", "done"),
        ("1", "it ran, and the answer is no"),
        ("64", "wrong use of the command line"),
        ("66", "an input file is not there or cannot be read"),
        ("69", "a server cannot be reached, or an address cannot be used"),
        ("70", "a bug in Weir"),
        ("77", "permission denied"),
        ("78", "the configuration is wrong"),
        ("128+n", "ended by signal n"),
    ]
}
