// `weir.resp/1`: what plugins can ask about RESP messages and sessions beyond their tapes.

import CWeir
import WeirBase
import WeirChain
import WeirRESP

public enum RESPExtension {
    /// The table; it lives as long as the process.
    public static func make() -> UnsafeRawPointer {
        let table = UnsafeMutablePointer<weir_resp_v1>.allocate(capacity: 1)
        table.initialize(
            to: weir_resp_v1(
                size: UInt32(MemoryLayout<weir_resp_v1>.size), verb_count: UInt32(CommandTable.verbCount),
                keys: { message, items, capacity in
                    guard let tape = MessageRef(message).tape else { return 0 }
                    let found = CommandTable.keyPositions(
                        command: MessageRef(message).pointee.command, items: tape.pointee.items,
                        count: Int(tape.pointee.count), into: items, capacity: Int(capacity))
                    // Argument i of a request is item i + 1 of its tape.
                    for index in 0..<min(found, Int(capacity)) { items[index] += 1 }
                    return UInt32(found)
                },
                flags: { message in
                    let message = MessageRef(UnsafeMutablePointer(mutating: message))
                    return CommandTable.traits(message.pointee.command).flags
                },
                slot: { key in UInt32(KeySlot.of(key.bytes)) },
                session: { connection in
                    let connection = ChainConnectionRef(UnsafeMutablePointer(mutating: connection))
                    let layer = connection.worker.pointee.upstreams.takeUnretainedValue()
                    return layer.session(connection)?.assumingMemoryBound(to: weir_resp_session.self)
                }))
        return UnsafeRawPointer(table)
    }
}
