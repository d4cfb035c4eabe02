// How something went (weir_status in weir.h), and the error that the SDK and its authors throw.

public import CWeir

/// WEIR_OK and the classes of error.
public struct Status: RawRepresentable, Equatable, Sendable {
    public let rawValue: Int32

    @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Enumerators of the header come as UInt32.
    @inlinable init(_ constant: Int) { rawValue = Int32(truncatingIfNeeded: constant) }

    @inlinable public static var ok: Status { Status(WEIR_OK) }
    /// A malformed argument, message or configuration.
    @inlinable public static var invalid: Status { Status(WEIR_E_INVALID) }
    /// This host, protocol or message cannot do that.
    @inlinable public static var unsupported: Status { Status(WEIR_E_UNSUPPORTED) }
    @inlinable public static var notFound: Status { Status(WEIR_E_NOT_FOUND) }
    /// Refused by policy: the client must not retry.
    @inlinable public static var rejected: Status { Status(WEIR_E_REJECTED) }
    @inlinable public static var timeout: Status { Status(WEIR_E_TIMEOUT) }
    @inlinable public static var cancelled: Status { Status(WEIR_E_CANCELLED) }
    /// No upstream connection; may be retried.
    @inlinable public static var unavailable: Status { Status(WEIR_E_UNAVAILABLE) }
    @inlinable public static var full: Status { Status(WEIR_E_FULL) }
    @inlinable public static var `internal`: Status { Status(WEIR_E_INTERNAL) }
}

/// What is wrong, for a person to read; thrown by settings, start and asynchronous code.
public struct Problem: Error, CustomStringConvertible {
    public let status: Status
    /// In settings: a JSON pointer to the option that is wrong, "/prefix"; "" is the whole.
    public let path: String
    public let text: String

    public init(_ status: Status = .invalid, at path: String = "", _ text: String) {
        self.status = status
        self.path = path
        self.text = text
    }

    public var description: String { path.isEmpty ? text : "\(path): \(text)" }
}
