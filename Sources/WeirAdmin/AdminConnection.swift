// One connection to the admin server: bytes and time in, what to do next out. It does no I/O.
//
//             head complete            all sent, keep-alive
//     reading ─────────────► writing ───────────────────────► reading
//        │ refused, too late    │ all sent, close
//        └──────────► writing ──┴──► lingering ──► closed
//
// Lingering: we have ended our side and read away what the peer still sends, for a second at most; closing at once
// would make the kernel reset the connection, and the peer might never see the answer.

struct AdminConnection {
    enum Phase: Equatable {
        case reading, writing, lingering
    }

    /// From the first moment of a connection, or the end of the last answer, to a complete head; and for sending an answer.
    static let phaseNanoseconds: UInt64 = 10_000_000_000
    static let lingerNanoseconds: UInt64 = 1_000_000_000
    /// More than this is not read away.
    static let maximumLingerByteCount = 256 * 1024

    private(set) var phase = Phase.reading
    private(set) var deadline: UInt64
    private var reader = HTTPRequestReader()
    private var output: [UInt8] = []
    private var sent = 0
    private var keepsAlive = true
    private var lingered = 0

    init(now: UInt64) {
        deadline = now &+ AdminConnection.phaseNanoseconds
    }

    /// How many bytes may be read now.
    var room: Int {
        switch phase {
        case .reading: reader.room
        case .writing: 0
        case .lingering: AdminConnection.maximumLingerByteCount - lingered
        }
    }

    /// What has to be sent.
    var pending: ArraySlice<UInt8> { output[sent...] }

    /// Whether the peer has sent part of a request.
    var isInRequest: Bool { phase == .reading && !reader.isEmpty }

    mutating func received(_ bytes: some Collection<UInt8>) {
        switch phase {
        case .reading: reader.add(bytes)
        case .writing: break
        case .lingering: lingered += bytes.count
        }
    }

    /// The next request, if it is complete and the last answer is out.
    mutating func next() -> HTTPReading {
        phase == .reading ? reader.next() : .needsMore
    }

    /// Takes an answer to send.
    mutating func answer(_ bytes: [UInt8], keepsAlive keep: Bool, now: UInt64) {
        output = bytes
        sent = 0
        keepsAlive = keep
        phase = .writing
        deadline = now &+ AdminConnection.phaseNanoseconds
    }

    /// Some of `pending` is out. True when we have to end our side now.
    mutating func wrote(_ count: Int, now: UInt64) -> Bool {
        sent += count
        guard phase == .writing, sent >= output.count else { return false }
        output = []
        sent = 0
        phase = keepsAlive ? .reading : .lingering
        deadline = now &+ (keepsAlive ? AdminConnection.phaseNanoseconds : AdminConnection.lingerNanoseconds)
        return !keepsAlive
    }
}
