// What the thread is doing for a plugin right now: two plain stores before a hook, read by the handler of
// fatal signals.

/// The last hook that a thread entered; both nil outside hooks.
public struct Breadcrumb {
    /// "plugin Essentials, site redis/counter (QueryCounter 1.0.0)"; lives as long as the program.
    public var place: UnsafePointer<CChar>?
    /// "on_requests"; lives as long as the program.
    public var hook: UnsafePointer<CChar>?

    @inlinable public init() {}
}
