// The commands of Redis and Valkey by number: look-up by name, names, traits. The data is generated
// (generate_commands.py) and lies in the read-only part of the library; nothing is built at start.
//
// Number 0 is the unknown command; 1 ..< verbCount are the verbs (GET, CLIENT); the sub-commands (CLIENT|KILL) follow.
// Numbers change from one version to the next: names are what is kept.

public enum CommandTable {
    /// One more than the highest number.
    @inlinable public static var commandCount: Int { generatedCommandCount }
    /// One more than the highest number of a verb.
    @inlinable public static var verbCount: Int { generatedVerbCount }

    /// The number of a verb, in any case. 0: unknown.
    public static func verb(named name: UnsafeRawBufferPointer) -> UInt16 {
        guard let base = name.baseAddress else { return 0 }
        return find(base, count: name.count, parent: 0)
    }

    /// The number of a sub-command of `verb`, in any case. 0: unknown.
    public static func subcommand(of verb: UInt16, named name: UnsafeRawBufferPointer) -> UInt16 {
        guard verb != 0, let base = name.baseAddress else { return 0 }
        return find(base, count: name.count, parent: verb)
    }

    /// The number of "GET", "CLIENT|KILL" or "CLIENT KILL", in any case. 0: unknown.
    public static func number(named name: UnsafeRawBufferPointer) -> UInt16 {
        guard let base = name.baseAddress else { return 0 }
        for index in 0..<name.count where name[index] == UInt8(ascii: "|") || name[index] == UInt8(ascii: " ") {
            let verb = find(base, count: index, parent: 0)
            if verb == 0 { return 0 }
            return find(base + index + 1, count: name.count - index - 1, parent: verb)
        }
        return find(base, count: name.count, parent: 0)
    }

    /// "GET", "CLIENT|KILL": bytes that live for ever; none for an unknown number.
    public static func name(_ number: UInt16) -> UnsafeRawBufferPointer {
        let index = Int(number)
        guard index < commandCount else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let start = Int(commandNameOffsets[index])
        let end = Int(commandNameOffsets[index + 1]) - 1
        return UnsafeRawBufferPointer(start: commandNames.utf8Start + start, count: end - start)
    }

    /// What is known of a command; all zero for an unknown number.
    public static func traits(_ number: UInt16) -> CommandTraits {
        CommandTraits(row: row(number))
    }

    @inline(__always)
    static func row(_ number: UInt16) -> UInt64 {
        let index = Int(number)
        guard index < commandCount else { return 0 }
        return commandRows[unchecked: index]
    }

    /// Looks `count` bytes up among the children of `parent` (0: the verbs).
    @inline(__always)
    static func find(_ base: UnsafeRawPointer, count: Int, parent: UInt16) -> UInt16 {
        guard count > 0, count <= ASCIIWord.maximumByteCount else { return 0 }
        let word = ASCIIWord(base, count: count)
        let meta = UInt64(truncatingIfNeeded: count) | UInt64(parent) &<< 8
        let mixed = (word.low ^ word.high &<< 7 ^ word.high &>> 57 ^ meta &<< 40) &* hashMultiplier
        var slot = Int(truncatingIfNeeded: mixed &>> (64 &- hashBits))
        // Safe: slots are masked, and the generator puts only numbers of this table into them.
        for _ in 0..<maximumProbes {
            let number = commandSlots[unchecked: slot]
            let at = Int(number) &* 4
            if commandWords[unchecked: at] == word.low, commandWords[unchecked: at &+ 3] == meta,
                commandWords[unchecked: at &+ 2] == word.high, commandWords[unchecked: at &+ 1] == word.middle
            {
                return number
            }
            if number == 0 { return 0 }
            slot = (slot &+ 1) & (1 &<< Int(hashBits) &- 1)
        }
        return 0
    }
}
