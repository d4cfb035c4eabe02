// One client connection as seen by one chain (weir_conn in weir.h). Valid until conn_close has returned.

public import CWeir

/// A client connection.
public struct Connection {
    public let raw: UnsafeMutablePointer<weir_conn>
    public let worker: Worker

    @inlinable
    init(_ raw: UnsafeMutablePointer<weir_conn>, _ worker: Worker) {
        self.raw = raw
        self.worker = worker
    }

    @inlinable public var id: UInt64 { raw.pointee.id }
    @inlinable public var protocolNumber: UInt16 { raw.pointee.protocol }
    /// Requests that are not answered yet.
    @inlinable public var inFlightCount: Int { Int(raw.pointee.in_flight) }
    /// "10.1.2.3:51234"
    public var peer: Bytes { Bytes(raw.pointee.peer) }
    public var local: Bytes { Bytes(raw.pointee.local) }
    public var isTLS: Bool { raw.pointee.flags & UInt32(WEIR_C_TLS) != 0 }
    /// No client: a sub-chain shared by a worker.
    public var isInternal: Bool { raw.pointee.flags & UInt32(WEIR_C_INTERNAL) != 0 }
    public var isClosing: Bool { raw.pointee.flags & UInt32(WEIR_C_CLOSING) != 0 }

    /// "user", "db", "client.name"; empty: none. Valid until the hook returns.
    public func attribute(_ name: String) -> Bytes {
        name.withCString { Bytes(worker.host.pointee.conn_attr(raw, $0)) }
    }

    /// The rest of the chain behind this transform, for requests of your own.
    public var next: Target { Target(worker.host.pointee.next(raw, worker.site), worker) }

    /// Unsolicited, to the client.
    public func push(_ message: consuming Held) { worker.host.pointee.push(raw, message.release()) }

    /// Closes it after what is queued; the reason is for the log.
    public func close(_ reason: String) {
        reason.withBytes { worker.host.pointee.close(raw, $0.raw) }
    }
}
