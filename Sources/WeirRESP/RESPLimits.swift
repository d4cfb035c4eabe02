// What the decoders accept at most. The host fills these in from the configuration; the defaults are those of Redis.

/// Limits of one direction of one connection.
public struct RESPLimits: Sendable {
    /// The longest inline request, and the longest line that announces a length.
    public var maximumInlineByteCount = 64 * 1024
    /// The longest bulk string (Redis: proto-max-bulk-len).
    public var maximumBulkByteCount = 512 * 1024 * 1024
    /// The most arguments of a request.
    public var maximumArgumentCount = 1024 * 1024
    /// The longest request or reply as a whole (Redis: client-query-buffer-limit).
    public var maximumFrameByteCount = 1024 * 1024 * 1024
    /// The most children of one aggregate of a reply.
    public var maximumElementCount = Int(Int32.max)
    /// How deep the aggregates of a reply may nest. A Lua script that returns itself gets 7995 levels and an error
    /// (measured with Redis 7.0.15).
    public var maximumNesting = 8192
    /// Chooses the words of the errors: the limits are those before AUTH.
    public var isUnauthenticated = false

    public init() {}

    /// Before AUTH, as Redis: 10 arguments of 16 KiB (CVE-2021-32675).
    public static var unauthenticated: RESPLimits {
        var limits = RESPLimits()
        limits.maximumBulkByteCount = 16 * 1024
        limits.maximumArgumentCount = 10
        limits.maximumFrameByteCount = 256 * 1024
        limits.isUnauthenticated = true
        return limits
    }
}
