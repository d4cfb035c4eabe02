// The epoll driver on real loopback sockets: what the likeness scenes do not show.

import CWeirLinux
import Foundation
import Synchronization
import Testing
import WeirNet

struct EpollDriverTests {
    let driver: EpollDriver
    let listener: Int32

    init() throws {
        driver = try #require(EpollDriver())
        listener = driver.listen(.loopback(port: 0), backlog: 16)
        try #require(listener >= 0)
    }

    private func connection() throws -> (descriptor: Int32, far: RealFarEnd) {
        let far = try RealFarEnd(connectingTo: driver.localAddress(listener))
        var peer = SocketAddress()
        let descriptor = driver.accept(listener, &peer)
        try #require(descriptor >= 0)
        return (descriptor, far)
    }

    private func waitOne(_ nanoseconds: Int64) -> IOEvent? {
        var event = IOEvent(token: 0, readiness: [])
        return driver.wait(&event, 1, timeoutNanoseconds: nanoseconds) == 1 ? event : nil
    }

    // MARK: Waiting

    @Test(arguments: [0, 1, 300_000, 3_000_000]) func `a wait never ends before its time`(nanoseconds: Int64) {
        for _ in 0..<5 {
            let start = driver.now
            #expect(waitOne(nanoseconds) == nil)
            #expect(driver.now - start >= UInt64(nanoseconds))
        }
    }

    @Test func `a wake before the wait makes it return at once, and only once`() {
        driver.wake()
        driver.wake()
        let start = driver.now
        #expect(waitOne(5_000_000_000) == nil)
        #expect(driver.now - start < 2_000_000_000)
        let second = driver.now
        #expect(waitOne(2_000_000) == nil)
        #expect(driver.now - second >= 2_000_000)
    }

    @Test func `a wake from another thread ends each wait for ever`() {
        nonisolated(unsafe) let driver = driver
        let rounds = Counter()
        let waker = Thread {
            for round in 0..<200 {
                driver.wake()
                while rounds.value.load(ordering: .acquiring) == round { sched_yield() }
            }
        }
        waker.start()
        for round in 1...200 {
            #expect(waitOne(-1) == nil)
            rounds.value.store(round, ordering: .releasing)
        }
    }

    @Test func `a wake does not hide the events that came with it`() throws {
        let (worker, far) = try connection()
        #expect(driver.watch(worker, 5, .readable) == 0)
        far.send("x")
        driver.wake()
        var events = [IOEvent](repeating: IOEvent(token: 0, readiness: []), count: 4)
        var count = 0
        let deadline = driver.now + 5_000_000_000
        while count == 0, driver.now < deadline { count = driver.wait(&events, 4, timeoutNanoseconds: 1_000_000_000) }
        #expect(count == 1)
        #expect(events[0].token == 5)
        driver.close(worker)
    }

