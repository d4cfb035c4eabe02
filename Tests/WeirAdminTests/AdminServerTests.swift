// The server on real sockets.

import Foundation
import Testing
import WeirBase

@testable import WeirAdmin

@Suite struct `Admin server` {
    private func server(_ address: String = "127.0.0.1:0") throws -> AdminServer {
        let registry = MetricRegistry()
        registry.counter("weir_requests_total", help: "Requests.", labels: [("source", "s")], worker: 0)?.pointee = 3
        return try AdminServer(
            address: address, routes: AdminRoutes(metrics: { registry.gather() }, ready: { ReadyState() }))
    }

    /// Connects with a time limit of five seconds on every call.
    private func connect(_ server: AdminServer) throws -> Int32 {
        let port = try #require(UInt16(server.address.split(separator: ":").last ?? ""))
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        return descriptor
    }

    private func exchange(_ server: AdminServer, _ request: String) throws -> String {
        let descriptor = try connect(server)
        defer { close(descriptor) }
        try #require(send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL)) == request.utf8.count)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }

    @Test func `metrics, health, readiness and contents are served`() throws {
        let server = try server()
        defer { server.stop() }
        func get(_ path: String) throws -> String {
            try exchange(server, "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        }
        let metrics = try get("/metrics")
        #expect(metrics.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(metrics.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        #expect(metrics.contains("\nweir_requests_total{source=\"s\"} 3\n"))
        #expect(metrics.contains("\nprocess_resident_memory_bytes "))
        #expect(try get("/health").hasSuffix("\r\n\r\nok\n"))
        #expect(try get("/ready").hasSuffix("\r\n\r\n{\"ready\":true,\"draining\":false,\"missing\":[]}\n"))
        #expect(try get("/").contains("GET /metrics"))
        #expect(try get("/nothing").hasPrefix("HTTP/1.1 404 "))
    }

    @Test func `clients that send half a request do not keep others waiting`() throws {
        let server = try server()
        defer { server.stop() }
        var silent: [Int32] = []
        defer { silent.forEach { close($0) } }
        for _ in 0..<(AdminLoop.maximumConnectionCount + 10) {
            let descriptor = try connect(server)
            send(descriptor, "GET /hea", 8, Int32(MSG_NOSIGNAL))
            silent.append(descriptor)
        }
        let answer = try exchange(server, "GET /health HTTP/1.0\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func `a port in use is refused, also when it is another admin server's`() throws {
        let first = try server()
        defer { first.stop() }
        #expect(throws: AdminError.cannotListen(first.address, number: EADDRINUSE)) {
            try server(first.address)
        }
    }

    @Test(arguments: ["", "localhost:1", "127.0.0.1", "127.0.0.1:70000", "[::1:1", "1.2.3.4:x"])
    func `a malformed address is refused`(address: String) {
        #expect(throws: AdminError.malformedAddress(address)) { try server(address) }
    }

    @Test func `after stop nobody listens, and stop may come twice`() throws {
        let first = try server()
        first.stop()
        first.stop()
        let second = try server(first.address)
        second.stop()
    }
}
