// The event loop of the admin server: accepts, reads, answers, closes, all within limits.
//
// It runs on one thread over a `Driver` of its own and never waits for a peer: every connection has a deadline, and
// when the table is full the connection that has waited longest for its request makes room, so that clients that
// send nothing cannot shut health checks out. It knows no threads and no clock but the driver's.

import CWeirLinux
import WeirBase
import WeirNet

struct AdminLoop {
    static let maximumConnectionCount = 64
    /// How long accepting rests after the process has run out of descriptors.
    static let acceptRestNanoseconds: UInt64 = 1_000_000_000
    private static let listenerToken = UInt64.max - 1
    private static let readByteCount = 16 * 1024

    private struct Slot {
        var descriptor: Int32
        var interest: Readiness
        var connection: AdminConnection
    }

    private let driver: Driver
    private let listener: Int32
    private let routes: AdminRoutes
    private let requiresLoopbackHost: Bool
    private var slots = [Slot?](repeating: nil, count: AdminLoop.maximumConnectionCount)
    /// Raised when a slot is given back, so that an event for its former user is recognised.
    private var generations = [UInt32](repeating: 0, count: AdminLoop.maximumConnectionCount)
    private var acceptsAgainAt: UInt64?
    private var buffer = [UInt8](repeating: 0, count: AdminLoop.readByteCount)

    /// `listener`: a non-blocking listening descriptor; the loop closes it at the end.
    init(driver: Driver, listener: Int32, routes: AdminRoutes, requiresLoopbackHost: Bool) {
        self.driver = driver
        self.listener = listener
        self.routes = routes
        self.requiresLoopbackHost = requiresLoopbackHost
        _ = driver.watch(listener, AdminLoop.listenerToken, .readable)
    }

    var connectionCount: Int { slots.count { $0 != nil } }

    /// Waits once, until something happens or a deadline passes, and deals with all of it.
    mutating func turn() {
        let none = IOEvent(token: 0, readiness: [])
        var events = [IOEvent](repeating: none, count: AdminLoop.maximumConnectionCount + 1)
        let timeout = timeoutNanoseconds(now: driver.now)
        let count = events.withUnsafeMutableBufferPointer { events in
            events.baseAddress.map { driver.wait($0, events.count, timeoutNanoseconds: timeout) } ?? 0
        }
        for event in events.prefix(max(0, count)) {
            if event.token == AdminLoop.listenerToken {
                accept()
            } else {
                serve(event)
            }
        }
        expire(now: driver.now)
    }

    /// Closes everything.
    mutating func close() {
        for index in slots.indices { drop(index) }
        driver.close(listener)
    }

    // MARK: Accepting

    private mutating func accept() {
        while true {
            var peer = SocketAddress()
            let descriptor = driver.accept(listener, &peer)
            guard descriptor >= 0 else {
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(-descriptor) { restFromAccepting(-descriptor) }
                return
            }
            guard let index = freeSlot() else {
                driver.close(descriptor)
                continue
            }
            guard driver.watch(descriptor, token(index), .readable) == 0 else {
                driver.close(descriptor)
                continue
            }
            slots[index] = Slot(
                descriptor: descriptor, interest: .readable, connection: AdminConnection(now: driver.now))
        }
    }

    /// The listener stays readable while the process has no descriptor left: looking away keeps the loop from spinning.
    private mutating func restFromAccepting(_ number: Int32) {
        Log.warn("admin.accept_failed", ["error": String(cString: strerror(number))])
        _ = driver.unwatch(listener)
        acceptsAgainAt = driver.now &+ AdminLoop.acceptRestNanoseconds
    }

    /// An empty slot, if need be that of the connection that has waited longest for its request.
    private mutating func freeSlot() -> Int? {
        if let index = slots.firstIndex(where: { $0 == nil }) { return index }
        var oldest: (index: Int, deadline: UInt64)?
        for (index, slot) in slots.enumerated() {
            guard let connection = slot?.connection, connection.phase != .writing else { continue }
            if connection.deadline < oldest?.deadline ?? .max { oldest = (index, connection.deadline) }
        }
        guard let oldest else { return nil }
        drop(oldest.index)
        return oldest.index
    }

    private func token(_ index: Int) -> UInt64 { UInt64(generations[index]) << 8 | UInt64(index) }

