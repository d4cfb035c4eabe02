import Testing
@testable import WeirRESP

@Suite struct RequestDecoderTests {
    static let inputs: [String] = [
        "*1\r\n$4\r\nPING\r\n",
        "*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n",
        "*3\r\n$3\r\nset\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n",
        "*2\r\n$6\r\nCLIENT\r\n$7\r\nGETNAME\r\n*1\r\n$4\r\nPING\r\n",
        "*12\r\n$3\r\nDEL\r\n" + String(repeating: "$1\r\nk\r\n", count: 11),
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$120\r\n" + String(repeating: "x", count: 120) + "\r\nPING\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1200\r\n" + String(repeating: "x", count: 1200) + "\r\n",
        "*0\r\n*-1\r\n*-42\r\n\r\n\n*1\r\n$4\r\nPING\r\n",
        "PING\r\nGET a\nSET \"a b\" 'c d'\r\n   \r\n",
        "GET \"x\\x4\"\r\n",
        "SET \"a b\r\n",
        "*x\r\n", "*+1\r\n", "*01\r\n", "*-0\r\n", "*\r\n", "* 1\r\n", "*2147483648\r\n", "*9223372036854775808\r\n",
        "*1\r\n$-1\r\n", "*1\r\n$x\r\n", "*1\r\n$04\r\nPING\r\n", "*1\r\n$+4\r\nPING\r\n", "*1\r\n$\r\n",
        "*1\r\n4\r\nPING\r\n", "*1\r\n\r\nPING\r\n", "*1\r\n\nPING\r\n", "*2\r\n*1\r\n$3\r\nGET\r\n$1\r\na\r\n",
        "*2\r\n$3\r\nGET\r\n$2147483645\r\nabc", "*2\r\n$3\r\nGET\r\n$9223372036854775807\r\n",
        "*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n", "*1\r$4\rPING\r", "*1\n$4\nPING\n", "*1\r\n$4\r\nPING\r\r",
        "*1\r\n$4\r\nPINGPING\r\n", "%1\r\n+a\r\n:1\r\n", "+OK\r\n-ERR x\r\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "Host: x\r\n", "*1\r\n$4\r\npOsT\r\n", "GE\0T a\r\n", "*1\r\n$4\r\nGE\0T\r\n", "*1\r\n$0\r\n\r\n",
        "*2\r\n$6\r\nCLIENT\r\n$6\r\nREPLY\0\r\n", "\"MULTI\\x00a\"\r\n", "CLIENT \"REPLY\\x00\" OFF\r\n",
        "*5\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n$2",
    ]

    @Test(arguments: inputs)
    func `a split at any byte yields the same requests`(_ input: String) {
        let whole = requests(bytes(input))
        for cuts in everySplit(of: input.utf8.count) {
            #expect(requests(bytes(input), cuts: cuts) == whole, "cut at \(cuts)")
        }
    }

    func said(_ input: String, _ limits: RESPLimits = RESPLimits()) -> [String] {
        requests(bytes(input), limits: limits).map {
            $0.outcome == "failure" ? $0.detail : "\($0.outcome) \($0.detail)"
        }
    }

    func error(_ input: String, _ limits: RESPLimits = RESPLimits()) -> String {
        let detail = requests(bytes(input), limits: limits).last?.detail ?? ""
        return detail.split(separator: "\r\n", omittingEmptySubsequences: false).first.map(String.init) ?? ""
    }

    @Test func `commands, sub-commands and argument counts are told`() {
        let get = CommandTable.verb("GET")
        let client = CommandTable.verb("CLIENT")
        #expect(said("*2\r\n$3\r\ngEt\r\n$1\r\na\r\n") == ["frame GET/\(get)/2"])
        #expect(said("*3\r\n$6\r\nclient\r\n$7\r\nsetname\r\n$1\r\na\r\n") == ["frame CLIENT|SETNAME/\(client)/3"])
        #expect(said("*2\r\n$6\r\nclient\r\n$4\r\nnope\r\n") == ["frame CLIENT/\(client)/2"])
        #expect(said("*1\r\n$6\r\nclient\r\n") == ["frame CLIENT/\(client)/1"])
        #expect(said("*1\r\n$4\r\nnope\r\n") == ["frame /0/1"])
        #expect(said("client getname\r\n") == ["inline CLIENT|GETNAME/\(client)/2"])
        #expect(said("get a b c\n") == ["inline GET/\(get)/4"])
    }

