// A worker on the scripted network: sources, servers and clients of one test, and the balance at its end.

import CWeir
public import Testing
public import WeirBase
@testable public import WeirChain
public import WeirNet
@testable public import WeirUpstream
import WeirWire

public final class WorkerBed {
    public let driver: ScriptedDriver
    public let worker: WorkerRef
    public let layer: RESPUpstreams
    public let metrics = MetricRegistry()
    public private(set) var clients: [BedClient] = []
    public private(set) var transforms: [TestTransform] = []
    public private(set) var redis: [FakeRedis] = []
    private let startBytes: Int
    private var hasSpun = false
    private var nextPort: UInt16 = 7000

    public static let address = SocketAddress.loopback(port: 6379)

    public init(seed: UInt64 = 1) {
        Log.level = .error
        driver = ScriptedDriver(seed: seed)
        worker = WorkerRef.make(
            index: 0, count: 1, driver: driver, host: BedHost.table, metrics: metrics, codecs: [BedHost.codec],
            seed: seed, logLevel: 4)
        layer = RESPUpstreams(worker: worker, codec: BedHost.codec, seed: seed &+ 1)
        worker.install(layer)
        startBytes = worker.pointee.slabs.pointee.usedByteCount
    }

    // MARK: building

    /// A server, and the plan that leads to it.
    public func makeRedis() -> FakeRedis {
        let server = FakeRedis(driver, .loopback(port: nextPort))
        nextPort += 1
        redis.append(server)
        return server
    }

    /// Starts `chain` and listens for it.
    public func open(
        _ chain: [TestTransform], at address: SocketAddress = WorkerBed.address, limits: FlowLimits = FlowLimits(),
        maximumConnections: Int = 10_000, refuses: Bool = false, idleNanoseconds: UInt64 = 0
    ) {
        transforms += chain
        let failure = worker.open(
            SourcePlan(
                name: "test", address: address, chain: ChainPlan("main", chain),
                connections: ConnectionCount(maximum: maximumConnections), refusesAboveLimit: refuses,
                idleNanoseconds: idleNanoseconds, limits: limits))
        if let failure { Issue.record("\(failure)") }
    }

    /// A bed with one server behind `transforms`.
    public static func simple(
        seed: UInt64 = 1, _ transforms: [TestTransform] = [], limits: FlowLimits = FlowLimits(),
        configure: (inout PlanOptions) -> Void = { _ in }
    ) -> (bed: WorkerBed, redis: FakeRedis) {
        let bed = WorkerBed(seed: seed)
        let server = bed.makeRedis()
        var options = PlanOptions()
        configure(&options)
        bed.open(transforms + [.sink(server.plan(options))], limits: limits)
        return (bed, server)
    }

    /// Transforms that are in sub-chains, for the balance.
    public func track(_ more: [TestTransform]) { transforms += more }

    public func client(at address: SocketAddress = WorkerBed.address) -> BedClient {
        let client = BedClient(driver.connectPeer(to: address), self)
        clients.append(client)
        return client
    }

    // MARK: running

    /// Runs the loop for so much virtual time.
    public func run(_ duration: Duration = .milliseconds(5), at location: SourceLocation = #_sourceLocation) {
        if hasSpun { return }
        hasSpun = !driver.run(for: duration, maximumTurnCount: 50_000) { [worker] in worker.turn() }
        if hasSpun { Issue.record("the worker spins", sourceLocation: location) }
    }

    /// Runs until `condition` holds, in steps of 1 ms, at most `limit`.
    @discardableResult
    public func run(until limit: Duration, step: Duration = .milliseconds(1), _ condition: () -> Bool) -> Bool {
        var time = Duration.zero
        while !condition() {
            if time >= limit { return false }
            run(step)
            time += step
        }
        return true
    }

    // MARK: the balance

    /// Closes all clients and looks for whatever was not given back. Before that, no more than `owed` requests of
    /// clients that are still there may be without an answer.
    public func finish(owed: Int = 0, closing: Bool = true, at location: SourceLocation = #_sourceLocation) {
        driver.faults = ScriptedFaults()
        run(.milliseconds(500))
        var owedCount = 0
        for source in worker.pointee.sources {
            var client = source.pointee.firstClient
            while let current = client {
                owedCount += current.pointee.owedCount
                if owed == 0, let request = current.pointee.ledgerFirst { describe(request, location) }
                client = current.pointee.next
            }
        }
        #expect(owedCount == owed, "requests without an answer", sourceLocation: location)
        for client in clients where closing {
            client.peer.faults = nil
            client.peer.isReading = true
            client.peer.close()
        }
        run(.seconds(3))
        check(at: location)
    }

