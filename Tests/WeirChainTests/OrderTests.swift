// The order of answers, whatever the transforms on the way do with the requests.

import CWeir
import Testing
import WeirBed
import WeirNet

struct OrderTests {
    @Test func `a request passes through a chain and its answer comes back`() {
        let (bed, _) = WorkerBed.simple([])
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }
}
