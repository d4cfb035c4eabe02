// An operation: requests that a plugin sends on its own account, kept together, with one completion for all.
//
// It ends exactly once: with all responses, or with a status and none. Then its completion is called from the loop,
// never from within the call that started or cancelled it.

import CWeir
import WeirBase
import WeirNet

public typealias OperationRef = UnsafeMutablePointer<Operation>

public struct Operation {
    let id: UInt64
    let worker: WorkerRef
    /// The requests, each held by the operation.
    let requests: UnsafeMutablePointer<MessageRef>
    /// Their responses, in the order of the requests.
    let responses: UnsafeMutablePointer<MessageRef?>
    var count: Int
    var missing: Int
    var status: weir_status
    var isUnsent: Bool
    var detail: weir_str
    let done: weir_done_fn?
    let context: UnsafeMutableRawPointer?
    var timer: UInt64
    /// The connection that must not end before it.
    let connection: ChainConnectionRef?
    /// The site whose hook started it.
    let site: Int16
    var isCompleted: Bool
    var next: OperationRef?
    /// Links of the worker's list of running operations.
    var previousRunning: OperationRef?
    var nextRunning: OperationRef?
}

extension UnsafeMutablePointer where Pointee == WorkerCore {
    /// Starts an operation over messages that a plugin has made; they are its from here on.
    func startOperation(
        _ target: TargetRef, _ messages: UnsafePointer<UnsafeMutablePointer<weir_msg>>, _ count: Int,
        options: weir_send_opts, done: weir_done_fn?, context: UnsafeMutableRawPointer?,
        connection: ChainConnectionRef?
    ) -> UInt64 {
        let connection = connection ?? pointee.currentConnection
        pointee.lastOperationID &+= 1
        let id = pointee.lastOperationID &* 2 &+ 1  // odd: an operation, even: a timer
        let operation = pointee.operations.take()
        operation.initialize(
            to: Operation(
                id: id, worker: self, requests: .allocate(capacity: Swift.max(count, 1)),
                responses: .allocate(capacity: Swift.max(count, 1)), count: count, missing: count,
                status: weir_status(WEIR_OK), isUnsent: true, detail: weir_str(), done: done, context: context,
                timer: 0, connection: connection, site: pointee.currentSite, isCompleted: false, next: nil,
                previousRunning: nil,
                nextRunning: pointee.runningOperations))
        pointee.runningOperations?.pointee.previousRunning = operation
        pointee.runningOperations = operation
        connection?.pointee.pendingCount += 1
        operation.pointee.responses.initialize(repeating: nil, count: Swift.max(count, 1))
        let isFull = options.flags & UInt32(WEIR_SEND_DROP_IF_FULL) != 0 && target.object.isFull
        var isForeign = count > Int(UInt16.max)
        for index in 0..<count {
            let message = MessageRef(messages[index])
            (operation.pointee.requests + index).initialize(to: message)
            isForeign = isForeign || !isOwn(message)
        }
        if isForeign || isFull || count == 0 {
            rejectOperation(
                operation,
                isForeign ? weir_status(WEIR_E_INVALID) : isFull ? weir_status(WEIR_E_FULL) : weir_status(WEIR_OK))
            return id
        }
        for index in 0..<count { send(operation, index, to: target) }
        if options.timeout_ns > 0 {
            operation.pointee.timer = pointee.timers.pointee.add(
                deadline: pointee.head.now_ns.addingClamped(options.timeout_ns), function: Operation.timedOut,
                context: UnsafeMutableRawPointer(operation))
        }
        return id
    }

    /// True for a request that no client and no other operation waits for.
    private func isOwn(_ message: MessageRef) -> Bool {
        message.isRequest && !message.pointee.isOwed && message.pointee.head.conn == nil
            && message.pointee.operation == nil && message.pointee.disposition == .taken
    }

    private func send(_ operation: OperationRef, _ index: Int, to target: TargetRef) {
        let message = operation.pointee.requests[index]
        message.pointee.operation = operation
        message.pointee.operationIndex = UInt16(truncatingIfNeeded: index)
        message.pointee.holds &+= 1
        message.pointee.disposition = .moved
        target.object.accept(message)
    }

    /// Ends an operation of which nothing was sent. Whoever waits for a message that was not the plugin's own gets an
    /// error; its own are thrown away.
    private func rejectOperation(_ operation: OperationRef, _ status: weir_status) {
        operation.pointee.status = status
        for index in 0..<operation.pointee.count {
            let message = operation.pointee.requests[index]
            if isOwn(message) {
                message.end()
            } else {
                let text: StaticString = "a transform sent a message that was not its own"
                Flow.fail(message, weir_status(WEIR_E_INTERNAL), weir_str(text))
            }
        }
        operation.pointee.count = 0
        complete(operation)
    }

