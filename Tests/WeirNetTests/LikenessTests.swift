// The scripted network behaves as Linux does: each scene is played on real sockets and on the scripted driver, and what
// the worker sees must be the same, word for word.

import CWeirLinux
import Testing
import WeirNet

/// Plays a scene in both worlds; gives back the record when they agree.
private func playBoth(
    real: (Scene<RealWorld>) throws -> Void, scripted: (Scene<ScriptedWorld>) throws -> Void,
    at location: SourceLocation = #_sourceLocation
) throws -> [String] {
    let first = try Scene(RealWorld())
    try real(first)
    let second = try Scene(ScriptedWorld())
    try scripted(second)
    #expect(first.record == second.record, sourceLocation: location)
    return first.record
}

struct LikenessTests {
    @Test func `bytes, then the end of the stream, as often as asked; writing goes on`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            scene.read(worker)
            far.send("abc")
            scene.expect(worker, .readable)
            scene.read(worker, 2)
            far.halfClose()
            scene.expect(worker, .hangup)
            for _ in 0..<3 { scene.read(worker) }
            scene.write(worker, "de", "", "f")
            scene.driver.close(worker)
            scene.note(far.outcome())
        }
        let record = try playBoth(real: play, scripted: play)
        #expect(record.suffix(5) == ["read c", "read 0", "read 0", "write 3", "\"def\" end"])
    }

    @Test func `bytes before a reset are read, then the error once, then the end`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            far.send("abc")
            scene.expect(worker, .readable)
            far.reset()
            scene.expect(worker, .failed)
            for _ in 0..<3 { scene.read(worker) }
            scene.write(worker, "x")
            scene.expect(worker, .failed)
        }
        let record = try playBoth(real: play, scripted: play)
        #expect(record.contains("read ECONNRESET"))
    }

    @Test func `a write finds the reset once and a broken pipe after`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            far.reset()
            scene.expect(worker, .failed)
            for _ in 0..<3 { scene.write(worker, "x") }
            scene.read(worker)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `the first write after the peer's close succeeds and the next fails`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            far.close()
            scene.expect(worker, .hangup)
            scene.write(worker, "x")
            scene.expect(worker, .failed)
            scene.read(worker)
            for _ in 0..<2 { scene.write(worker, "x") }
            scene.read(worker)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `a reset after the end of the stream reads as the end`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            far.halfClose()
            scene.expect(worker, .hangup)
            far.reset()
            scene.expect(worker, .failed)
            scene.read(worker)
            for _ in 0..<2 { scene.write(worker, "x") }
            scene.read(worker)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `after our own end the peer still sends; with both ends the connection is reported as failed`() throws {
        func play(_ scene: Scene<some World>) throws {
            let (worker, far) = try scene.connection()
            scene.write(worker, "bye")
            scene.driver.shutdownWrite(worker)
            scene.write(worker, "x")
            scene.note(far.outcome())
            far.send("late")
            scene.expect(worker, .readable)
            scene.read(worker)
            far.halfClose()
            scene.expect(worker, .failed)
            scene.read(worker)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `the peer sees a clean end, or a reset after closing with unread bytes or by force`() throws {
        func play(_ scene: Scene<some World>) throws {
            let clean = try scene.connection()
            scene.write(clean.descriptor, "ok")
            scene.driver.close(clean.descriptor)
            scene.note(clean.far.outcome())

            let unread = try scene.connection()
            unread.far.send("unread")
            scene.expect(unread.descriptor, .readable)
            scene.driver.close(unread.descriptor)
            scene.note(unread.far.outcome())

            let forced = try scene.connection()
            scene.driver.closeWithReset(forced.descriptor)
            scene.note(forced.far.outcome())
        }
        let record = try playBoth(real: play, scripted: play)
        #expect(record.filter { $0.hasPrefix("\"") } == ["\"ok\" end", "\"\" reset", "\"\" reset"])
    }

    @Test func `a client that resets before it is accepted is accepted and found reset`() throws {
        func play(_ scene: Scene<some World>) throws {
            let far = try scene.world.connectFar(to: scene.listener)
            far.reset()
            let worker = try scene.accept()
            scene.expect(worker, .failed)
            scene.read(worker)
            scene.read(worker)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `a connection attempt is told as made, or refused once`() throws {
        func play(_ scene: Scene<some World>) throws {
            let driver = scene.driver
            let made = driver.connect(try scene.world.openServer())
            scene.expect(made, .writable)
            scene.note("outcome \(driver.connectOutcome(made))")
            scene.write(made, "x")
            scene.read(made)
            driver.close(made)

            let refused = driver.connect(scene.world.deadAddress)
            // Loopback may refuse before connect returns: then there is no descriptor to ask.
            guard refused >= 0 else { return scene.note("refused at once") }
            scene.expect(refused, .failed)
            scene.note("outcome \(driver.connectOutcome(refused))")
            scene.note("outcome \(driver.connectOutcome(refused))")
            scene.read(refused)
            scene.write(refused, "x")
            driver.close(refused)
        }
        _ = try playBoth(real: play, scripted: play)
    }

    @Test func `an idle listener, double watches and closed descriptors give their errors`() throws {
        func play(_ scene: Scene<some World>) throws {
            let driver = scene.driver
            func note(_ outcome: Int32) { scene.note(scene.name(Int(outcome))) }
            var peer = SocketAddress()
            note(driver.accept(scene.listener, &peer))
            note(driver.unwatch(scene.listener))
            note(driver.rewatch(scene.listener, 1, .readable))
            note(driver.watch(scene.listener, 1, .readable))
            note(driver.watch(scene.listener, 2, .readable))
            note(driver.rewatch(scene.listener, .max, .readable))
            note(driver.unwatch(scene.listener))
            for closed in [-1, Int32.max] {
                scene.read(closed)
                scene.write(closed, "x")
                note(driver.watch(closed, 1, .readable))
                note(driver.rewatch(closed, 1, .readable))
                note(driver.unwatch(closed))
                note(-driver.connectOutcome(closed))
                note(driver.accept(closed, &peer))
                driver.setNoDelay(closed)
                driver.setKeepAlive(closed)
                driver.shutdownWrite(closed)
                driver.close(closed)
                driver.closeWithReset(closed)
                scene.note(driver.localAddress(closed).description)
            }
            note(driver.connect(SocketAddress()))
            note(driver.listen(SocketAddress(), backlog: 1))
        }
        let record = try playBoth(real: play, scripted: play)
        #expect(record.prefix(3) == ["EAGAIN", "ENOENT", "ENOENT"])
    }

    @Test func `readiness is reported again and again until it is used, and only what was asked for`() throws {
        func play(_ scene: Scene<some World>) throws {
            let driver = scene.driver
            let (worker, far) = try scene.connection()
            far.send("abc")
            scene.expect(worker, .readable)
            var event = IOEvent(token: 0, readiness: [])
            func poll() {
                let count = driver.wait(&event, 1, timeoutNanoseconds: 0)
                scene.note(count == 1 ? "\(event.token) \(event.readiness.words)" : "\(count)")
            }
            scene.note("\(driver.watch(worker, 40, .readable))")
            poll()
            poll()
            scene.note("\(driver.rewatch(worker, 41, .writable))")
            poll()
            scene.note("\(driver.rewatch(worker, 42, []))")
            poll()
            scene.note("\(driver.rewatch(worker, 43, .readable))")
            poll()
            scene.read(worker)
            poll()
            far.reset()
            scene.note("\(driver.rewatch(worker, 44, []))")
            let deadline = driver.now + 5_000_000_000
            while driver.wait(&event, 1, timeoutNanoseconds: 1_000_000) == 0, driver.now < deadline {}
            scene.note("\(event.token) \(event.readiness.words)")
            driver.close(worker)
            poll()
        }
        let record = try playBoth(real: play, scripted: play)
        #expect(record.contains("44 failed"))
    }
}
