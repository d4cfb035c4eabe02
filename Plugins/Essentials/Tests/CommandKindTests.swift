// Every command that the host knows, with the word of QueryTypeFilter that it falls under: kinds.txt, read by people
// and compared here. A new command in the host's table changes this file.

import Foundation
import Testing
import WeirRESP
import WeirTesting

@Suite struct CommandKindTests {
    private static let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "kinds.txt")

    /// The word that refuses a command with these flags, "always passes" when none does.
    private func kind(_ flags: UInt32, _ host: TestHost, _ clients: [(String, TestConnection)]) -> String {
        host.commandFlags = flags
        // A DenyList of Read or Write refuses what may do either: the AllowLists tell them apart.
        let allowing = clients.filter { $0.1.request("GET k").outcome == .passed }.map(\.0)
        return allowing.count == clients.count ? "always passes" : allowing.joined(separator: " ")
    }

    @Test func `each command of the host's table falls under the word that is written down for it`() throws {
        let host = try Essentials.host()
        let clients = try ["Read", "Write", "ReadWrite", "SchemaChange", "PubSubMessage"].map {
            ($0, try host.start("QueryTypeFilter", #"{"AllowList":["\#($0)"]}"#).connect())
        }
        var kinds: [String: String] = [:]
        var lines: [String] = []
        for number in 1..<CommandTable.commandCount {
            let number = UInt16(number)
            let traits = CommandTable.traits(number)
            // The flags of a command with sub-commands are theirs.
            if traits.isContainer { continue }
            let word = kinds["\(traits.flags)"] ?? kind(traits.flags, host, clients)
            kinds["\(traits.flags)"] = word
            lines.append("\(String(decoding: CommandTable.name(number), as: UTF8.self)) \(word)")
        }
        let text = lines.sorted().joined(separator: "\n") + "\n"
        if ProcessInfo.processInfo.environment["WEIR_UPDATE_GOLDEN"] == "1" {
            try text.write(to: Self.golden, atomically: true, encoding: .utf8)
        }
        #expect(text == (try String(contentsOf: Self.golden, encoding: .utf8)))
    }
}
