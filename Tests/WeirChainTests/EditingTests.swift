// Messages that transforms edit, make and copy, on their way through a chain.

import CWeir
import Testing
import WeirBed
import WeirChain
import WeirNet

struct EditingTests {
    private func editor(_ edit: @escaping (Hook, MessageHandle) -> Void) -> TestTransform {
        let editor = TestTransform("editor")
        editor.onRequests = { hook in for message in hook.messages { edit(hook, message) } }
        return editor
    }

    private func leaf(_ text: weir_str) -> weir_item { weir_leaf(UInt8(WEIR_T_BYTES), text) }

    @Test func `an edited request reaches the server as edited, and its client gets the answer`() {
        let prefixer = editor { _, message in
            guard message.word == "GET" || message.word == "SET" else { return }
            withText("pre:" + message.words[1]) { #expect(weir.set(message, 2, $0, nil) == WEIR_OK) }
            #expect(message.words[1].hasPrefix("pre:"))
            #expect(message.pointee.raw.ptr == nil)
            #expect(weir.encode(message).text.contains("pre:"))
        }
        let (bed, redis) = WorkerBed.simple([prefixer])
        let a = bed.client()
        a.sendAll([["SET", "k", "v"], ["GET", "k"], ["ECHO", "k"]])
        bed.run()
        #expect(a.take() == ["OK", "\"v\"", "\"k\""])
        #expect(redis.strings == ["0/pre:k": "v"])
        bed.finish()
    }

    @Test func `words are put in and taken out, and what was read before stays readable`() {
        let splicer = editor { _, message in
            guard let tape = weir.parse(message), let items = Optional(tape.pointee.items) else { return }
            let before = items[1].bytes.text
            let root = items
            withText("added") { text in
                var item = leaf(text)
                #expect(weir.splice(message, 0, 2, 1, &item, 1) == WEIR_OK)
            }
            #expect(root[1].bytes.text == before)
            #expect(message.words == ["ECHO", "x", "added"] || message.words == ["SET", "k", "added"])
            #expect(weir.splice(message, 0, 9, 0, nil, 0) == WEIR_E_INVALID)
            #expect(weir.splice(message, 99, 0, 0, nil, 0) == WEIR_E_INVALID)
            #expect(weir.set(message, 99, weir_str(), nil) == WEIR_E_INVALID)
            #expect(weir.set(message, 0, weir_str(), nil) == WEIR_E_INVALID)
        }
        let (bed, redis) = WorkerBed.simple([splicer])
        let a = bed.client()
        a.sendAll([["SET", "k", "v"]])
        bed.run()
        #expect(a.take() == ["OK"])
        #expect(redis.strings == ["0/k": "added"])
        bed.finish()
    }

    @Test func `an edited response reaches the client as edited`() {
        let worker = TestTransform("worker")
        worker.onResponses = { hook in
            for message in hook.messages where message.word == "v" {
                withText("much longer than before") { #expect(weir.set(message, 0, $0, nil) == WEIR_OK) }
            }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll([["SET", "k", "v"], ["GET", "k"], ["GET", "k"]])
        bed.run()
        #expect(a.take() == ["OK", "\"much longer than before\"", "\"much longer than before\""])
        bed.finish()
    }

    @Test func `bytes in a buffer of the transform are used without a copy and given back`() {
        let buffered = editor { _, message in
            guard message.word == "SET", let buffer = weir.buf_new(BedHost.table, 5) else { return }
            for index in 0..<5 { buffer.pointee.ptr[index] = UInt8(ascii: "b") }
            let bytes = weir_str(ptr: UnsafePointer(buffer.pointee.ptr), len: 5)
            #expect(weir.set(message, 3, bytes, buffer) == WEIR_OK)
            // Bytes that do not lie in it are copied all the same.
            withText("key") { #expect(weir.set(message, 2, $0, buffer) == WEIR_OK) }
            weir.buf_unref(buffer)
        }
        let (bed, redis) = WorkerBed.simple([buffered])
        #expect(bed.client().call("SET", "k", "v") == "OK")
        #expect(redis.strings == ["0/key": "bbbbb"])
        bed.finish()
    }

    /// Found by reading: an edited request was still taken for the command that it had been.
    @Test func `a request that is edited into a blocking one goes over a connection of its own`() {
        let blocker = editor { _, message in
            guard message.word == "GET" else { return }
            withText("BLPOP") { _ = weir.set(message, 1, $0, nil) }
            withText("0") { text in
                var item = leaf(text)
                _ = weir.splice(message, 0, 2, 0, &item, 1)
            }
        }
        let (bed, _) = WorkerBed.simple([blocker])
        let a = bed.client()
        let b = bed.client()
        a.send("GET", "q")
        bed.run()
        #expect(b.call("PING") == "PONG")
        #expect(b.call("RPUSH", "q", "x") == ":1")
        bed.run()
        #expect(a.take() == ["[\"q\" \"x\"]"])
        bed.finish()
    }

    @Test func `build_raw takes exactly one message and nothing else`() {
        let bad: [(Int, String)] = [
            (WEIR_REQUEST, wire("PING") + wire("PING")), (WEIR_REQUEST, "*1\r\n$4\r\nPI"), (WEIR_REQUEST, ""),
            (WEIR_REQUEST, wire("PING") + "x"), (WEIR_REQUEST, "*0\r\n"), (WEIR_REQUEST, "*1\r\n$-5\r\n"),
            (WEIR_REQUEST, "PING\r\n"), (WEIR_RESPONSE, "+OK\r\n+OK\r\n"), (WEIR_RESPONSE, "$5\r\nab\r\n"),
            (WEIR_RESPONSE, "+OK"), (WEIR_RESPONSE, "garbage"),
        ]
        let good: [(Int, String)] = [
            (WEIR_REQUEST, wire("PING")), (WEIR_RESPONSE, "+OK\r\n"), (WEIR_RESPONSE, "*2\r\n:1\r\n*1\r\n$1\r\na\r\n"),
        ]
        let builder = editor { hook, message in
            for (kind, text) in bad { #expect(build(hook.worker, kind, text) == nil, "\(text)") }
            for (kind, text) in good {
                let made = build(hook.worker, kind, text)
                #expect(made != nil, "\(text)")
                if let made { weir.drop(made) }
            }
        }
        let (bed, _) = WorkerBed.simple([builder])
        #expect(bed.client().call("PING") == "PONG")
        bed.finish()
    }

    @Test func `a response is built from items and answers the request`() {
        let builder = editor { hook, message in
            withText("hello") { text in
                let items = [weir_list(UInt8(WEIR_T_LIST), 2), leaf(text), leaf(text)]
                if let made = weir.build(hook.worker, 1, UInt16(WEIR_RESPONSE), items, 3) { weir.reply(message, made) }
                #expect(weir.build(hook.worker, 1, UInt16(WEIR_RESPONSE), items, 0) == nil)
                #expect(weir.build(hook.worker, 99, UInt16(WEIR_RESPONSE), items, 3) == nil)
            }
        }
        let (bed, _) = WorkerBed.simple([builder])
        #expect(bed.client().call("GET", "k") == "[\"hello\" \"hello\"]")
        bed.finish()
    }

    @Test func `a clone has the edits of its original and does not share what comes after`() {
        let cloner = editor { hook, message in
            guard message.word == "SET" else { return }
            withText("first") { _ = weir.set(message, 3, $0, nil) }
            let copy = weir.clone(message)
            withText("second") { _ = weir.set(message, 3, $0, nil) }
            #expect(copy.words == ["SET", "k", "first"])
            #expect(message.words == ["SET", "k", "second"])
            withText("copy") { _ = weir.set(copy, 2, $0, nil) }
            hook.worker.send([copy], to: hook.next, nil)
        }
        let (bed, redis) = WorkerBed.simple([cloner])
        #expect(bed.client().call("SET", "k", "v") == "OK")
        bed.run()
        #expect(redis.strings == ["0/k": "second", "0/copy": "first"])
        bed.finish()
    }

    @Test func `posts, blocking work and timers come back to the worker once each`() {
        let worker = TestTransform("tasks")
        worker.onRequests = { hook in
            for message in hook.messages where message.word == "GET" {
                weir.take(message, UInt32(WEIR_TAKE_ORDERED))
                let handle = hook.worker
                handle.post {
                    worker.log.append("posted")
                    handle.timer(.milliseconds(1)) {
                        worker.log.append("timer")
                        weir.pass(message)
                    }
                }
            }
        }
        let (bed, _) = WorkerBed.simple([worker])
        let a = bed.client()
        a.sendAll([["GET", "k"], ["GET", "k"]])
        bed.run(.milliseconds(20))
        #expect(a.take() == ["nil", "nil"])
        #expect(worker.log == ["posted", "posted", "timer", "timer"])
        bed.finish()
    }
}
