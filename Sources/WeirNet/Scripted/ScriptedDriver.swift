// A network in memory and in virtual time, behind the same interface as the kernel: for tests, and for the simulator.
// One thread uses it (`wake` aside). The worker calls the `Driver` half; the test holds `ScriptedPeer`s and the half in
// `ScriptedDriver+Script.swift`. Nothing here looks at a real clock, socket or random source: the same seed and the
// same calls give the same run, which `fingerprint` proves.
//
// Where TCP has a choice this does what Linux does: bytes before a reset can be read, an error is given out once,
// closing with unread bytes resets, the lowest free descriptor is given out first.

public import CWeirLinux
import Synchronization
import WeirBase

/// `Driver` without a kernel. Descriptors count from `firstDescriptor`, so a real system call refuses them.
public final class ScriptedDriver: Driver {
    public static let firstDescriptor: Int32 = 1_000_000
    /// Virtual Unix time when the monotonic clock is 0: 2026-01-01.
    public static let wallEpochNanoseconds: UInt64 = 1_767_225_600_000_000_000

    /// For all connections whose peer has none of its own.
    public var faults = ScriptedFaults()
    /// From this many open descriptors on, `accept`, `connect` and `listen` say −EMFILE.
    public var maximumDescriptorCount = Int.max
    /// `wait` never moves the clock beyond this.
    public var horizon = UInt64.max
    /// The last `wait` was a real one, found nothing and could not move the clock: nothing more happens by itself.
    public internal(set) var isIdle = false
    /// Calls with a descriptor that was not open or not of that kind: mistakes of the worker.
    public private(set) var misuses: [String] = []
    /// A hash over all calls and their outcomes: equal for equal runs.
    public private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325

    var clock: UInt64 = 1_000_000_000
    var random: SeededRandom
    var schedule = ScriptedSchedule()
    var servers: [SocketAddress: (ScriptedPeer) -> ConnectDecision] = [:]
    var failures: [ScriptedCall: [Int32]] = [:]
    /// By descriptor minus `firstDescriptor`.
    var table: [ScriptedSocket?] = []
    private var nextPort: UInt16 = 49_152
    /// Where the next `wait` begins to look, after one that had no room for all.
    private var firstToReport = 0
    private let isWoken = Atomic(false)

    public init(seed: UInt64 = 0) {
        random = SeededRandom(seed: seed)
        super.init()
    }

    // MARK: Bytes

    public override func read(_ descriptor: Int32, _ into: UnsafeMutableRawPointer, _ capacity: Int) -> Int {
        guard let socket = connection(descriptor, "read") else { return note(-Int(EBADF)) }
        if let code = scriptedFailure(.read, socket.peer) { return note(-Int(code)) }
        guard capacity > 0 else { return note(0) }
        if let code = chanceFailure(socket, hasWork: socket.unreadByteCount > 0) { return note(-Int(code)) }
        let limits = faults(of: socket)
        var count = min(capacity, socket.unreadByteCount, max(1, limits.maximumReadByteCount))
        if count > 0 {
            if limits.splitsReads { count = part(of: count) }
            socket.take(into, count)
            return note(count)
        }
        // The end of the stream hides an error that came after it; a write will find that.
        if socket.hasInputEnded { return note(0) }
        let code = socket.takeError()
        if code != 0 { return note(-Int(code)) }
        return note(socket.phase == .broken ? 0 : -Int(EAGAIN))
    }

    public override func write(_ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32) -> Int {
        guard let socket = connection(descriptor, "write") else { return note(-Int(EBADF)) }
        if let code = scriptedFailure(.write, socket.peer) { return note(-Int(code)) }
        guard socket.phase != .connecting else { return note(-Int(EAGAIN)) }
        if let code = chanceFailure(socket, hasWork: true) { return note(-Int(code)) }
        let code = socket.takeError()
        if code != 0 { return note(-Int(code)) }
        guard socket.phase == .connected, !socket.hasOutputEnded else { return note(-Int(EPIPE)) }
        let limits = faults(of: socket)
        let room = socket.room(limits.sendBufferByteCount)
        guard room > 0 else { return note(-Int(EAGAIN)) }
        let bytes = gather(vectors, count, min(room, max(1, limits.maximumWriteByteCount)), limits.splitsWrites)
        guard !bytes.isEmpty else { return note(0) }
        sendToPeer(socket, bytes)
        return note(bytes.count)
    }

    /// The first bytes of the vectors, `limit` at most, or a random part of those.
    private func gather(_ vectors: UnsafePointer<iovec>, _ count: Int32, _ limit: Int, _ isSplit: Bool) -> [UInt8] {
        let list = UnsafeBufferPointer(start: vectors, count: Int(min(max(count, 0), 1024)))
        var left = limit
        if isSplit { left = part(of: min(limit, list.reduce(0) { $0 + $1.iov_len })) }
        var bytes: [UInt8] = []
        for vector in list where left > 0 {
            let piece = UnsafeRawBufferPointer(start: vector.iov_base, count: min(vector.iov_len, left))
            bytes += piece
            left -= piece.count
        }
        return bytes
    }

