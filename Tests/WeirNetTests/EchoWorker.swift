// A small worker: one loop that accepts, reads, and writes back what came, on any driver. It keeps what could not be
// written, reads nothing meanwhile, and carries its own timers: enough to show a driver's faults.

import CWeirLinux
import WeirNet

final class EchoWorker {
    private struct Connection {
        var descriptor: Int32
        var generation: UInt32
        var pending: [UInt8] = []
        var hasEnded = false
    }

    let driver: Driver
    let listener: Int32
    private(set) var acceptFailures: [Int32] = []
    private(set) var openCount = 0
    /// When set, an accept that failed for want of descriptors is tried again after this time.
    var acceptPauseNanoseconds: UInt64 = 10_000_000
    private var connections: [Connection?] = []
    private var generation: UInt32 = 0
    private var timers = TimerQueue()
    private let events = UnsafeMutablePointer<IOEvent>.allocate(capacity: 8)
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)

    private static let listenerToken: UInt64 = 0xffff

    init(_ driver: Driver) {
        self.driver = driver
        listener = driver.listen(.loopback(port: 0), backlog: 64)
        _ = driver.watch(listener, EchoWorker.listenerToken, .readable)
    }

    deinit {
        for case let connection? in connections { driver.close(connection.descriptor) }
        driver.close(listener)
        events.deallocate()
        buffer.deallocate()
    }

    /// One turn of the loop, as a worker does it.
    func turn(maximumWaitNanoseconds: Int64 = -1) {
        var timeout = maximumWaitNanoseconds
        if let deadline = timers.nextDeadline {
            let now = driver.now
            timeout = deadline > now ? Int64(deadline - now) : 0
        }
        let count = driver.wait(events, 8, timeoutNanoseconds: timeout)
        for index in 0..<max(0, count) { take(events[index]) }
        while let due = timers.popDue(driver.now) { due.function(due.context) }
    }

    private func take(_ event: IOEvent) {
        if event.token == EchoWorker.listenerToken { return acceptAll() }
        let index = Int(event.token & 0xffff)
        guard let connection = connections[index], UInt64(connection.generation) == event.token >> 16 else { return }
        if connection.pending.isEmpty { readOnce(index) }
        flush(index)
    }

    private func acceptAll() {
        var peer = SocketAddress()
        while true {
            let descriptor = driver.accept(listener, &peer)
            if descriptor == -EAGAIN { return }
            if descriptor < 0 {
                acceptFailures.append(-descriptor)
                _ = driver.unwatch(listener)
                let context = Unmanaged.passUnretained(self).toOpaque()
                let resume: TimerQueue.Function = { context in
                    let worker = Unmanaged<EchoWorker>.fromOpaque(context!).takeUnretainedValue()
                    _ = worker.driver.watch(worker.listener, EchoWorker.listenerToken, .readable)
                }
                _ = timers.add(deadline: driver.now + acceptPauseNanoseconds, function: resume, context: context)
                return
            }
            open(descriptor)
        }
    }

    private func open(_ descriptor: Int32) {
        generation += 1
        let index = connections.firstIndex { $0 == nil } ?? connections.count
        let connection = Connection(descriptor: descriptor, generation: generation)
        if index == connections.count { connections.append(connection) } else { connections[index] = connection }
        openCount += 1
        _ = driver.watch(descriptor, UInt64(generation) << 16 | UInt64(index), .readable)
    }

    private func readOnce(_ index: Int) {
        guard let descriptor = connections[index]?.descriptor, let start = buffer.baseAddress else { return }
        let count = driver.read(descriptor, start, buffer.count)
        if count > 0 {
            connections[index]?.pending += buffer.prefix(count)
        } else if count == 0 {
            connections[index]?.hasEnded = true
        } else if count != -Int(EAGAIN) {
            close(index)
        }
    }

    private func flush(_ index: Int) {
        guard let connection = connections[index] else { return }
        if !connection.pending.isEmpty {
            let half = connection.pending.count / 2
            let parts = [Array(connection.pending[..<half]), Array(connection.pending[half...])]
            let count = driver.writeAll(connection.descriptor, parts)
            if count > 0 {
                connections[index]?.pending.removeFirst(count)
            } else if count != -Int(EAGAIN) {
                return close(index)
            }
        }
        guard let now = connections[index] else { return }
        if now.hasEnded, now.pending.isEmpty { return close(index) }
        let interest: Readiness = now.pending.isEmpty ? .readable : .writable
        _ = driver.rewatch(now.descriptor, UInt64(now.generation) << 16 | UInt64(index), interest)
    }

    private func close(_ index: Int) {
        guard let connection = connections[index] else { return }
        driver.close(connection.descriptor)
        connections[index] = nil
        openCount -= 1
    }
}
