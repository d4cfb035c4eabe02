// The worker's end of a virtual connection, or a virtual listener: state only. `ScriptedDriver` decides what happens to
// it and when; the rules that it keeps are those of Linux's TCP sockets, as far as a proxy can see them.
//
//   connecting ──accept──► connected ──reset / connect failed──► broken
//                              │ end of the peer's stream: hasInputEnded      │ end of ours: hasOutputEnded

import CWeirLinux

final class ScriptedSocket {
    enum Phase { case listening, connecting, connected, broken }

    var phase: Phase
    var local: SocketAddress
    /// 0 until a descriptor is given out for it, and again when that is closed.
    var descriptor: Int32 = 0
    var watch: (token: UInt64, interest: Readiness)?

    /// Listening: connections made and not yet accepted.
    var waiting: [ScriptedSocket] = []
    /// Connections: who is at the other end.
    var peer: ScriptedPeer?

    var hasInputEnded = false
    var hasOutputEnded = false
    /// Given out, once, by the next read, write or `connectOutcome`.
    var pendingError: Int32 = 0
    /// Closed by the worker: whatever arrives now is answered with a reset.
    var isClosed = false

    /// What travels, so that nothing overtakes: towards the worker and towards the peer.
    var inbound = Lane()
    var outbound = Lane()
    /// Bytes written by the worker and not yet at the peer.
    var travellingByteCount = 0

    private var input: [UInt8] = []
    private var inputStart = 0

    init(_ phase: Phase, local: SocketAddress) {
        self.phase = phase
        self.local = local
    }

    var unreadByteCount: Int { input.count - inputStart }

    func append(_ bytes: [UInt8]) { input += bytes }

    /// Copies and removes the first `count` bytes; the caller has seen that so many are there.
    func take(_ into: UnsafeMutableRawPointer, _ count: Int) {
        // Safe: count > 0
        input.withUnsafeBytes { into.copyMemory(from: $0.baseAddress! + inputStart, byteCount: count) }
        inputStart += count
        if inputStart == input.count {
            input.removeAll(keepingCapacity: true)
            inputStart = 0
        } else if inputStart > 65_536, inputStart > input.count / 2 {
            input.removeFirst(inputStart)
            inputStart = 0
        }
    }

    func dropInput() {
        input = []
        inputStart = 0
    }

    /// A reset has arrived. As on Linux, bytes that came before can still be read, then the error comes once, then the
    /// end of the stream; the error is EPIPE when the peer had ended its stream before.
    func breakDown() {
        guard phase == .connected else { return }
        phase = .broken
        pendingError = hasInputEnded ? EPIPE : ECONNRESET
    }

    /// The connection attempt has failed.
    func refuse(_ code: Int32) {
        phase = .broken
        pendingError = code
        dropInput()
    }

    /// Takes the error that waits, 0 when none does.
    func takeError() -> Int32 {
        defer { pendingError = 0 }
        return pendingError
    }

    /// Room for writes, given the size of the send buffer.
    func room(_ bufferByteCount: Int) -> Int {
        max(0, bufferByteCount - travellingByteCount - (peer?.untakenByteCount ?? 0))
    }

    /// What epoll would say.
    func readiness(_ bufferByteCount: Int) -> Readiness {
        var ready: Readiness = []
        switch phase {
        case .listening:
            if !waiting.isEmpty { ready.insert(.readable) }
        case .connecting: break
        case .connected:
            if unreadByteCount > 0 || hasInputEnded { ready.insert(.readable) }
            if hasOutputEnded || room(bufferByteCount) > 0 { ready.insert(.writable) }
            if hasInputEnded { ready.insert(.hangup) }
            if hasInputEnded, hasOutputEnded { ready.insert(.failed) }
        case .broken: ready = [.readable, .writable, .hangup, .failed]
        }
        return ready
    }
}

/// One direction of a connection: what is under way arrives in the order in which it left.
struct Lane {
    var count = 0
    var lastArrival: UInt64 = 0
}
