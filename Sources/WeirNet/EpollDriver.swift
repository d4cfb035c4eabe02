// The driver on Linux: non-blocking sockets and one level-triggered epoll set. One instance per worker.
// It keeps no table of descriptors: a token goes into epoll and comes back; what it means is the caller's business.

public import CWeirLinux

/// `Driver` on epoll.
///
/// `wait` costs one system call, and a wake-up none on the waiting side: the event descriptor is watched edge-triggered
/// and never read.
public final class EpollDriver: Driver {
    private let set: Int32
    private let bell: Int32
    private let ready: UnsafeMutablePointer<epoll_event>
    /// Kernels before 5.11 (and some sandboxes) lack epoll_pwait2: milliseconds must do there.
    private var hasNanosecondWait = true

    private let maximumEventCount: Int
    /// The token of the event descriptor.
    private static let bellToken = UInt64.max

    /// Opens the epoll set and the event descriptor. `nil` when the process is out of descriptors: see errno.
    /// - Parameter maximumEventCount: what one `wait` takes from the kernel, however much room its caller has.
    public init?(maximumEventCount: Int = 1024) {
        precondition(maximumEventCount > 0, "an epoll set that reports nothing")
        self.maximumEventCount = maximumEventCount
        set = epoll_create1(Int32(EPOLL_CLOEXEC))
        bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        ready = .allocate(capacity: maximumEventCount)
        super.init()
        let events = EPOLLIN.rawValue | EPOLLET.rawValue
        guard set >= 0, bell >= 0, weir_epoll_ctl(set, EPOLL_CTL_ADD, bell, events, EpollDriver.bellToken) == 0 else {
            return nil
        }
    }

    deinit {
        if set >= 0 { _ = CWeirLinux.close(set) }
        if bell >= 0 { _ = CWeirLinux.close(bell) }
        ready.deallocate()
    }

    // MARK: Bytes

    public override func read(_ descriptor: Int32, _ into: UnsafeMutableRawPointer, _ capacity: Int) -> Int {
        while true {
            let count = recv(descriptor, into, capacity, 0)
            if count >= 0 { return count }
            switch weir_errno() {
            case EINTR: continue
            case ENOTSOCK: return readFile(descriptor, into, capacity)
            case let code: return -Int(code)
            }
        }
    }

    private func readFile(_ descriptor: Int32, _ into: UnsafeMutableRawPointer, _ capacity: Int) -> Int {
        while true {
            let count = CWeirLinux.read(descriptor, into, capacity)
            if count >= 0 { return count }
            if weir_errno() != EINTR { return -Int(weir_errno()) }
        }
    }

    public override func write(_ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32) -> Int {
        guard count > 0 else { return 0 }
        let flags = Int32(MSG_NOSIGNAL)
        while true {
            var written: Int
            if count == 1 {
                written = send(descriptor, vectors.pointee.iov_base, vectors.pointee.iov_len, flags)
            } else {
                var message = msghdr()
                message.msg_iov = UnsafeMutablePointer(mutating: vectors)
                message.msg_iovlen = Int(min(count, 1024))
                written = sendmsg(descriptor, &message, flags)
            }
            if written >= 0 { return written }
            if weir_errno() != EINTR { return -Int(weir_errno()) }
        }
    }

    // MARK: Connections

