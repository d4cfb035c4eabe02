// Upstreams that a transform opens for one client: they end with it.

import CWeir
import Testing
import WeirBed
import WeirNet

struct BoundTargetTests {
    /// Found by reading: the target and its connections stayed for ever.
    @Test(arguments: [true, false])
    func `an upstream that was opened for a client ends with the client`(closesEarly: Bool) {
        let bed = WorkerBed()
        let main = bed.makeRedis()
        let side = bed.makeRedis()
        let router = TestTransform("router")
        router.upstream("/side", side.plan())
        router.onRequests = { hook in
            if hook.connection?.targets["side"] == nil {
                hook.connection?.targets["side"] = hook.transform.open("/side", for: hook.conn)
            }
            for message in hook.messages {
                guard let target = hook.connection?.targets["side"] else { continue }
                switch message.words.last {
                case "side": weir.pass_to(message, target)
                case "own": hook.worker.send([hook.worker.request("PING")], to: target, nil)
                case "close" where closesEarly:
                    weir.target_close(target)
                    hook.connection?.targets["side"] = nil
                default: break
                }
            }
        }
        bed.open([router, .sink(main.plan())])
        let before = bed.targetCount
        for _ in 0..<10 {
            let a = bed.client()
            a.sendAll([["ECHO", "1"], ["ECHO", "side"], ["ECHO", "own"], ["ECHO", "close"], ["ECHO", "side"]])
            bed.run(.milliseconds(20))
            #expect(a.take().count == 5)
            a.peer.close()
            bed.run()
        }
        let keeper = bed.client()
        #expect(keeper.call("ECHO", "keep") == "\"keep\"")
        keeper.peer.close()
        bed.run(.seconds(2))
        #expect(bed.targetCount == before)
        #expect(side.openSessions.isEmpty)
        bed.finish()
    }
}