    private func sendToPeer(_ socket: ScriptedSocket, _ bytes: [UInt8]) {
        guard let peer = socket.peer else { return }
        socket.travellingByteCount += bytes.count
        travel(\.outbound, socket) { [unowned self] in
            socket.travellingByteCount -= bytes.count
            if !peer.deliver(bytes) { travel(\.inbound, socket) { socket.breakDown() } }
        }
    }

    // MARK: Connections

    public override func accept(_ listener: Int32, _ peer: inout SocketAddress) -> Int32 {
        guard let socket = socket(listener, "accept", where: { $0.phase == .listening }) else { return note(-EBADF) }
        if let code = scriptedFailure(.accept, nil) { return note(-code) }
        guard openDescriptorCount < maximumDescriptorCount else { return note(-EMFILE) }
        guard !socket.waiting.isEmpty else { return note(-EAGAIN) }
        let connection = socket.waiting.removeFirst()
        peer = connection.peer?.address ?? SocketAddress()
        connection.peer?.isConnected = true
        return note(giveDescriptor(connection))
    }

    public override func listen(_ address: SocketAddress, backlog: Int32) -> Int32 {
        if let code = scriptedFailure(.listen, nil) { return note(-code) }
        guard address.family != .unspecified else { return note(-EAFNOSUPPORT) }
        guard openDescriptorCount < maximumDescriptorCount else { return note(-EMFILE) }
        var local = address
        if local.port == 0 { local.port = takePort() }
        return note(giveDescriptor(ScriptedSocket(.listening, local: local)))
    }

    /// Always under way at first: the server decides inside a later `wait`.
    public override func connect(_ address: SocketAddress) -> Int32 {
        if let code = scriptedFailure(.connect, nil) { return note(-code) }
        guard address.family != .unspecified else { return note(-EAFNOSUPPORT) }
        guard openDescriptorCount < maximumDescriptorCount else { return note(-EMFILE) }
        let socket = ScriptedSocket(.connecting, local: .loopback(port: takePort()))
        socket.peer = ScriptedPeer(address, self, socket)
        let descriptor = giveDescriptor(socket)
        schedule(after: drawDelay(faults)) { [unowned self] in decide(socket) }
        return note(descriptor)
    }

    public override func connectOutcome(_ descriptor: Int32) -> Int32 {
        guard let socket = connection(descriptor, "connectOutcome") else { return note(EBADF) }
        let code = socket.takeError()
        if code != 0 { return note(code) }
        return note(socket.phase == .connected ? 0 : EINPROGRESS)
    }

    public override func localAddress(_ descriptor: Int32) -> SocketAddress {
        socket(descriptor, "localAddress", where: { _ in true })?.local ?? SocketAddress()
    }

    public override func setNoDelay(_ descriptor: Int32) {
        connection(descriptor, "setNoDelay")?.peer?.hasNoDelay = true
    }

    public override func setKeepAlive(_ descriptor: Int32) {
        connection(descriptor, "setKeepAlive")?.peer?.hasKeepAlive = true
    }

    public override func shutdownWrite(_ descriptor: Int32) {
        guard let socket = connection(descriptor, "shutdownWrite") else { return }
        endOutput(socket)
    }

    public override func close(_ descriptor: Int32) {
        guard let socket = socket(descriptor, "close", where: { _ in true }) else { return }
        let isUnread = socket.unreadByteCount > 0
        takeDescriptor(socket)
        if isUnread { sendReset(socket) } else { endOutput(socket) }
        for connection in socket.waiting { sendReset(connection) }
        socket.waiting = []
    }

    public override func closeWithReset(_ descriptor: Int32) {
        guard let socket = connection(descriptor, "closeWithReset") else { return }
        takeDescriptor(socket)
        sendReset(socket)
    }

    private func endOutput(_ socket: ScriptedSocket) {
        guard socket.phase == .connected, !socket.hasOutputEnded, let peer = socket.peer else { return }
        socket.hasOutputEnded = true
        travel(\.outbound, socket) { peer.deliverEnd() }
    }

    private func sendReset(_ socket: ScriptedSocket) {
        socket.isClosed = true
        guard socket.phase == .connected, let peer = socket.peer else { return }
        travel(\.outbound, socket) { peer.deliverReset() }
    }

    // MARK: Waiting