    public override func accept(_ listener: Int32, _ peer: inout SocketAddress) -> Int32 {
        var native = sockaddr_storage()
        for _ in 0..<EpollDriver.maximumAcceptAttempts {
            var byteCount = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let descriptor = withUnsafeMutablePointer(to: &native) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    accept4(listener, $0, &byteCount, EpollDriver.nonBlocking)
                }
            }
            if descriptor >= 0 {
                peer = SocketAddress(&native, byteCount: Int(byteCount))
                return descriptor
            }
            switch weir_errno() {
            // accept(2): the waiting connection died of these; the next one may be well.
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH:
                continue
            case let code: return -code
            }
        }
        return -EAGAIN
    }

    public override func listen(_ address: SocketAddress, backlog: Int32) -> Int32 {
        listen(address, backlog, isShared: true)
    }

    public override func listenAlone(_ address: SocketAddress, backlog: Int32) -> Int32 {
        listen(address, backlog, isShared: false)
    }

    private func listen(_ address: SocketAddress, _ backlog: Int32, isShared: Bool) -> Int32 {
        let descriptor = openSocket(address)
        guard descriptor >= 0 else { return descriptor }
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if isShared { setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.family == .ipv6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        let bound = address.withNative { CWeirLinux.bind(descriptor, $0, $1) } ?? -1
        guard bound == 0, CWeirLinux.listen(descriptor, backlog) == 0 else {
            let code = weir_errno()
            _ = CWeirLinux.close(descriptor)
            return -code
        }
        return descriptor
    }

    public override func connect(_ address: SocketAddress) -> Int32 {
        let descriptor = openSocket(address)
        guard descriptor >= 0 else { return descriptor }
        let result = address.withNative { CWeirLinux.connect(descriptor, $0, $1) } ?? -1
        // Interrupted: the attempt goes on by itself, as after EINPROGRESS.
        if result == 0 || weir_errno() == EINPROGRESS || weir_errno() == EINTR { return descriptor }
        let code = weir_errno()
        _ = CWeirLinux.close(descriptor)
        return -code
    }

    public override func connectOutcome(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var byteCount = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &byteCount) == 0 else { return weir_errno() }
        guard code == 0 else { return code }
        // No error is also what a connection under way says; only one that is made has a peer.
        var peer = sockaddr_storage()
        return name(descriptor, &peer, getpeername) > 0 ? 0 : EINPROGRESS
    }

    public override func localAddress(_ descriptor: Int32) -> SocketAddress {
        var native = sockaddr_storage()
        let byteCount = name(descriptor, &native, getsockname)
        return SocketAddress(&native, byteCount: byteCount)
    }

    public override func setNoDelay(_ descriptor: Int32) {
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    public override func setKeepAlive(_ descriptor: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 20)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }

    public override func shutdownWrite(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Not repeated after EINTR: Linux has released the descriptor by then, and the number may be another's.
    public override func close(_ descriptor: Int32) { _ = CWeirLinux.close(descriptor) }

    public override func closeWithReset(_ descriptor: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        _ = CWeirLinux.close(descriptor)
    }

    // MARK: Waiting

    public override func watch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        control(EPOLL_CTL_ADD, descriptor, token, interest)
    }

    public override func rewatch(_ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        control(EPOLL_CTL_MOD, descriptor, token, interest)
    }

    public override func unwatch(_ descriptor: Int32) -> Int32 { control(EPOLL_CTL_DEL, descriptor, 0, []) }

    private func control(_ operation: Int32, _ descriptor: Int32, _ token: UInt64, _ interest: Readiness) -> Int32 {
        guard token != EpollDriver.bellToken else { return -EINVAL }
        var events: UInt32 = 0
        if interest.contains(.readable) { events |= EPOLLIN.rawValue }
        if interest.contains(.writable) { events |= EPOLLOUT.rawValue }
        if interest.contains(.hangup) { events |= EPOLLRDHUP.rawValue }
        return weir_epoll_ctl(set, operation, descriptor, events, token) == 0 ? 0 : -weir_errno()
    }

    public override func wait(
        _ events: UnsafeMutablePointer<IOEvent>, _ capacity: Int, timeoutNanoseconds: Int64
    ) -> Int {
        let limit = min(capacity, maximumEventCount)
        guard limit > 0 else { return -Int(EINVAL) }
        let found = waitOnce(Int32(limit), timeoutNanoseconds)
        guard found >= 0 else { return weir_errno() == EINTR ? 0 : -Int(weir_errno()) }
        var count = 0
        for index in 0..<Int(found) {
            let token = weir_epoll_word(ready + index)
            if token == EpollDriver.bellToken { continue }
            let bits = weir_epoll_events(ready + index)
            events[count] = IOEvent(token: token, readiness: EpollDriver.readiness(bits))
            count += 1
        }
        return count
    }

    private func waitOnce(_ limit: Int32, _ nanoseconds: Int64) -> Int32 {
        if nanoseconds <= 0 { return epoll_wait(set, ready, limit, nanoseconds == 0 ? 0 : -1) }
        if hasNanosecondWait {
            let found = weir_epoll_wait_ns(set, ready, limit, nanoseconds)
            if found >= 0 || (weir_errno() != ENOSYS && weir_errno() != EPERM) { return found }
            hasNanosecondWait = false
        }
        // Rounded up: a timer must not be looked for before it is due.
        let milliseconds = min((nanoseconds - 1) / 1_000_000 + 1, Int64(Int32.max))
        return epoll_wait(set, ready, limit, Int32(truncatingIfNeeded: milliseconds))
    }

    @inline(__always) private static func readiness(_ bits: UInt32) -> Readiness {
        var readiness: Readiness = []
        if bits & EPOLLIN.rawValue != 0 { readiness.insert(.readable) }
        if bits & EPOLLOUT.rawValue != 0 { readiness.insert(.writable) }
        if bits & EPOLLRDHUP.rawValue != 0 { readiness.insert(.hangup) }
        if bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { readiness.insert(.failed) }
        return readiness
    }

    public override func wake() {
        var one: UInt64 = 1
        while CWeirLinux.write(bell, &one, 8) < 0 {
            // Full after 2^64 − 2 calls: emptied, so that the next write rings again.
            if weir_errno() == EAGAIN { _ = CWeirLinux.read(bell, &one, 8) } else if weir_errno() != EINTR { return }
            one = 1
        }
    }

    // MARK: Time and chance

    public override var now: UInt64 { weir_clock_ns(CLOCK_MONOTONIC) }
    public override var wallTime: UInt64 { weir_clock_ns(CLOCK_REALTIME) }

    public override func fillRandom(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        var done = 0
        while done < byteCount {
            let count = getrandom(pointer + done, byteCount - done, 0)
            // Only EINTR can happen (the pointer is good, the flags are none); every kernel since 3.17 has the call.
            if count > 0 {
                done += count
            } else {
                precondition(weir_errno() == EINTR, "the kernel gives no random bytes")
            }
        }
    }

    // MARK: Sockets

    /// Dead connections skipped in one `accept`; the listener stays readable for the rest.
    private static let maximumAcceptAttempts = 16
    private static let nonBlocking = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    private func openSocket(_ address: SocketAddress) -> Int32 {
        guard address.family != .unspecified else { return -EAFNOSUPPORT }
        let kind = Int32(SOCK_STREAM.rawValue) | EpollDriver.nonBlocking
        let descriptor = socket(address.nativeFamily, kind, 0)
        return descriptor >= 0 ? descriptor : -weir_errno()
    }

    private func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// getsockname or getpeername: the byte count of what was filled in, 0 when there is none.
    private func name(
        _ descriptor: Int32, _ native: inout sockaddr_storage,
        _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> Int {
        var byteCount = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &native) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, &byteCount) }
        }
        return result == 0 ? Int(byteCount) : 0
    }
}
