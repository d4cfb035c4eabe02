// The load generator: one thread, one epoll, closed loop. Each connection sends `depth` requests in one write,
// waits for all their answers, and sends the next. It must be light, for it shares two cores with what it
// measures: all keys exist before the run, so every answer's length is known, and answers are counted in
// bytes, not parsed. Any byte too many, an error reply or silence ends the run with an error.

import CWeirLinux
import Glibc
import WeirTestSupport

/// What is asked, and by how many.
struct Workload: Sendable {
    var name: String
    var title: String
    var connections: Int
    var depth: Int
    var valueSize: Int
    var keyCount: Int
    /// CPU per request beside HAProxy's in the same run that Weir is to reach; nil: no goal is set.
    var goal: Double?

    static let all = [
        Workload(
            name: "plain", title: "50 conns, no pipeline", connections: 50, depth: 1, valueSize: 100, keyCount: 100_000,
            goal: 0.57),
        Workload(
            name: "p16", title: "50 conns, pipeline 16", connections: 50, depth: 16, valueSize: 100, keyCount: 100_000,
            goal: 0.72),
        Workload(
            name: "p64", title: "8 conns, pipeline 64", connections: 8, depth: 64, valueSize: 100, keyCount: 100_000,
            goal: 0.97),
        Workload(
            name: "big", title: "20 conns, 16 KiB values", connections: 20, depth: 1, valueSize: 16384, keyCount: 2_000,
            goal: 0.47),
        Workload(
            name: "ping", title: "1 conn, ping-pong", connections: 1, depth: 1, valueSize: 100, keyCount: 100_000,
            goal: nil),
    ]

    /// Requests of which one is a SET, the others GETs.
    static let requestsPerSet: UInt32 = 11
}

/// One connection of the generator.
private struct Lane {
    var descriptor: Int32 = -1
    var output: UnsafeMutablePointer<UInt8>
    var outputCount = 0
    var sent = 0
    var owed = 0
    var received = 0
    var startedAt: UInt64 = 0
    var isWaitingToWrite = false
}

/// Connections to one target, and the loop that keeps them busy.
final class Load {
    private let workload: Workload
    private let prefix: String
    private let epoll: Int32
    private let lanes: UnsafeMutableBufferPointer<Lane>
    private let input: UnsafeMutableRawPointer
    private let inputCapacity = 1 << 18
    private let setTemplate: [UInt8]
    private let getTemplate: [UInt8]
    private let keyInSet: Int
    private let keyInGet: Int
    private let getAnswer: Int
    private var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var isIssuing = false
    private(set) var latency = Histogram()
    private(set) var completed: UInt64 = 0

