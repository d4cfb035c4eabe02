// The test's end of a virtual connection: a client that connected to the worker, or a server that the worker connected
// to. It may be used between the worker's turns and inside its own closures, on the worker's thread.

/// A client or server at the other end of one connection of the worker under test.
public final class ScriptedPeer {
    /// Where this peer is, as the worker sees it.
    public let address: SocketAddress
    /// Faults of this connection alone; those of the driver when `nil`.
    public var faults: ScriptedFaults?

    /// All bytes that have come and were not taken by `takeReceived`.
    public private(set) var received: [UInt8] = []
    /// The worker has ended its stream, and all its bytes are in `received`.
    public private(set) var hasEnded = false
    /// The connection was reset by the worker, or by a fault.
    public private(set) var wasReset = false
    /// Nobody listened where this client wanted to connect.
    public internal(set) var wasRefused = false
    /// The worker has the connection: accepted from its listener, or its attempt was answered.
    public internal(set) var isConnected = false
    /// `close` or `reset` was called here.
    public private(set) var isClosed = false
    /// The worker has called `setNoDelay`, `setKeepAlive`.
    public internal(set) var hasNoDelay = false
    public internal(set) var hasKeepAlive = false

    /// Runs inside a later `wait`, never inside a call of the worker: the bytes that came.
    public var onReceive: ((ScriptedPeer, [UInt8]) -> Void)?
    /// Runs inside a later `wait` when the worker has ended its stream or the connection is reset.
    public var onEnd: ((ScriptedPeer) -> Void)?

    /// While false nothing is taken: the worker's bytes fill the send buffer (`ScriptedFaults.sendBufferByteCount`).
    public var isReading = true {
        didSet { if isReading { takeUntaken() } }
    }

    var failures: [ScriptedCall: [Int32]] = [:]
    weak var driver: ScriptedDriver?
    weak var socket: ScriptedSocket?
    private var untaken: [UInt8] = []
    private var isEndUntaken = false
    private var isOutputEnded = false

    init(_ address: SocketAddress, _ driver: ScriptedDriver, _ socket: ScriptedSocket) {
        self.address = address
        self.driver = driver
        self.socket = socket
    }

    /// Sent by this peer and not yet read by the worker, what is still under way aside.
    public var unreadByteCount: Int { socket?.unreadByteCount ?? 0 }
    /// Sent by the worker, arrived, and not taken because `isReading` is false.
    public var untakenByteCount: Int { untaken.count }
    /// The worker's descriptor of this connection; `nil` before it has one and after it has closed it.
    public var workerDescriptor: Int32? {
        guard let socket, socket.descriptor != 0 else { return nil }
        return socket.descriptor
    }
    public var receivedText: String { String(decoding: received, as: UTF8.self) }

    /// Empties `received`.
    public func takeReceived() -> [UInt8] {
        defer { received = [] }
        return received
    }

    // MARK: What the peer does

    /// Does nothing after `halfClose`, `close`, `reset`, or when the connection is gone.
    public func send(_ bytes: [UInt8]) {
        guard !isOutputEnded, !wasReset, !bytes.isEmpty, let driver else { return }
        // Nobody is there any more: the worker's side answers with a reset.
        guard let socket, !socket.isClosed else { return deliverReset() }
        driver.travel(\.inbound, socket) { [self] in
            if socket.isClosed { deliverReset() } else if socket.phase != .broken { socket.append(bytes) }
        }
    }

    public func send(_ text: String) { send(Array(text.utf8)) }

    /// Ends this peer's stream; it goes on receiving.
    public func halfClose() {
        guard !isOutputEnded, !wasReset else { return }
        isOutputEnded = true
        guard let driver, let socket, !socket.isClosed else { return }
        driver.travel(\.inbound, socket) {
            if socket.phase != .broken { socket.hasInputEnded = true }
        }
    }

    /// Ends the stream and receives no more: what the worker writes afterwards is answered with a reset. With bytes
    /// untaken, this is a reset, as in TCP.
    public func close() {
        guard untaken.isEmpty else { return reset() }
        halfClose()
        isClosed = true
    }

    /// Breaks the connection.
    public func reset() {
        guard !isClosed || !isOutputEnded else { return }
        isOutputEnded = true
        isClosed = true
        untaken = []
        guard let driver, let socket, !socket.isClosed else { return }
        driver.travel(\.inbound, socket) { socket.breakDown() }
    }

    // MARK: What arrives

    /// False: this end is closed, and a reset has to go back.
    func deliver(_ bytes: [UInt8]) -> Bool {
        if isClosed { return false }
        untaken += bytes
        if isReading { takeUntaken() }
        return true
    }

    func deliverEnd() {
        isEndUntaken = true
        if isReading { takeUntaken() }
    }

    func deliverReset() {
        guard !wasReset else { return }
        wasReset = true
        untaken = []
        isEndUntaken = false
        announceEnd()
    }

    private func takeUntaken() {
        if !untaken.isEmpty {
            let bytes = untaken
            untaken = []
            received += bytes
            driver?.schedule { [self] in onReceive?(self, bytes) }
        }
        if isEndUntaken {
            isEndUntaken = false
            hasEnded = true
            announceEnd()
        }
    }

    private func announceEnd() {
        driver?.schedule { [self] in onEnd?(self) }
    }
}