    /// Takes a response that belongs to an operation.
    func collect(_ operation: OperationRef, _ request: MessageRef, _ response: MessageRef) {
        guard !operation.pointee.isCompleted else { return response.end() }
        let index = Int(request.pointee.operationIndex)
        operation.pointee.responses[index]?.end()
        operation.pointee.responses[index] = response
        if response.has(WEIR_M_UNSENT) == false { operation.pointee.isUnsent = false }
        if response.has(WEIR_M_MORE) { return }
        request.pointee.operation = nil
        if response.pointee.head.status != WEIR_OK, operation.pointee.status == WEIR_OK {
            operation.pointee.status = response.pointee.head.status
        }
        operation.pointee.missing -= 1
        if operation.pointee.missing == 0 { complete(operation) }
    }

    /// A request of an operation ends without a response. Gives up the hold of what was under way.
    func collectNothing(_ operation: OperationRef, _ request: MessageRef, _ status: weir_status, isUnsent: Bool) {
        request.pointee.operation = nil
        request.release()
        guard !operation.pointee.isCompleted else { return }
        if !isUnsent { operation.pointee.isUnsent = false }
        if operation.pointee.status == WEIR_OK { operation.pointee.status = status }
        operation.pointee.missing -= 1
        if operation.pointee.missing == 0 { complete(operation) }
    }

    /// Ends a running operation early; its responses are thrown away when they come.
    func cancelOperation(_ id: UInt64, _ status: weir_status) {
        var operation = pointee.runningOperations
        while let current = operation, current.pointee.id != id { operation = current.pointee.nextRunning }
        guard let operation, !operation.pointee.isCompleted else { return }
        operation.pointee.status = status
        operation.pointee.isUnsent = false
        complete(operation)
    }

    private func complete(_ operation: OperationRef) {
        operation.pointee.isCompleted = true
        if operation.pointee.timer != 0 { _ = pointee.timers.pointee.cancel(operation.pointee.timer) }
        for index in 0..<operation.pointee.count {
            let request = operation.pointee.requests[index]
            if request.pointee.operation == operation { request.pointee.operation = nil }
        }
        if let previous = operation.pointee.previousRunning {
            previous.pointee.nextRunning = operation.pointee.nextRunning
        } else {
            pointee.runningOperations = operation.pointee.nextRunning
        }
        operation.pointee.nextRunning?.pointee.previousRunning = operation.pointee.previousRunning
        operation.pointee.next = nil
        if let last = pointee.lastCompletedOperation, pointee.completedOperations != nil {
            last.pointee.next = operation
        } else {
            pointee.completedOperations = operation
        }
        pointee.lastCompletedOperation = operation
    }

    /// Calls the completion and frees the operation and what the plugin left of its messages.
    func finish(_ operation: OperationRef) {
        let count = operation.pointee.count
        let isOK = operation.pointee.status == WEIR_OK
        if let done = operation.pointee.done {
            for index in 0..<count { operation.pointee.responses[index]?.pointee.disposition = .lent }
            let detail = operation.pointee.detail.len > 0 ? operation.pointee.detail : failureText(operation)
            var result = weir_result(
                size: UInt32(MemoryLayout<weir_result>.size), status: operation.pointee.status,
                count: isOK ? UInt32(count) : 0, flags: !isOK && operation.pointee.isUnsent ? UInt32(WEIR_M_UNSENT) : 0,
                msgs: isOK
                    ? UnsafeRawPointer(operation.pointee.responses).assumingMemoryBound(
                        to: UnsafeMutablePointer<weir_msg>.self) : nil, detail: detail)
            pointee.currentConnection = operation.pointee.connection
            pointee.currentSite = operation.pointee.site
            withCrumb(nil, "done") { done(operation.pointee.context, &result) }
            pointee.currentConnection = nil
        }
        for index in 0..<count {
            if let response = operation.pointee.responses[index],
                operation.pointee.done == nil || response.pointee.disposition == .lent
            {
                response.end()
            }
            operation.pointee.requests[index].release()
        }
        operation.pointee.requests.deallocate()
        operation.pointee.responses.deallocate()
        operation.pointee.connection?.pendingEnded()
        pointee.operations.give(operation)
    }

    /// What the first response that failed says.
    private func failureText(_ operation: OperationRef) -> weir_str {
        for index in 0..<operation.pointee.count {
            if let response = operation.pointee.responses[index], response.pointee.head.status != WEIR_OK {
                return response.pointee.head.raw
            }
        }
        return weir_str()
    }
}

extension UInt64 {
    /// The sum, or the largest number: a deadline that never comes.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, hasOverflown) = addingReportingOverflow(other)
        return hasOverflown ? .max : sum
    }
}

extension Operation {
    static let timedOut: weir_task_fn = { context in
        guard let context else { return }
        let operation = context.assumingMemoryBound(to: Operation.self)
        operation.pointee.timer = 0
        operation.pointee.worker.cancelOperation(operation.pointee.id, weir_status(WEIR_E_TIMEOUT))
    }
}