    /// Says of a request that has no answer where it is.
    private func describe(_ request: MessageRef, _ location: SourceLocation) {
        let message = request.pointee
        let place = "site \(message.site)"
        Issue.record(
            "no answer for \(request.handle.words): \(message.disposition) at \(place), holds \(message.holds), answered \(message.isAnswered), sequenced \(message.isSequenced), first answer \(message.firstAnswer != nil), frames \(message.outer != nil)",
            sourceLocation: location)
    }

    public func check(at location: SourceLocation = #_sourceLocation) {
        func equal<T: Equatable>(_ found: T, _ wanted: T, _ what: Comment) {
            #expect(found == wanted, what, sourceLocation: location)
        }
        equal(worker.pointee.messages.usedCount, 0, "messages")
        equal(worker.pointee.clients.usedCount, 0, "clients")
        equal(worker.pointee.operations.usedCount, 0, "operations")
        equal(worker.pointee.returnFrames.usedCount, 0, "return frames")
        equal(worker.pointee.slabs.pointee.usedByteCount, startBytes, "slab bytes")
        equal(worker.pointee.clientCount, 0, "client count")
        equal(driver.misuses, [], "misuses of descriptors")
        for transform in transforms {
            equal(transform.mistakes, [], "mistakes")
            for connection in transform.live.values where connection.conn.pointee.flags & UInt32(WEIR_C_INTERNAL) == 0 {
                Issue.record("\(transform.name): a connection was not closed", sourceLocation: location)
                _ = connection
            }
        }
        for server in redis {
            for session in server.openSessions where !session.isPlain {
                Issue.record("a connection with state is kept: \(session.commands)", sourceLocation: location)
            }
        }
    }

    public var usedSlabBytes: Int { worker.pointee.slabs.pointee.usedByteCount - startBytes }
}

public struct PlanOptions {
    public var connectNanoseconds: UInt64 = 3_000_000_000
    public var requestNanoseconds: UInt64 = 0
    public var connectionCount = 1
    public var user: String?
    public var password: String?
    public var maximumPinnedCount = 1000
    public var addresses: [String] = []

    public init() {}
}

extension FakeRedis {
    public func plan(_ options: PlanOptions = PlanOptions()) -> UpstreamPlan {
        UpstreamPlan(
            addresses: options.addresses.isEmpty ? ["\(address)"] : options.addresses,
            connectNanoseconds: options.connectNanoseconds, requestNanoseconds: options.requestNanoseconds,
            connectionCount: options.connectionCount, user: options.user, password: options.password,
            maximumPinnedCount: options.maximumPinnedCount)
    }
}

/// A client of the bed: sends commands, reads replies as lines of text.
public final class BedClient {
    public let peer: ScriptedPeer
    private unowned let bed: WorkerBed
    private var reader = RESPReader()
    public private(set) var replies: [String] = []

    init(_ peer: ScriptedPeer, _ bed: WorkerBed) {
        self.peer = peer
        self.bed = bed
        peer.onReceive = { [weak self] _, _ in self?.read() }
    }

    public func read() {
        reader.append(peer.takeReceived())
        while let value = reader.next() { replies.append(value.text) }
    }

    public func send(_ words: String...) { peer.send(wire(words)) }
    public func sendAll(_ commands: [[String]]) { peer.send(commands.map { wire($0) }.joined()) }

    /// Sends and runs until the reply is there.
    public func call(_ words: String..., within limit: Duration = .seconds(5)) -> String {
        let before = replies.count
        peer.send(wire(words))
        bed.run(until: limit) { replies.count > before || isEnded }
        return replies.count > before ? replies.remove(at: before) : isEnded ? "<end>" : "<nothing>"
    }

    /// The replies since the last call.
    public func take() -> [String] {
        read()
        defer { replies = [] }
        return replies
    }

    public var restCount: Int { reader.restCount }
    public var isEnded: Bool { peer.hasEnded || peer.wasReset }
}

/// Numbers from a seed, for what a test decides.
public struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    public init(_ seed: UInt64) { state = seed &+ 0x9e37_79b9_7f4a_7c15 }

    public mutating func next() -> UInt64 {
        state = state &+ 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z &>> 31)
    }
}

extension WorkerBed {
    /// The loop has ended.
    public var hasStopped: Bool { worker.pointee.mustStop }
}

extension WorkerBed {
    /// The bytes that the clients are said to owe; 0 when nothing is under way.
    public var lowestOwedBytes: Int {
        var lowest = 0
        for source in worker.pointee.sources {
            var client = source.pointee.firstClient
            while let current = client {
                lowest = min(lowest, current.pointee.owedByteCount)
                client = current.pointee.next
            }
        }
        return lowest
    }
}

extension WorkerBed {
    /// Upstream targets that are open, or not yet at their end.
    public var targetCount: Int { layer.targetCount }
}
