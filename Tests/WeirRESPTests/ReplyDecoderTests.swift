import Testing
@testable import WeirRESP

@Suite struct ReplyDecoderTests {
    static let inputs: [String] = [
        "+OK\r\n", "+\r\n", "-ERR x\r\n", ":1\r\n", ":-12\r\n", ":+3\r\n", "$-1\r\n", "$0\r\n\r\n", "$3\r\na\r\n\r\n",
        "*-1\r\n", "*0\r\n", "*3\r\n:1\r\n$1\r\na\r\n*2\r\n+x\r\n*0\r\n+OK\r\n", "_\r\n", "#t\r\n#f\r\n",
        ",1.5\r\n,inf\r\n",
        "(3492890328409238509324850943850943825024385\r\n", "!5\r\nERR x\r\n", "=6\r\ntxt:ab\r\n",
        "%1\r\n+a\r\n:1\r\n", "~2\r\n:1\r\n:2\r\n", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n",
        "|1\r\n+ttl\r\n:3\r\n+OK\r\n", "*2\r\n|1\r\n+a\r\n*2\r\n:1\r\n:2\r\n:5\r\n|0\r\n*0\r\n",
        "|1\r\n+a\r\n+b\r\n-ERR x\r\n|0\r\n:1\r\n", "|1\r\n+a\r\n|0\r\n+b\r\n|1\r\n+c\r\n+d\r\n-ERR x\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*2\r\n:1\r\n*1\r\n*0\r\n:2\r\n",
        "$?\r\n;4\r\n", "*?\r\n", "$-2\r\n", "$01\r\n", "$1x\r\n", "%-1\r\n", "~-1\r\n", "*x\r\n", "$1\r\nabc",
        "#x\r\n", "#tt\r\n", "_x\r\n", ":\r\n", ":x\r\n", ":12a\r\n", "(\r\n", ",\r\n", "=3\r\nabc\r\n",
        "=4\r\nabcd\r\n", "+a\rb\r\n",
        "*4294967295\r\n", "%2147483648\r\n", "%1073741824\r\n", "hello\r\n", "\r\n", "*1\r\nPING\r\n", ".\r\n",
        ":1234567890\r\n:123456789012345678901\r\n", "$100\r\n" + String(repeating: "x", count: 100) + "\r\n",
    ]

    @Test(arguments: inputs)
    func `a split at any byte yields the same replies`(_ input: String) {
        let whole = replies(bytes(input))
        for cuts in everySplit(of: input.utf8.count) {
            #expect(replies(bytes(input), cuts: cuts) == whole, "cut at \(cuts)")
        }
    }

    func said(_ input: String, _ limits: RESPLimits = RESPLimits()) -> String {
        replies(bytes(input), limits: limits).map { $0.outcome == "frame" ? $0.detail : "\($0.outcome) \($0.detail)" }
            .joined(separator: ",")
    }

    @Test func `each type is told by its marker, behind its attributes`() {
        #expect(said("+OK\r\n-E x\r\n:1\r\n$1\r\na\r\n*0\r\n_\r\n,1\r\n#t\r\n") == "+,-,:,$,*,_,,,#")
        #expect(said("!1\r\na\r\n=4\r\ntxt:\r\n(1\r\n~0\r\n%0\r\n>1\r\n+a\r\n") == "!,=,(,~,%,>")
        #expect(said("|1\r\n+a\r\n:1\r\n-ERR x\r\n") == "-")
        #expect(said("|1\r\n+a\r\n*1\r\n|0\r\n:1\r\n%0\r\n") == "%")
        #expect(said("$-1\r\n*-1\r\n") == "$,*")
    }

    @Test func `errors and pushes are told`() {
        func decode(_ input: String) -> DecodedReply {
            var decoder = ReplyDecoder()
            let limits = RESPLimits()
            return withExactBytes(bytes(input)) { decoder.next($0, limits) }
        }
        #expect(decode("-ERR\r\n").isError)
        #expect(decode("!3\r\nERR\r\n").isError)
        #expect(!decode("+ERR\r\n").isError)
        #expect(decode(">1\r\n+a\r\n").isPush)
        #expect(!decode("*1\r\n+a\r\n").isPush)
    }

    @Test func `what is not a reply is an error with a reason`() {
        #expect(said("$?\r\n") == "failure streamedReply")
        #expect(said("*?\r\n") == "failure streamedReply")
        #expect(said("hello\r\n") == "failure unknownType")
        #expect(said("*4294967295\r\n") == "failure tooManyElements")
        #expect(said("%2147483648\r\n") == "failure tooManyElements")
        #expect(said("$536870913\r\n") == "failure tooBigReply")
        #expect(said("$9999999999999999999\r\n") == "failure invalidLength")
        #expect(said("$1\r\nabc\r\n") == "failure missingLineEnd")
        #expect(said(",1.5\u{1d}\n1\r\n") == "failure invalidNumber")
        #expect(said("|1\r\n+a\r\n+b\r\n|0\r\n+x\r\n") == "failure repeatedAttribute")
        #expect(said("*1\r\n|0\r\n|0\r\n+x\r\n") == "failure repeatedAttribute")
        #expect(said("*2\r\n|0\r\n$1\r\na\r\n|0\r\n+x\r\n") == "*")
        #expect(said("#x\r\n") == "failure invalidBoolean")
        #expect(said("_x\r\n") == "failure invalidNull")
        #expect(said("=4\r\nabcd\r\n") == "failure invalidVerbatim")
        #expect(said("+a\rb\r\n") == "failure missingLineEnd")
    }

