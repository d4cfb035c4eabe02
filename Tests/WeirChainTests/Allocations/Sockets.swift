// Blocking sockets and threads for the two ends of the worker that is measured.

import Glibc

func fail(_ text: String) -> Never {
    let line = Array("weir-allocations: \(text)\n".utf8)
    _ = write(2, line, line.count)
    exit(1)
}

func listenLocally() -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var count = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, count) == 0 && listen(descriptor, 8) == 0 && getsockname(descriptor, $0, &count) == 0
        }
    }
    if !isBound { fail("cannot listen") }
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

func connectLocally(_ port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    let isConnected = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    if !isConnected { fail("cannot connect") }
    return descriptor
}

func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
        let count = bytes.withUnsafeBytes {
            send(descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return }
        offset += count
    }
}

func readAll(_ descriptor: Int32, _ wanted: Int) {
    var left = wanted
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while left > 0 {
        let count = recv(descriptor, &buffer, min(left, buffer.count), 0)
        if count <= 0 { fail("the connection ended") }
        left -= count
    }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
}

final class Flag: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(lock, 0, 0) }
    func raise() { sem_post(lock) }
    func wait() { sem_wait(lock) }
}
