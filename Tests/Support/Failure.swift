// The error of the test support, and waiting for a condition with a deadline. Tests never sleep for a fixed
// time: they say what they wait for and how long at most.

import Foundation

/// Something that a test needed did not happen. The text says what was expected and what came.
public struct Failure: Error, CustomStringConvertible {
    /// What happened, for the person who reads the test's output.
    public let description: String

    /// Makes a failure with its text.
    public init(_ description: String) { self.description = description }
}

/// Seconds of a clock that never goes back.
public func monotonicSeconds() -> Double {
    ProcessInfo.processInfo.systemUptime
}

/// Asks `condition` again and again until it holds; throws after `seconds`.
/// - Parameter what: what is waited for, as it would be said in "waited 5 s for …".
public func eventually(
    within seconds: Double = 5, _ what: @autoclosure () -> String, _ condition: () throws -> Bool
) throws {
    let deadline = monotonicSeconds() + seconds
    var pause: UInt32 = 500
    while try !condition() {
        if monotonicSeconds() > deadline { throw Failure("waited \(seconds) s for \(what())") }
        usleep(pause)
        pause = min(pause * 2, 20_000)
    }
}

/// A seeded generator (SplitMix64), so that a random test can be run again from its seed.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts from a seed; the same seed gives the same numbers.
    public init(seed: UInt64) { state = seed }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Raises the soft limit on open descriptors to the hard one; gives what it is then.
@discardableResult
public func raiseOpenFileLimit() -> Int {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(limit.rlim_cur)
}
