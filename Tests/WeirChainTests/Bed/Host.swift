// The table that plugins call, made once for the process of the tests, and shorthands for calling it.

public import CWeir
import WeirChain
public import WeirRESP
import WeirUpstream
import WeirWire

public typealias MessageHandle = UnsafeMutablePointer<weir_msg>
public typealias TargetHandle = UnsafeMutablePointer<weir_target>

public enum BedHost {
    public static let codec = RESPCodec()

    /// Safe: filled in once, never changed.
    nonisolated(unsafe) public static let table: UnsafePointer<weir_host> = {
        Extensions.register(WEIR_EXT_METRICS, Extensions.makeMetrics())
        Extensions.register(WEIR_EXT_RESP, RESPExtension.make())
        return HostTable.make(
            HostServices(version: "test", codecs: [codec], log: { _, _, _ in }, report: { _, _, _, _ in }))
    }()
}

/// The functions of the host.
public var weir: weir_host { BedHost.table.pointee }

extension weir_str {
    public var text: String { String(decoding: UnsafeBufferPointer(start: ptr, count: len), as: UTF8.self) }
}

/// Runs `body` with a text as the host takes it.
public func withText<R>(_ text: String, _ body: (weir_str) -> R) -> R {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBufferPointer { body(weir_str(ptr: $0.baseAddress, len: $0.count)) }
}

extension UnsafeMutablePointer where Pointee == weir_msg {
    /// The words of a request, or the parts of a flat reply.
    public var words: [String] {
        guard let tape = weir.parse(self) else { return [] }
        return (0..<Int(tape.pointee.count)).compactMap {
            let item = tape.pointee.items[$0]
            return Int(item.type) >= WEIR_T_LIST ? nil : item.bytes.text
        }
    }

    /// Text of the first leaf: the command, or a simple reply.
    public var word: String { words.first ?? "" }
    public var isError: Bool { pointee.flags & UInt32(WEIR_M_ERROR) != 0 }
    public func has(_ flag: Int) -> Bool { pointee.flags & UInt32(flag) != 0 }
}

/// A request or response made from wire bytes.
public func build(_ worker: UnsafeMutablePointer<weir_worker>, _ kind: Int, _ wire: String) -> MessageHandle? {
    withText(wire) { weir.build_raw(worker, 1, UInt16(kind), $0) }
}

/// The wire bytes of a command.
public func wire(_ words: String...) -> String { wire(words) }

public func wire(_ words: [String]) -> String {
    "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
}

extension UnsafeMutablePointer where Pointee == weir_worker {
    public func request(_ words: String...) -> MessageHandle {
        guard let message = build(self, WEIR_REQUEST, wire(words)) else { fatalError("\(words) is no request") }
        return message
    }

    public func response(_ bytes: String) -> MessageHandle {
        guard let message = build(self, WEIR_RESPONSE, bytes) else { fatalError("\(bytes) is no response") }
        return message
    }
}

/// A function of the test behind a pointer, called once by the host.
final class Once<Argument> {
    let body: (Argument) -> Void
    init(_ body: @escaping (Argument) -> Void) { self.body = body }
}

extension UnsafeMutablePointer where Pointee == weir_worker {
    /// `send` with a closure.
    @discardableResult
    public func send(
        _ messages: [MessageHandle], to target: TargetHandle, flags: UInt32 = 0, timeoutNanoseconds: UInt64 = 0,
        _ done: ((weir_result) -> Void)?
    ) -> UInt64 {
        var options = weir_send_opts(
            size: UInt32(MemoryLayout<weir_send_opts>.size), flags: flags, timeout_ns: timeoutNanoseconds)
        guard let done else { return messages.withUnsafeBufferPointer { sendAll($0, target, &options, nil, nil) } }
        let context = Unmanaged.passRetained(Once<weir_result>(done)).toOpaque()
        return messages.withUnsafeBufferPointer { list in
            sendAll(
                list, target, &options,
                { context, result in
                    guard let context else { return }
                    Unmanaged<Once<weir_result>>.fromOpaque(context).takeRetainedValue().body(result.pointee)
                }, context)
        }
    }

    private func sendAll(
        _ list: UnsafeBufferPointer<MessageHandle>, _ target: TargetHandle, _ options: UnsafePointer<weir_send_opts>,
        _ done: weir_done_fn?, _ context: UnsafeMutableRawPointer?
    ) -> UInt64 {
        let none = UnsafeMutablePointer<MessageHandle>.allocate(capacity: 1)
        defer { none.deallocate() }
        return weir.send(target, list.baseAddress ?? UnsafePointer(none), UInt32(list.count), options, done, context)
    }

    @discardableResult
    public func timer(_ delay: Duration, _ body: @escaping () -> Void) -> UInt64 {
        let parts = delay.components
        let nanoseconds = UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds / 1_000_000_000)
        return weir.timer(self, nanoseconds, runOnce, Unmanaged.passRetained(Once<Void> { _ in body() }).toOpaque())
    }

    public func post(_ body: @escaping () -> Void) {
        weir.post(self, runOnce, Unmanaged.passRetained(Once<Void> { _ in body() }).toOpaque())
    }
}

private let runOnce: weir_task_fn = { context in
    guard let context else { return }
    Unmanaged<Once<Void>>.fromOpaque(context).takeRetainedValue().body(())
}

extension weir_result {
    public var messages: [MessageHandle] {
        guard let msgs else { return [] }
        return (0..<Int(count)).map { msgs[$0] }
    }
}