    // MARK: Serving

    private mutating func serve(_ event: IOEvent) {
        let index = Int(event.token & 0xFF)
        guard slots.indices.contains(index), var slot = slots[index], event.token == token(index) else { return }
        var isOpen = !event.readiness.contains(.failed)
        if isOpen, !event.readiness.isDisjoint(with: [.readable, .hangup]) { isOpen = read(&slot) }
        if isOpen { isOpen = answer(&slot) }
        guard isOpen else { return drop(index) }
        let interest: Readiness = slot.connection.phase == .writing ? .writable : .readable
        if interest != slot.interest {
            slot.interest = interest
            guard driver.rewatch(slot.descriptor, token(index), interest) == 0 else { return drop(index) }
        }
        slots[index] = slot
    }

    /// One read. False when the connection has ended.
    private mutating func read(_ slot: inout Slot) -> Bool {
        let room = min(slot.connection.room, AdminLoop.readByteCount)
        guard room > 0 else { return slot.connection.phase == .writing }
        let descriptor = slot.descriptor
        let count = buffer.withUnsafeMutableBytes { memory in
            memory.baseAddress.map { driver.read(descriptor, $0, room) } ?? 0
        }
        if count == -Int(EAGAIN) { return true }
        guard count > 0 else { return false }
        slot.connection.received(buffer[..<count])
        return true
    }

    /// Answers what is complete and writes as far as the socket takes it. False when the connection has ended.
    private func answer(_ slot: inout Slot) -> Bool {
        while true {
            switch slot.connection.next() {
            case .needsMore: break
            case .refused(let refusal):
                let response = HTTPResponse.text(refusal.status, refusal.status.reason + "\n")
                put(response, headOnly: false, keepsAlive: false, &slot)
            case .request(let request):
                let response = routes.answer(request, requiresLoopbackHost: requiresLoopbackHost)
                put(response, headOnly: request.method == "HEAD", keepsAlive: request.keepsAlive, &slot)
            }
            guard slot.connection.phase == .writing else { return true }
            guard write(&slot) else { return false }
            guard slot.connection.phase == .reading else { return true }
        }
    }

    private func put(_ response: HTTPResponse, headOnly: Bool, keepsAlive: Bool, _ slot: inout Slot) {
        let bytes = response.bytes(headOnly: headOnly, keepsAlive: keepsAlive, unixNanoseconds: driver.wallTime)
        slot.connection.answer(bytes, keepsAlive: keepsAlive, now: driver.now)
    }

    private func write(_ slot: inout Slot) -> Bool {
        while slot.connection.phase == .writing {
            let descriptor = slot.descriptor
            let count = slot.connection.pending.withUnsafeBytes { bytes in
                // Safe: the kernel only reads what an output vector points at.
                var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return driver.write(descriptor, &vector, 1)
            }
            if count == -Int(EAGAIN) { return true }
            guard count >= 0 else { return false }
            if slot.connection.wrote(count, now: driver.now) { driver.shutdownWrite(descriptor) }
        }
        return true
    }

    // MARK: Time

    private func timeoutNanoseconds(now: UInt64) -> Int64 {
        var next = acceptsAgainAt ?? .max
        for slot in slots { next = min(next, slot?.connection.deadline ?? .max) }
        guard next != .max else { return -1 }
        return next > now ? Int64(clamping: next - now) : 0
    }

    private mutating func expire(now: UInt64) {
        if let again = acceptsAgainAt, again <= now {
            acceptsAgainAt = nil
            _ = driver.watch(listener, AdminLoop.listenerToken, .readable)
        }
        for index in slots.indices {
            guard var slot = slots[index], slot.connection.deadline <= now else { continue }
            guard slot.connection.isInRequest else {
                drop(index)
                continue
            }
            put(
                .text(.requestTimeout, "The request did not come in time.\n"), headOnly: false, keepsAlive: false, &slot
            )
            guard write(&slot), slot.connection.phase != .writing else {
                drop(index)
                continue
            }
            slots[index] = slot
        }
    }

    private mutating func drop(_ index: Int) {
        guard let slot = slots[index] else { return }
        slots[index] = nil
        generations[index] &+= 1
        driver.close(slot.descriptor)
    }
}