    @Test func `ten thousand nested arrays are refused at the limit, and without it take a stack of words`() {
        let deep = String(repeating: "*1\r\n", count: 10000)
        #expect(said(deep) == "failure tooDeep")
        var limits = RESPLimits()
        limits.maximumNesting = 10000
        #expect(said(deep + ":1\r\n", limits) == "*")
        let exactly = String(repeating: "*1\r\n", count: 8192)
        #expect(said(exactly + ":1\r\n") == "*")
        #expect(said(exactly + "*0\r\n") == "*")
        #expect(said(exactly + "|0\r\n:1\r\n") == "*")
        #expect(said("*1\r\n" + exactly + ":1\r\n") == "failure tooDeep")
    }

    @Test func `a frame longer than the limit is refused as soon as that is known`() {
        var limits = RESPLimits()
        limits.maximumFrameByteCount = 100
        #expect(said("$101\r\n", limits) == "failure tooBigReply")
        #expect(said("*50\r\n" + String(repeating: ":1\r\n", count: 30), limits) == "failure tooBigReply")
        #expect(said("+" + String(repeating: "a", count: 200), limits) == "failure tooBigReply")
    }

    @Test(.timeLimit(.minutes(1)))
    func `an array of 10 MB in pieces of 2 kB takes time linear in its size`() {
        let count = 2_500_000
        var input = bytes("*\(count)\r\n")
        for _ in 0..<count { input += [0x3a, 0x31, 0x0d, 0x0a] }
        var decoder = ReplyDecoder()
        let limits = RESPLimits()
        let last = input.withUnsafeBytes { all in
            var result = DecodedReply(.incomplete)
            for end in stride(from: 2048, to: all.count + 2048, by: 2048) {
                result = decoder.next(UnsafeRawBufferPointer(rebasing: all[..<min(end, all.count)]), limits)
            }
            return result
        }
        #expect(last.outcome == .frame)
        #expect(last.byteCount == input.count)
    }

    /// A random reply of any type, as bytes.
    static func random(_ generator: inout SeededGenerator, depth: Int = 0) -> String {
        let leaves = 13
        switch Int.random(in: 0..<(depth < 5 ? leaves + 6 : leaves), using: &generator) {
        case 0: return "+status \(UInt8.random(in: 0...9, using: &generator))\r\n"
        case 1: return "-ERR no\r\n"
        case 2: return ":\(Int.random(in: -5...500000, using: &generator))\r\n"
        case 3: return "$-1\r\n"
        case 4, 5:
            let n = Int.random(in: 0...30, using: &generator)
            return "$\(n)\r\n"
                + String(repeating: ["\r", "\n", "x", "\0"].randomElement(using: &generator) ?? "", count: n) + "\r\n"
        case 6: return "*-1\r\n"
        case 7: return "_\r\n"
        case 8: return "#t\r\n"
        case 9: return ",-1.5e3\r\n"
        case 10: return "(12345678901234567890123\r\n"
        case 11: return "!6\r\nERR \r\n\r\n"
        case 12: return "=7\r\nmkd:a\r\n\r\n"
        case let other:
            let n = Int.random(in: 0...4, using: &generator)
            let isPaired = other == 15 || other == 16
            var out = ["*", "~", "%", "|", "*", ">"][other - 13] + "\(n)\r\n"
            for _ in 0..<(isPaired ? 2 * n : n) { out += random(&generator, depth: depth + 1) }
            guard other == 16 else { return out }
            while true {  // one attribute only
                let element = random(&generator, depth: depth)
                if !element.hasPrefix("|") { return out + element }
            }
        }
    }

    @Test func `random replies are cut where they end, however they arrive`() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<1000 {
            let parts = (0..<3).map { _ in bytes(Self.random(&generator)) }
            let input = parts.flatMap { $0 }
            let cuts = (0..<3).map { _ in Int.random(in: 0...input.count, using: &generator) }.sorted()
            let said = replies(input, cuts: cuts)
            #expect(said.map(\.bytes) == parts)
        }
    }

    @Test func `random bytes never surprise the decoder`() {
        var generator = SeededGenerator(seed: 13)
        let alphabet = bytes("*$+-:_#,!=(%~>|\r\n0123456789-tfa?")
        for _ in 0..<3000 {
            let count = Int.random(in: 0...50, using: &generator)
            let input = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let whole = replies(input)
            #expect(replies(input, cuts: [Int.random(in: 0...count, using: &generator)]) == whole)
            for said in whole where said.outcome == "frame" { #expect(tape(said.bytes) { _, count in count } != nil) }
        }
    }
}
