// Clients that share a connection to the server: what one of them does must never show in another's answers.

import CWeir
import Testing
import WeirBed
import WeirNet

struct MultiplexingTests {
    @Test func `two clients share one upstream connection`() {
        let (bed, redis) = WorkerBed.simple()
        let a = bed.client()
        let b = bed.client()
        #expect(a.call("SET", "k", "1") == "OK")
        #expect(b.call("GET", "k") == "\"1\"")
        #expect(redis.sessions.count == 1)
        bed.finish()
    }
}
