// The mailbox: order, bounds, wakes, and posts from many threads at once.

import Foundation
import Synchronization
import Testing
import WeirNet

/// Counts its wakes; does nothing else.
private final class WakeCounter: Driver {
    let wakes = Atomic(0)
    override func wake() { wakes.add(1, ordering: .relaxed) }
}

/// What the posted functions write to. Only the draining thread touches `numbers`.
private final class Receiver {
    var numbers: [Int] = []
    var mailbox: Mailbox?
    var number = 0

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static func at(_ context: UnsafeMutableRawPointer?) -> Receiver {
        Unmanaged<Receiver>.fromOpaque(context!).takeUnretainedValue()
    }
}

private let count: Mailbox.Function = { context in
    let receiver = Receiver.at(context)
    receiver.number += 1
    receiver.numbers.append(receiver.number)
}

private let postAgain: Mailbox.Function = { context in
    let receiver = Receiver.at(context)
    receiver.number += 1
    _ = receiver.mailbox?.post(postAgain, context)
}

struct MailboxTests {
    @Test func `posts run in their order, and only when drained`() {
        let driver = WakeCounter()
        let mailbox = Mailbox(driver: driver)
        let receiver = Receiver()
        #expect(mailbox.drain() == 0)
        for _ in 0..<3 { #expect(mailbox.post(count, receiver.context)) }
        #expect(receiver.numbers == [])
        #expect(mailbox.drain() == 3)
        #expect(receiver.numbers == [1, 2, 3])
        #expect(mailbox.drain() == 0)
    }

    @Test func `the driver is woken once for each time the mailbox stops being empty`() {
        let driver = WakeCounter()
        let mailbox = Mailbox(driver: driver)
        let receiver = Receiver()
        for round in 1...3 {
            for _ in 0..<5 { #expect(mailbox.post(count, receiver.context)) }
            #expect(driver.wakes.load(ordering: .relaxed) == round)
            mailbox.drain()
        }
    }

    @Test func `what a posted function posts waits for the next drain and wakes the driver again`() {
        let driver = WakeCounter()
        let mailbox = Mailbox(driver: driver)
        let receiver = Receiver()
        receiver.mailbox = mailbox
        #expect(mailbox.post(postAgain, receiver.context))
        for round in 1...4 {
            #expect(mailbox.drain() == 1)
            #expect(receiver.number == round)
            #expect(driver.wakes.load(ordering: .relaxed) == round + 1)
        }
        receiver.mailbox = nil
    }

    @Test func `a full mailbox refuses, keeps what it has, and takes again when drained`() {
        let mailbox = Mailbox(driver: WakeCounter(), maximumCount: 2)
        let receiver = Receiver()
        #expect(mailbox.post(count, receiver.context))
        #expect(mailbox.post(count, receiver.context))
        #expect(!mailbox.post(count, receiver.context))
        #expect(mailbox.drain() == 2)
        #expect(mailbox.post(count, receiver.context))
        #expect(mailbox.drain() == 1)
    }

    @Test func `no post of many threads is lost while the worker waits in epoll`() throws {
        let driver = try #require(EpollDriver())
        let mailbox = Mailbox(driver: driver)
        let receiver = Receiver()
        nonisolated(unsafe) let context = receiver.context
        let threads = (0..<4).map { _ in
            Thread { for _ in 0..<5000 { while !mailbox.post(count, context) {} } }
        }
        for thread in threads { thread.start() }
        var event = IOEvent(token: 0, readiness: [])
        let deadline = driver.now + 20_000_000_000
        while receiver.number < 20_000, driver.now < deadline {
            // A wake that got lost would show as this time-out: the last posts would never be drained in time.
            #expect(driver.wait(&event, 1, timeoutNanoseconds: 10_000_000_000) == 0)
            mailbox.drain()
        }
        #expect(receiver.numbers == Array(1...20_000))
        #expect(driver.now < deadline)
    }
}