    @Test func `a signal ends the wait without an event`() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR2, &action, nil)
        // The pool's threads block signals.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        defer { pthread_sigmask(SIG_BLOCK, &signals, nil) }
        let thread = pthread_self()
        let isOver = Counter()
        let stopped = DispatchSemaphore(value: 0)
        let killer = Thread {
            while isOver.value.load(ordering: .acquiring) == 0 {
                pthread_kill(thread, SIGUSR2)
                usleep(1000)
            }
            stopped.signal()
        }
        killer.start()
        let start = driver.now
        #expect(waitOne(20_000_000_000) == nil)
        #expect(driver.now - start < 10_000_000_000)
        isOver.value.store(1, ordering: .releasing)
        stopped.wait()
    }

    @Test func `many ready descriptors come in portions, and none is forgotten`() throws {
        var pairs: [(descriptor: Int32, far: RealFarEnd)] = []
        for token in 0..<12 {
            pairs.append(try connection())
            #expect(driver.watch(pairs[token].descriptor, UInt64(token), .readable) == 0)
            pairs[token].far.send("x")
        }
        var seen: Set<UInt64> = []
        var events = [IOEvent](repeating: IOEvent(token: 0, readiness: []), count: 5)
        let deadline = driver.now + 5_000_000_000
        while seen.count < 12, driver.now < deadline {
            let count = driver.wait(&events, 5, timeoutNanoseconds: 100_000_000)
            #expect(count <= 5)
            seen.formUnion(events.prefix(count).map(\.token))
        }
        #expect(seen == Set(0..<12))
        for pair in pairs { driver.close(pair.descriptor) }
    }

    @Test func `a closed descriptor is watched no more`() throws {
        let (worker, far) = try connection()
        #expect(driver.watch(worker, 9, .readable) == 0)
        far.send("x")
        driver.close(worker)
        #expect(waitOne(0) == nil)
        #expect(driver.unwatch(worker) == -EBADF)
    }

    @Test func `no room for events is an error, not a spin`() {
        var event = IOEvent(token: 0, readiness: [])
        #expect(driver.wait(&event, 0, timeoutNanoseconds: -1) == -Int(EINVAL))
    }

    // MARK: Bytes

    @Test func `a full socket takes a part, then nothing, and is writable again when the peer has read`() throws {
        let (worker, far) = try connection()
        let chunk = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var sent: [UInt8] = []
        while true {
            let count = driver.writeAll(worker, [Array(chunk[..<10]), Array(chunk[10...])])
            guard count > 0 else {
                #expect(count == -Int(EAGAIN))
                break
            }
            sent += chunk.prefix(count)
        }
        #expect(sent.count > 10)
        #expect(driver.watch(worker, 1, .writable) == 0)
        #expect(far.receive(sent.count) == sent)
        #expect(waitOne(5_000_000_000)?.readiness == .writable)
        driver.close(worker)
    }

    @Test func `more vectors than the kernel takes are written in part`() throws {
        let (worker, far) = try connection()
        let count = driver.writeAll(worker, (0..<1500).map { [UInt8(truncatingIfNeeded: $0)] })
        #expect(count == 1024)
        #expect(far.receive(1024) == (0..<1024).map { UInt8(truncatingIfNeeded: $0) })
        #expect(driver.writeAll(worker, []) == 0)
        driver.close(worker)
    }

    @Test func `pipes can be read as well, and closed writes raise no signal`() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        #expect(CWeirLinux.write(ends[1], "abc", 3) == 3)
        #expect(driver.readAll(ends[0]) == Array("abc".utf8))
        driver.close(ends[1])
        #expect(driver.readAll(ends[0]) == [])
        driver.close(ends[0])
    }

    // MARK: Addresses

    @Test func `accept tells who the client is, localAddress where the listener is`() throws {
        let server = driver.localAddress(listener)
        #expect(server == .loopback(port: server.port))
        #expect(server.port != 0)
        let client = driver.connect(server)
        var peer = SocketAddress()
        var accepted: Int32 = -EAGAIN
        let deadline = driver.now + 5_000_000_000
        while accepted == -EAGAIN, driver.now < deadline { accepted = driver.accept(listener, &peer) }
        try #require(accepted >= 0)
        #expect(peer == driver.localAddress(client))
        for descriptor in [client, accepted] {
            #expect(fcntlFlags(descriptor) == (O_NONBLOCK, FD_CLOEXEC))
            driver.close(descriptor)
        }
        #expect(fcntlFlags(listener) == (O_NONBLOCK, FD_CLOEXEC))
    }

    private func fcntlFlags(_ descriptor: Int32) -> (Int32, Int32) {
        (weir_fcntl(descriptor, F_GETFL, 0) & O_NONBLOCK, weir_fcntl(descriptor, F_GETFD, 0) & FD_CLOEXEC)
    }

    @Test func `a port may be shared by several listeners, and each gets connections`() throws {
        let address = driver.localAddress(listener)
        let second = driver.listen(address, backlog: 16)
        try #require(second >= 0)
        var counts = [listener: 0, second: 0]
        var kept: [RealFarEnd] = []
        while counts.values.contains(0), kept.count < 200 {
            kept.append(try RealFarEnd(connectingTo: address))
            for candidate in [listener, second] {
                var peer = SocketAddress()
                let descriptor = driver.accept(candidate, &peer)
                guard descriptor >= 0 else { continue }
                counts[candidate, default: 0] += 1
                driver.close(descriptor)
            }
        }
        #expect(!counts.values.contains(0))
        driver.close(second)
    }

    @Test func `an address that is not ours cannot be listened on, and a port of another kind of listener is in use`() {
        // 192.0.2.0/24 is for documentation (RFC 5737).
        #expect(driver.listen(SocketAddress(ipv4: (192, 0, 2, 1), port: 0), backlog: 1) == -EADDRNOTAVAIL)
        let alone = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { driver.close(alone) }
        #expect(CWeirLinux.listen(alone, 1) == 0)
        let taken = driver.localAddress(alone).port
        #expect(driver.listen(.loopback(port: taken), backlog: 1) == -EADDRINUSE)
    }

    @Test(.enabled(if: hasIPv6)) func `a listener on the IPv6 loopback and on any address take connections`() throws {
        for text in ["[::1]:0", "[::]:0"] {
            let listener = driver.listen(try #require(SocketAddress(text)), backlog: 4)
            try #require(listener >= 0)
            let port = driver.localAddress(listener).port
            let client = driver.connect(try #require(SocketAddress("[::1]:\(port)")))
            var peer = SocketAddress()
            let accepted = driver.accept(listener, &peer)
            #expect(accepted >= 0)
            #expect(peer == driver.localAddress(client))
            #expect(peer.family == .ipv6)
            for descriptor in [client, accepted, listener] { driver.close(descriptor) }
        }
    }

    @Test(.enabled(if: hasIPv6)) func `an IPv4 client of a listener on any IPv6 address is known by its IPv4 address`()
        throws
    {
        let listener = driver.listen(try #require(SocketAddress("[::]:0")), backlog: 4)
        try #require(listener >= 0)
        let client = driver.connect(.loopback(port: driver.localAddress(listener).port))
        var peer = SocketAddress()
        let accepted = driver.accept(listener, &peer)
        #expect(accepted >= 0)
        #expect(peer == driver.localAddress(client))
        #expect(peer.family == .ipv4)
        for descriptor in [client, accepted, listener] { driver.close(descriptor) }
    }

    @Test func `no delay and keep-alive reach the socket`() throws {
        let (worker, far) = try connection()
        driver.setNoDelay(worker)
        driver.setKeepAlive(worker)
        func option(_ level: Int32, _ name: Int32) -> Int32 {
            var value: Int32 = -1
            var size = socklen_t(4)
            getsockopt(worker, level, name, &value, &size)
            return value
        }
        #expect(option(Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
        #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 60)
        #expect(option(Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 20)
        #expect(option(Int32(IPPROTO_TCP), TCP_KEEPCNT) == 3)
        far.close()
        driver.close(worker)
    }

    // MARK: Limits

    @Test func `out of descriptors, accept, connect and listen say so, and the connection waits`() async {
        await #expect(processExitsWith: .success) {
            let driver = try #require(EpollDriver())
            let listener = driver.listen(.loopback(port: 0), backlog: 4)
            let far = try RealFarEnd(connectingTo: driver.localAddress(listener))
            var before = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
            var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            var peer = SocketAddress()
            #expect(driver.accept(listener, &peer) == -EMFILE)
            #expect(driver.connect(.loopback(port: 1)) == -EMFILE)
            #expect(driver.listen(.loopback(port: 0), backlog: 1) == -EMFILE)
            #expect(EpollDriver() == nil)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
            #expect(driver.accept(listener, &peer) >= 0)
            far.close()
        }
    }

    // MARK: Time and chance

    @Test func `the monotonic clock does not go back and the wall clock is today's`() {
        var last = driver.now
        for _ in 0..<1000 {
            let now = driver.now
            #expect(now >= last)
            last = now
        }
        let difference = Double(driver.wallTime) / 1e9 - Date().timeIntervalSince1970
        #expect(abs(difference) < 5)
    }

    @Test func `random bytes fill exactly what they should and differ`() {
        var seen: Set<[UInt8]> = []
        for _ in 0..<50 {
            var bytes = [UInt8](repeating: 0xaa, count: 40)
            bytes.withUnsafeMutableBytes { driver.fillRandom($0.baseAddress! + 4, 32) }
            #expect(bytes.prefix(4) == [0xaa, 0xaa, 0xaa, 0xaa])
            #expect(bytes.suffix(4) == [0xaa, 0xaa, 0xaa, 0xaa])
            seen.insert(bytes)
        }
        #expect(seen.count == 50)
        var nothing: UInt8 = 7
        driver.fillRandom(&nothing, 0)
        #expect(nothing == 7)
    }

    // MARK: All together

    @Test func `an echo of megabytes to several clients at once loses nothing`() throws {
        let worker = EchoWorker(driver)
        let address = driver.localAddress(worker.listener)
        let finished = Counter()
        let intact = Counter()
        for client in 0..<4 {
            nonisolated(unsafe) let far = try RealFarEnd(connectingTo: address)
            Thread {
                let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ client) }
                Thread { far.send(bytes) }.start()
                if far.receive(bytes.count) == bytes { intact.value.add(1, ordering: .relaxed) }
                far.halfClose()
                finished.value.add(1, ordering: .releasing)
            }.start()
        }
        let deadline = driver.now + 60_000_000_000
        while finished.value.load(ordering: .acquiring) < 4, driver.now < deadline {
            worker.turn(maximumWaitNanoseconds: 10_000_000)
        }
        #expect(intact.value.load(ordering: .relaxed) == 4)
    }
}

/// A number that threads share.
final class Counter: Sendable {
    let value = Atomic(0)
}

private let hasIPv6: Bool = {
    guard let driver = EpollDriver(), let address = SocketAddress("[::1]:0") else { return false }
    let listener = driver.listen(address, backlog: 1)
    if listener >= 0 { driver.close(listener) }
    return listener >= 0
}()
