// The test's half of the scripted driver: clients and servers, time, faults. See `ScriptedDriver.swift`.

import CWeirLinux
import WeirBase

extension ScriptedDriver {
    // MARK: Clients and servers

    /// A client that connects to the worker's listener. It may send at once; the worker reads it after `accept`.
    /// Refused (`wasRefused`) when nothing listens there.
    public func connectPeer(to listener: Int32) -> ScriptedPeer {
        let index = Int(listener) - Int(ScriptedDriver.firstDescriptor)
        return connectPeer(to: table.indices.contains(index) ? table[index] : nil)
    }

    /// The same, to the first listener that has this address.
    public func connectPeer(to address: SocketAddress) -> ScriptedPeer {
        connectPeer(to: table.lazy.compactMap { $0 }.first { $0.phase == .listening && $0.local == address })
    }

    private func connectPeer(to listener: ScriptedSocket?) -> ScriptedPeer {
        let socket = ScriptedSocket(.connected, local: listener?.local ?? SocketAddress())
        let peer = ScriptedPeer(.loopback(port: takePort()), self, socket)
        guard let listener, listener.phase == .listening else {
            peer.wasRefused = true
            return peer
        }
        socket.peer = peer
        // The closure keeps the socket, whose peer knows it weakly, until the listener has it.
        travel(\.inbound, socket) {
            if listener.isClosed {
                peer.wasRefused = true
                socket.isClosed = true
            } else {
                listener.waiting.append(socket)
            }
        }
        return peer
    }

    /// What answers the worker's `connect` to `address`. The closure runs inside a later `wait`, once for each attempt:
    /// it may keep the peer, set its closures, and send. Without one, attempts are refused.
    public func onConnect(_ address: SocketAddress, _ decide: @escaping (ScriptedPeer) -> ConnectDecision) {
        servers[address] = decide
    }

    func decide(_ socket: ScriptedSocket) {
        guard !socket.isClosed, let peer = socket.peer else { return }
        switch servers[peer.address]?(peer) ?? .refuse {
        case .accept:
            socket.phase = .connected
            peer.isConnected = true
        case .refuse: socket.refuse(ECONNREFUSED)
        case .fail(let code): socket.refuse(code)
        case .blackhole: break
        }
    }

    // MARK: Time

    /// Moves the clock, and lets happen what is due on the way.
    public func advance(by duration: Duration) {
        let end = clock + ScriptedDriver.nanoseconds(duration)
        runDue()
        while let next = schedule.nextTime, next <= end {
            clock = next
            runDue()
        }
        clock = end
    }

    /// Runs `action` inside the `wait` or `advance` that reaches that time.
    public func after(_ duration: Duration, _ action: @escaping () -> Void) {
        schedule(after: ScriptedDriver.nanoseconds(duration), action)
    }

    /// Calls `turn` (one turn of the worker's loop) until `duration` of virtual time is over and the worker idle, or
    /// nothing more can happen. False when that takes more than `maximumTurnCount` turns: the worker spins.
    @discardableResult public func run(
        for duration: Duration, maximumTurnCount: Int = 1_000_000, _ turn: () -> Void
    ) -> Bool {
        let before = horizon
        defer { horizon = before }
        horizon = min(before, clock + ScriptedDriver.nanoseconds(duration))
        isIdle = false
        for _ in 0..<maximumTurnCount {
            turn()
            if isIdle { return true }
        }
        return false
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        let parts = duration.components
        precondition(parts.seconds >= 0 && parts.attoseconds >= 0, "virtual time does not go back")
        return UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds / 1_000_000_000)
    }

    // MARK: Faults

    /// The next `times` calls of this kind return −`code` and do nothing else; with a peer, only those on its connection
    /// (`read` and `write`).
    public func failNext(_ call: ScriptedCall, with code: Int32, times: Int = 1, on peer: ScriptedPeer? = nil) {
        let codes = repeatElement(code, count: times)
        if let peer { peer.failures[call, default: []] += codes } else { failures[call, default: []] += codes }
    }

    func scriptedFailure(_ call: ScriptedCall, _ peer: ScriptedPeer?) -> Int32? {
        if let peer, let code = ScriptedDriver.takeFirst(&peer.failures[call]) { return code }
        return ScriptedDriver.takeFirst(&failures[call])
    }

    private static func takeFirst(_ codes: inout [Int32]?) -> Int32? {
        guard codes?.isEmpty == false else { return nil }
        return codes?.removeFirst()
    }

    /// Faults by chance of a read or write that could do something.
    func chanceFailure(_ socket: ScriptedSocket, hasWork: Bool) -> Int32? {
        let limits = faults(of: socket)
        guard hasWork, socket.phase == .connected else { return nil }
        if random.chance(perMille: limits.wouldBlockPerMille) { return EAGAIN }
        guard random.chance(perMille: limits.resetPerMille) else { return nil }
        socket.dropInput()
        socket.breakDown()
        if let peer = socket.peer { travel(\.outbound, socket) { peer.deliverReset() } }
        return socket.takeError()
    }

    func faults(of socket: ScriptedSocket) -> ScriptedFaults { socket.peer?.faults ?? faults }

    /// A random number from 1 to `count`; 0 of 0.
    func part(of count: Int) -> Int {
        count > 0 ? 1 + Int(random.next(below: UInt64(count))) : 0
    }

    // MARK: What is under way

    func drawDelay(_ faults: ScriptedFaults) -> UInt64 {
        let range = faults.delayNanoseconds
        let width = range.upperBound - range.lowerBound
        return width == 0 ? range.lowerBound : range.lowerBound + random.next(below: width &+ 1)
    }

    func schedule(after nanoseconds: UInt64 = 0, _ action: @escaping () -> Void) {
        schedule.add(clock + nanoseconds, action)
    }

    /// Lets something arrive at one end of a connection: at once when there is no delay and nothing before it is under
    /// way in that lane, else in its turn.
    func travel(
        _ lane: ReferenceWritableKeyPath<ScriptedSocket, Lane>, _ socket: ScriptedSocket,
        _ arrive: @escaping () -> Void
    ) {
        let arrival = max(clock + drawDelay(faults(of: socket)), socket[keyPath: lane].lastArrival)
        socket[keyPath: lane].lastArrival = arrival
        guard arrival > clock || socket[keyPath: lane].count > 0 else { return arrive() }
        socket[keyPath: lane].count += 1
        schedule.add(arrival) {
            socket[keyPath: lane].count -= 1
            arrive()
        }
    }

    func runDue() {
        while let action = schedule.takeDue(clock) { action() }
    }
}

/// What will happen, in the order of time, and of adding where the time is the same.
struct ScriptedSchedule {
    private var entries: [(time: UInt64, action: () -> Void)] = []
    private var start = 0

    var nextTime: UInt64? { start < entries.count ? entries[start].time : nil }

    mutating func add(_ time: UInt64, _ action: @escaping () -> Void) {
        var low = start
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        entries.insert((time, action), at: low)
    }

    mutating func takeDue(_ now: UInt64) -> (() -> Void)? {
        guard start < entries.count, entries[start].time <= now else { return nil }
        let action = entries[start].action
        entries[start].action = {}
        start += 1
        if start == entries.count {
            entries.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1024 {
            entries.removeFirst(start)
            start = 0
        }
        return action
    }
}
