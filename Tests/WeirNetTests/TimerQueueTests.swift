// The timer queue against a sorted model, and its promises one by one.

import Testing
import WeirBase
import WeirNet

/// What fired, in order; the context of each test timer points at one of these with its number.
private final class Log {
    var fired: [Int] = []
    private var contexts: [UnsafeMutablePointer<Mark>] = []

    struct Mark {
        var number: Int
        var log: Unmanaged<Log>
    }

    func context(_ number: Int) -> UnsafeMutableRawPointer {
        let mark = UnsafeMutablePointer<Mark>.allocate(capacity: 1)
        mark.initialize(to: Mark(number: number, log: .passUnretained(self)))
        contexts.append(mark)
        return UnsafeMutableRawPointer(mark)
    }

    deinit { for context in contexts { context.deallocate() } }
}

private let fire: TimerQueue.Function = { context in
    guard let mark = context?.assumingMemoryBound(to: Log.Mark.self).pointee else { return }
    mark.log.takeUnretainedValue().fired.append(mark.number)
}

/// The queue in a class: the checking macros copy what they look at, and the queue cannot be copied.
private final class Timers {
    private var queue: TimerQueue

    init(capacity: Int = 64) { queue = TimerQueue(capacity: capacity) }

    var count: Int { queue.count }
    var isEmpty: Bool { queue.isEmpty }
    var nextDeadline: UInt64? { queue.nextDeadline }
    func add(_ deadline: UInt64, _ context: UnsafeMutableRawPointer?) -> UInt64 {
        queue.add(deadline: deadline, function: fire, context: context)
    }
    func cancel(_ id: UInt64) -> Bool { queue.cancel(id) }
    func runOne(_ now: UInt64) -> Bool {
        guard let due = queue.popDue(now) else { return false }
        due.function(due.context)
        return true
    }
    func runDue(_ now: UInt64) { while runOne(now) {} }
}

struct TimerQueueTests {
    @Test func `an empty queue has no deadline, nothing due and nothing to cancel`() {
        let queue = Timers()
        #expect(queue.isEmpty)
        #expect(queue.nextDeadline == nil)
        #expect(!queue.runOne(.max))
        for id in [0, 1, 1 << 32, UInt64.max] { #expect(!queue.cancel(id)) }
    }

    @Test func `timers come due by deadline and never early`() {
        let queue = Timers()
        let log = Log()
        for (number, deadline) in [50, 10, 30, 20, 40].enumerated() {
            #expect(queue.add(UInt64(deadline), log.context(number)) != 0)
        }
        #expect(queue.nextDeadline == 10)
        queue.runDue(9)
        #expect(log.fired == [])
        queue.runDue(30)
        #expect(log.fired == [1, 3, 2])
        #expect(queue.nextDeadline == 40)
        queue.runDue(.max)
        #expect(log.fired == [1, 3, 2, 4, 0])
        #expect(queue.isEmpty)
    }

    @Test func `equal deadlines fire in the order of adding`() {
        let queue = Timers(capacity: 1)
        let log = Log()
        var ids: [UInt64] = []
        for number in 0..<1000 {
            ids.append(queue.add(UInt64(number % 3), log.context(number)))
        }
        for number in stride(from: 0, to: 1000, by: 7) { #expect(queue.cancel(ids[number])) }
        queue.runDue(5)
        let kept = (0..<1000).filter { $0 % 7 != 0 }
        #expect(log.fired == (0..<3).flatMap { rest in kept.filter { $0 % 3 == rest } })
    }

    @Test func `a cancelled timer does not fire and cannot be cancelled again`() {
        let queue = Timers()
        let log = Log()
        let first = queue.add(1, log.context(1))
        let second = queue.add(2, log.context(2))
        #expect(queue.cancel(first))
        #expect(!queue.cancel(first))
        #expect(queue.nextDeadline == 2)
        queue.runDue(2)
        #expect(log.fired == [2])
        #expect(!queue.cancel(second))
    }

    @Test func `the id of a past timer does not cancel the one that got its place`() {
        let queue = Timers()
        let log = Log()
        var past: Set<UInt64> = []
        for number in 0..<10_000 {
            let id = queue.add(UInt64(number), log.context(number))
            #expect(past.insert(id).inserted)
            if number % 2 == 0 { queue.runDue(UInt64(number)) } else { #expect(queue.cancel(id)) }
        }
        let live = queue.add(1, log.context(-1))
        for id in past { #expect(!queue.cancel(id)) }
        #expect(queue.count == 1)
        #expect(queue.cancel(live))
    }

    @Test func `a timer may cancel and add others while due ones are taken`() {
        let queue = Timers()
        let log = Log()
        _ = queue.add(1, log.context(1))
        let doomed = queue.add(2, log.context(2))
        _ = queue.add(3, log.context(3))
        var isFirst = true
        while queue.runOne(5) {
            if isFirst {
                isFirst = false
                #expect(queue.cancel(doomed))
                _ = queue.add(0, log.context(4))
                _ = queue.add(6, log.context(5))
            }
        }
        #expect(log.fired == [1, 4, 3])
        #expect(queue.nextDeadline == 6)
    }

    @Test(arguments: 0..<20)
    func `any mixture of adding, cancelling and taking agrees with a sorted list`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let queue = Timers(capacity: 2)
        let log = Log()
        var model: [(deadline: UInt64, number: Int, id: UInt64)] = []
        var expected: [Int] = []
        var now: UInt64 = 0
        for number in 0..<3000 {
            switch random.next(below: 10) {
            case 0..<5:
                let deadline = now + random.next(below: 200)
                let id = queue.add(deadline, log.context(number))
                let position = model.firstIndex { $0.deadline > deadline } ?? model.count
                model.insert((deadline, number, id), at: position)
            case 5..<8:
                guard !model.isEmpty else { continue }
                let victim = model.remove(at: Int(random.next(below: UInt64(model.count))))
                #expect(queue.cancel(victim.id))
            default:
                now += random.next(below: 60)
                queue.runDue(now)
                expected += model.prefix { $0.deadline <= now }.map(\.number)
                model.removeFirst(model.prefix { $0.deadline <= now }.count)
            }
            #expect(queue.count == model.count)
            #expect(queue.nextDeadline == model.first?.deadline)
        }
        queue.runDue(.max)
        #expect(log.fired == expected + model.map(\.number))
    }
}