    @Test func `nothing to answer is passed over`() {
        #expect(said("\r\n") == ["ignore /0/0"])
        #expect(said("\n") == ["ignore /0/0"])
        #expect(said("  \t \r\n") == ["ignore /0/0"])
        #expect(said("*0\r\n") == ["ignore /0/0"])
        #expect(said("*-1\r\n") == ["ignore /0/0"])
    }

    @Test func `errors are in the words of Redis`() {
        #expect(error("SET \"a b\r\n") == "-ERR Protocol error: unbalanced quotes in request")
        #expect(error("*x\r\n") == "-ERR Protocol error: invalid multibulk length")
        #expect(error("*2147483648\r\n$1\r\na\r\n") == "-ERR Protocol error: invalid multibulk length")
        #expect(error("*1048577\r\n") == "-ERR Protocol error: invalid multibulk length")
        #expect(error("*1\r\n$-1\r\n") == "-ERR Protocol error: invalid bulk length")
        #expect(error("*1\r\n$536870913\r\n") == "-ERR Protocol error: invalid bulk length")
        #expect(error("*1\r\nx4\r\nPING\r\n") == "-ERR Protocol error: expected '$', got 'x'")
        #expect(error("*1\r\n\n4\r\nPING\r\n") == "-ERR Protocol error: expected '$', got ' '")
        let long = String(repeating: "A", count: 70000)
        #expect(error(long) == "-ERR Protocol error: too big inline request")
        #expect(error("*" + long) == "-ERR Protocol error: too big mbulk count string")
        #expect(error("*1\r\n$" + long) == "-ERR Protocol error: too big bulk count string")
    }

    @Test func `bytes that Redis would skip unread are refused and not sent on`() {
        #expect(error("*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n") == "-ERR Protocol error: expected CR LF")
        #expect(error("*1\rX$4\r\nPING\r\n") == "-ERR Protocol error: expected CR LF")
        #expect(error("*1\r\n$4\rXPING\r\n") == "-ERR Protocol error: expected CR LF")
        #expect(error("*0\rX") == "-ERR Protocol error: expected CR LF")
        #expect(error("*1\r\n$4\r\nPING\rX") == "-ERR Protocol error: expected CR LF")
    }

    @Test func `a command name that holds a NUL byte is refused, for Redis may find a command in it`() {
        #expect(error("*1\r\n$6\r\nMULTI\0\r\n") == "-ERR Protocol error: NUL byte in a command name")
        #expect(error("*2\r\n$6\r\nCLIENT\r\n$7\r\nREPLY\0x\r\n") == "-ERR Protocol error: NUL byte in a command name")
        #expect(error("\"MULTI\\x00\"\r\n") == "-ERR Protocol error: NUL byte in a command name")
        let long = String(repeating: "x", count: 100)
        #expect(error("\"MULTI\\x00\(long)\"\r\n") == "-ERR Protocol error: NUL byte in a command name")
        #expect(error("\"\(long)\\x00\"\r\n") == "-ERR Protocol error: NUL byte in a command name")
        #expect(said("*2\r\n$4\r\nECHO\r\n$2\r\na\0\r\n").first?.hasPrefix("frame ECHO") == true)
    }

    @Test func `HTTP and TLS on the port end the connection without an answer`() {
        for input in [
            "POST / HTTP/1.1\r\n", "host: x\r\n", "*1\r\n$4\r\nPOST\r\n", "*1\r\n$5\r\nHost:\r\n", "\u{16}\u{3}\u{1}",
        ] {
            #expect(said(input) == ["securityAttack"])
        }
        #expect(said("*1\r\n$6\r\nPOST\0x\r\n") == ["securityAttack"])
    }

