// Tests of @TRANSFORM@ on the SDK's test host: no network, no clock.

import Testing
import WeirTesting

@testable import @TRANSFORM@Plugin

@Suite(.serialized) struct @TRANSFORM@Tests {
    @Test func `a small request passes and a large one is refused`() throws {
        let host = try TestHost { plugin($0) }
        let client = try host.start("@TRANSFORM@", #"{"max_bytes":40}"#).connect()
        #expect(client.request("SET k v").outcome == .passed)
        let large = client.request("SET k a-value-that-is-too-long")
        #expect(large.answer == "-ERR a request of 51 bytes is larger than 40\r\n")
        #expect(host.metric("too_large_requests_total") == 1)
        #expect(host.misuseCount == 0)
    }

    @Test func `a limit of zero is refused where it stands`() throws {
        let host = try TestHost { plugin($0) }
        #expect(throws: TestHost.Refused.self) { try host.start("@TRANSFORM@", #"{"max_bytes":0}"#) }
        #expect(host.log.contains("/max_bytes: ERROR"))
    }
}
