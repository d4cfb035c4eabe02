// Questions about the session effect of a command that need its arguments, or words.

extension CommandTable {
    /// Whether a request may wait at the server: BLPOP always, XREAD and XREADGROUP with BLOCK.
    ///
    /// `frame` is the request as a whole frame. Unknown options are passed over, so BLOCK is found behind them.
    public static func blocks(_ command: UInt16, _ frame: UnsafeRawBufferPointer) -> Bool {
        switch traits(command).effect {
        case .blocking: return true
        case .blockingIfOption: break
        default: return false
        }
        var arguments = RequestArguments(frame)
        _ = arguments.next()
        while let argument = arguments.next() {
            if ASCIIWord.matches(argument, "BLOCK") { return true }
            if ASCIIWord.matches(argument, "STREAMS") { return false }
            if ASCIIWord.matches(argument, "GROUP") {
                _ = arguments.next()
                _ = arguments.next()
            } else if ASCIIWord.matches(argument, "COUNT") || ASCIIWord.matches(argument, "CLAIM") {
                _ = arguments.next()
            }
        }
        return false
    }

    /// Why a command with the effect `.refused` is refused: the text of an error behind its code. Nil for others.
    public static func refusal(_ command: UInt16) -> StaticString? {
        guard traits(command).effect == .refused else { return nil }
        let name = name(command)
        if ASCIIWord.matches(name, "MONITOR") {
            return
                "MONITOR is refused: it turns the connection into a log of all commands; connect to the server itself"
        }
        return
            "SYNC, PSYNC and REPLCONF are refused: they turn the connection into a replication link; connect to the server itself"
    }
}