    @Test func `a line with a NUL byte has no end, as for Redis, and is too big at 64 KiB`() {
        #expect(said("GE\0T a\r\n").last?.hasPrefix("incomplete") == true)
        #expect(
            error("GE\0T a\r\n" + String(repeating: "x", count: 65536)) == "-ERR Protocol error: too big inline request"
        )
    }

    @Test func `before AUTH ten arguments of 16 KiB are the most`() {
        let limits = RESPLimits.unauthenticated
        #expect(error("*11\r\n", limits) == "-ERR Protocol error: unauthenticated multibulk length")
        #expect(error("*2147483648\r\n", limits) == "-ERR Protocol error: invalid multibulk length")
        #expect(error("*1\r\n$16385\r\n", limits) == "-ERR Protocol error: unauthenticated bulk length")
        #expect(error("*1\r\n$536870913\r\n", limits) == "-ERR Protocol error: invalid bulk length")
        #expect(said("*10\r\n$4\r\nAUTH\r\n", limits).first?.hasPrefix("incomplete") == true)
        let bulk = "$16384\r\n" + String(repeating: "x", count: 16384) + "\r\n"
        #expect(said("*2\r\n$4\r\nAUTH\r\n" + bulk, limits).first?.hasPrefix("frame AUTH") == true)
    }

    @Test func `limits below those of Redis hold on the fast path too`() {
        var limits = RESPLimits()
        limits.maximumBulkByteCount = 5
        #expect(error("*1\r\n$6\r\nABCDEF\r\n", limits) == "-ERR Protocol error: invalid bulk length")
        limits = RESPLimits()
        limits.maximumArgumentCount = 3
        #expect(error("*4\r\n$1\r\n", limits) == "-ERR Protocol error: invalid multibulk length")
        limits = RESPLimits()
        limits.maximumFrameByteCount = 30
        #expect(error("*1\r\n$40\r\n", limits) == "-ERR Protocol error: too big request")
        #expect(said("*1\r\n$4\r\nPING\r\n", limits).first?.hasPrefix("frame PING") == true)
        limits.maximumFrameByteCount = 13
        #expect(error("*1\r\n$4\r\nPING\r\n", limits) == "-ERR Protocol error: too big request")
    }

    @Test func `an incomplete request says how long it is at least`() {
        let limits = RESPLimits()
        func least(_ text: String) -> Int {
            var decoder = RequestDecoder()
            return withExactBytes(bytes(text)) { decoder.next($0, limits) }.byteCount
        }
        #expect(least("*2") == 0)
        #expect(least("*2\r\n$3\r\nGET\r\n$536870912\r\nabc") == 4 + 9 + 12 + 536_870_912 + 2)
        #expect(least("*3\r\n$3\r\nSET\r\n") == 13 + 6 + 6)
        #expect(least("*1\r\n$4\r\nPING\r") == 14)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a request of a million arguments in pieces of 2 kB takes time linear in its size`() {
        let count = 1_000_000
        var input = bytes("*\(count)\r\n$3\r\nDEL\r\n")
        for _ in 1..<count { input += [0x24, 0x31, 0x0d, 0x0a, 0x6b, 0x0d, 0x0a] }
        var decoder = RequestDecoder()
        let limits = RESPLimits()
        let last = input.withUnsafeBytes { all in
            var result = DecodedRequest(.incomplete)
            for end in stride(from: 2048, to: all.count + 2048, by: 2048) {
                result = decoder.next(UnsafeRawBufferPointer(rebasing: all[..<min(end, all.count)]), limits)
            }
            return result
        }
        #expect(last.outcome == .frame)
        #expect(last.argumentCount == UInt32(count))
        #expect(last.byteCount == input.count)
        #expect(last.verb == CommandTable.verb("DEL"))
    }

    @Test func `the decoder of a connection is small`() {
        #expect(MemoryLayout<RequestDecoder>.size <= 48)
        #expect(MemoryLayout<DecodedRequest>.size <= 24)
    }

    @Test func `a hundred kilobytes of random bytes end in an error or wait for more`() {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let input = (0..<100_000).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let last = requests(input).last?.outcome
            #expect(last == "failure" || last == "incomplete")
        }
    }

    @Test func `random bytes and random requests never surprise the decoder`() {
        var generator = SeededGenerator(seed: 7)
        let alphabet = bytes("*$\r\n0123456789-+ab \"'\\x\0GETPING")
        for _ in 0..<3000 {
            let count = Int.random(in: 0...60, using: &generator)
            let input = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let whole = requests(input)
            let cut = Int.random(in: 0...count, using: &generator)
            #expect(requests(input, cuts: [cut]) == whole)
            for said in whole where said.outcome == "frame" {
                #expect(frame(withExactBytes(said.bytes) { RequestArguments($0).map { Array($0) } }) == said.bytes)
            }
        }
    }
}

extension CommandTable {
    static func verb(_ name: String) -> UInt16 {
        withExactBytes(bytes(name)) { verb(named: $0) }
    }
    static func number(_ name: String) -> UInt16 {
        withExactBytes(bytes(name)) { number(named: $0) }
    }
}