    public override func watch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        guard let socket = socket(descriptor, "watch", where: { _ in true }) else { return note(-EBADF) }
        if let code = scriptedFailure(.watch, nil) { return note(-code) }
        guard token != .max else { return note(-EINVAL) }
        guard socket.watch == nil else { return note(-EEXIST) }
        socket.watch = (token, interest)
        return note(0)
    }

    public override func rewatch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        guard let socket = socket(descriptor, "rewatch", where: { _ in true }) else { return note(-EBADF) }
        guard token != .max else { return note(-EINVAL) }
        guard socket.watch != nil else { return note(-ENOENT) }
        socket.watch = (token, interest)
        return note(0)
    }

    public override func unwatch(_ descriptor: Int32) -> Int32 {
        guard let socket = socket(descriptor, "unwatch", where: { _ in true }) else { return note(-EBADF) }
        guard socket.watch != nil else { return note(-ENOENT) }
        socket.watch = nil
        return note(0)
    }

    /// Reports what is ready now. When nothing is, moves the clock to what happens next, to the end of the time-out or
    /// to `horizon`, whichever is first. It never sleeps: a wait for ever that nothing will end returns 0 (`isIdle`).
    public override func wait(
        _ events: UnsafeMutablePointer<IOEvent>, _ capacity: Int, timeoutNanoseconds: Int64
    ) -> Int {
        guard capacity > 0 else { return note(-Int(EINVAL)) }
        let start = clock
        let end = timeoutNanoseconds < 0 ? UInt64.max : clock + UInt64(timeoutNanoseconds)
        isIdle = false
        while true {
            runDue()
            let woken = isWoken.exchange(false, ordering: .acquiring)
            let count = report(events, capacity)
            if count > 0 || woken { return note(count) }
            guard let next = schedule.nextTime, next <= end, next <= horizon else { break }
            clock = next
        }
        if end != .max || horizon != .max { clock = max(clock, min(end, horizon)) }
        isIdle = timeoutNanoseconds != 0 && clock == start
        return note(0)
    }

    private func report(_ events: UnsafeMutablePointer<IOEvent>, _ capacity: Int) -> Int {
        var ready: [(index: Int, event: IOEvent)] = []
        for offset in table.indices {
            let index = (firstToReport + offset) % table.count
            guard let socket = table[index], let watch = socket.watch else { continue }
            let found = socket.readiness(faults(of: socket).sendBufferByteCount)
            let readiness = found.intersection(watch.interest.union(.failed))
            if !readiness.isEmpty { ready.append((index, IOEvent(token: watch.token, readiness: readiness))) }
        }
        if faults.shufflesEvents { ready.shuffle(using: &random) }
        let count = min(ready.count, capacity)
        for position in 0..<count {
            events[position] = ready[position].event
            _ = note(
                Int(truncatingIfNeeded: ready[position].event.token) ^ Int(ready[position].event.readiness.rawValue))
        }
        firstToReport = count < ready.count ? ready[count].index : 0
        return count
    }

    public override func wake() { isWoken.store(true, ordering: .releasing) }

    // MARK: Time and chance

    public override var now: UInt64 { clock }
    public override var wallTime: UInt64 { ScriptedDriver.wallEpochNanoseconds + clock }

    public override func fillRandom(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        for offset in 0..<max(0, byteCount) {
            pointer.storeBytes(of: UInt8(truncatingIfNeeded: random.next()), toByteOffset: offset, as: UInt8.self)
        }
    }

    // MARK: Descriptors

    /// Descriptors that the worker holds.
    public private(set) var openDescriptorCount = 0

    private func giveDescriptor(_ socket: ScriptedSocket) -> Int32 {
        let index = table.firstIndex { $0 == nil } ?? table.count
        if index == table.count { table.append(socket) } else { table[index] = socket }
        openDescriptorCount += 1
        socket.descriptor = ScriptedDriver.firstDescriptor + Int32(index)
        return socket.descriptor
    }

    private func takeDescriptor(_ socket: ScriptedSocket) {
        table[Int(socket.descriptor - ScriptedDriver.firstDescriptor)] = nil
        openDescriptorCount -= 1
        socket.descriptor = 0
        socket.watch = nil
        socket.isClosed = true
    }

    func socket(_ descriptor: Int32, _ call: String, where isFit: (ScriptedSocket) -> Bool) -> ScriptedSocket? {
        let index = Int(descriptor) - Int(ScriptedDriver.firstDescriptor)
        if table.indices.contains(index), let socket = table[index], isFit(socket) { return socket }
        misuses.append("\(call)(\(descriptor))")
        return nil
    }

    private func connection(_ descriptor: Int32, _ call: String) -> ScriptedSocket? {
        socket(descriptor, call, where: { $0.phase != .listening })
    }

    func takePort() -> UInt16 {
        defer { nextPort = nextPort == .max ? 49_152 : nextPort + 1 }
        return nextPort
    }

    func note<N: BinaryInteger>(_ outcome: N) -> N {
        fingerprint = (fingerprint ^ UInt64(truncatingIfNeeded: outcome) ^ clock) &* 0x100_0000_01b3
        return outcome
    }
}