    /// Key number as twelve digits.
    static func key(_ workload: Workload, _ number: Int) -> String {
        let digits = String(number)
        return "\(workload.valueSize):" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    /// Connects all connections of a workload to a port.
    init(_ workload: Workload, port: UInt16) throws {
        self.workload = workload
        prefix = "\(workload.valueSize):"
        let key = Self.key(workload, 0)
        let head = "*3\r\n$3\r\nSET\r\n$\(key.utf8.count)\r\n"
        let value = String(repeating: "v", count: workload.valueSize)
        setTemplate = Array("\(head)\(key)\r\n$\(workload.valueSize)\r\n\(value)\r\n".utf8)
        keyInSet = head.utf8.count + prefix.utf8.count
        let getHead = "*2\r\n$3\r\nGET\r\n$\(key.utf8.count)\r\n"
        getTemplate = Array("\(getHead)\(key)\r\n".utf8)
        keyInGet = getHead.utf8.count + prefix.utf8.count
        getAnswer = "$\(workload.valueSize)\r\n".utf8.count + workload.valueSize + 2
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        input = .allocate(byteCount: inputCapacity, alignment: 16)
        lanes = .allocate(capacity: workload.connections)
        let capacity = max(setTemplate.count, getTemplate.count) * workload.depth
        for index in lanes.indices {
            lanes.initializeElement(at: index, to: Lane(output: .allocate(capacity: capacity)))
        }
        for index in lanes.indices {
            lanes[index].descriptor = try openConnection(port: port)
            _ = weir_epoll_ctl(epoll, EPOLL_CTL_ADD, lanes[index].descriptor, UInt32(EPOLLIN.rawValue), UInt64(index))
        }
    }

    deinit {
        for lane in lanes {
            if lane.descriptor >= 0 { close(lane.descriptor) }
            lane.output.deallocate()
        }
        lanes.deallocate()
        input.deallocate()
        close(epoll)
    }

    /// Keeps all connections busy for so long. What was counted before is forgotten.
    func run(seconds: Double) throws {
        latency.reset()
        completed = 0
        let end = weir_clock_ns(CLOCK_MONOTONIC) + UInt64(seconds * 1e9)
        if !isIssuing {
            isIssuing = true
            for index in lanes.indices { try issue(index) }
        }
        while weir_clock_ns(CLOCK_MONOTONIC) < end { try turn() }
    }

    /// Waits for the answers that are owed and sends nothing more.
    func drain() throws {
        isIssuing = false
        let end = weir_clock_ns(CLOCK_MONOTONIC) + 10_000_000_000
        while lanes.contains(where: { $0.owed > 0 }) {
            try turn()
            if weir_clock_ns(CLOCK_MONOTONIC) > end { throw Failure("answers are still owed after 10 s") }
        }
    }

    private func turn() throws {
        var events = (
            epoll_event(), epoll_event(), epoll_event(), epoll_event(), epoll_event(), epoll_event(), epoll_event(),
            epoll_event()
        )
        let count = withUnsafeMutablePointer(to: &events) {
            $0.withMemoryRebound(to: epoll_event.self, capacity: 8) { epoll_wait(epoll, $0, 8, 5000) }
        }
        if count == 0 { throw Failure("no answer for 5 s") }
        try withUnsafePointer(to: &events) {
            try $0.withMemoryRebound(to: epoll_event.self, capacity: 8) { list in
                for i in 0..<max(0, Int(count)) {
                    let index = Int(weir_epoll_word(list + i))
                    let what = weir_epoll_events(list + i)
                    if what & UInt32(EPOLLOUT.rawValue) != 0 { try write(index) }
                    if what & ~UInt32(EPOLLOUT.rawValue) != 0 { try read(index) }
                }
            }
        }
    }

    private func read(_ index: Int) throws {
        let n = recv(lanes[index].descriptor, input, inputCapacity, Int32(MSG_DONTWAIT))
        guard n > 0 else {
            if n < 0, errno == EAGAIN { return }
            throw Failure("the connection ended in mid-run: \(n == 0 ? "FIN" : String(cString: strerror(errno)))")
        }
        let first = input.load(as: UInt8.self)
        if lanes[index].received == 0, first != 0x2b, first != 0x24 {  // + or $
            let text = UnsafeRawBufferPointer(start: input, count: min(n, 120))
            throw Failure("an answer that was not expected: \(String(decoding: text, as: UTF8.self).debugDescription)")
        }
        lanes[index].received += n
        guard lanes[index].received >= lanes[index].owed else { return }
        guard lanes[index].received == lanes[index].owed else {
            throw Failure("\(lanes[index].received) bytes of answers where \(lanes[index].owed) are owed")
        }
        latency.record(weir_clock_ns(CLOCK_MONOTONIC) - lanes[index].startedAt)
        completed &+= UInt64(workload.depth)
        lanes[index].owed = 0
        if isIssuing { try issue(index) }
    }

    /// Puts the next batch together and sends it.
    private func issue(_ index: Int) throws {
        var place = lanes[index].output
        var owed = 0
        for _ in 0..<workload.depth {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            let draw = UInt32(truncatingIfNeeded: random >> 32)
            let isSet = draw % Workload.requestsPerSet == 0
            let template = isSet ? setTemplate : getTemplate
            template.withUnsafeBufferPointer { place.update(from: $0.baseAddress!, count: $0.count) }
            var number = Int(UInt32(truncatingIfNeeded: random)) % workload.keyCount
            var digit = (isSet ? keyInSet : keyInGet) + 11
            while number > 0 {
                place[digit] = UInt8(48 + number % 10)
                number /= 10
                digit -= 1
            }
            place += template.count
            owed += isSet ? 5 : getAnswer
        }
        lanes[index].outputCount = place - lanes[index].output
        lanes[index].sent = 0
        lanes[index].owed = owed
        lanes[index].received = 0
        lanes[index].startedAt = weir_clock_ns(CLOCK_MONOTONIC)
        try write(index)
    }

    private func write(_ index: Int) throws {
        let lane = lanes[index]
        let left = lane.outputCount - lane.sent
        let n = left == 0 ? 0 : send(lane.descriptor, lane.output + lane.sent, left, Int32(MSG_NOSIGNAL))
        if n < 0, errno != EAGAIN { throw Failure("send: \(String(cString: strerror(errno)))") }
        lanes[index].sent += max(0, n)
        let isWaiting = lanes[index].sent < lane.outputCount
        guard isWaiting != lane.isWaitingToWrite else { return }
        lanes[index].isWaitingToWrite = isWaiting
        let events = UInt32(EPOLLIN.rawValue) | (isWaiting ? UInt32(EPOLLOUT.rawValue) : 0)
        _ = weir_epoll_ctl(epoll, EPOLL_CTL_MOD, lane.descriptor, events, UInt64(index))
    }

    /// Writes every key of a workload into a Redis, so that every GET has an answer of known length.
    static func fill(_ workload: Workload, through client: RespClient) throws {
        let value = String(repeating: "v", count: workload.valueSize)
        var number = 0
        while number < workload.keyCount {
            let batch = min(1000, workload.keyCount - number)
            var bytes: [UInt8] = []
            for i in number..<(number + batch) { bytes += RespClient.encode("SET", key(workload, i), value) }
            try client.send(bytes)
            for answer in try client.receive(count: batch) where answer != .simple("OK") {
                throw Failure("SET of a key: \(answer)")
            }
            number += batch
        }
    }
}

/// A connected, non-blocking loopback socket without Nagle's delay.
private func openConnection(port: UInt16) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let code = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard code == 0 else { throw Failure("connect to port \(port): \(String(cString: strerror(errno)))") }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    _ = weir_fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
}
