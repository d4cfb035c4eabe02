// Where a thread is: two plain stores before a hook, read by the handler of fatal signals on the same thread.

/// The hook that a thread is in. Written by its thread only.
public struct Breadcrumb {
    /// "plugin Essentials, site redis/counter (QueryCounter 1.0.0)"; NULL: in no plugin. Never freed.
    public var subject: UnsafePointer<CChar>?
    /// "on_requests"
    public var hook: UnsafePointer<UInt8>?

    @inlinable public init() {}

    /// To be called right before a hook. `hook` is a literal of at least two characters.
    @inlinable @inline(__always)
    public mutating func enter(_ subject: UnsafePointer<CChar>?, hook: StaticString) {
        self.hook = hook.utf8Start
        self.subject = subject
    }

    /// To be called right after it.
    @inlinable @inline(__always)
    public mutating func leave() {
        subject = nil
    }
}
