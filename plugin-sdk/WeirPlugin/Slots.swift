// `configure` of the ABI is not told which transform it is for, and a C function cannot carry a Swift type. So
// there are as many functions as a plugin may have transforms, and each knows its number.

import CWeir

typealias ConfigureFunction =
    @convention(c) (UnsafePointer<weir_config>, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> weir_status

enum Slots {
    /// What `makePlugin` was given. Written in the entry function, before any configure; never after. Safe: both
    /// are [main].
    nonisolated(unsafe) static var transforms: [any Transform.Type] = []
    /// The tables that the host has: they live for ever, and leak checkers see who holds them.
    nonisolated(unsafe) static var plugin: UnsafePointer<weir_plugin>?

    static let configure: [ConfigureFunction] = [
        { configureSlot(0, $0, $1) }, { configureSlot(1, $0, $1) }, { configureSlot(2, $0, $1) },
        { configureSlot(3, $0, $1) }, { configureSlot(4, $0, $1) }, { configureSlot(5, $0, $1) },
        { configureSlot(6, $0, $1) }, { configureSlot(7, $0, $1) }, { configureSlot(8, $0, $1) },
        { configureSlot(9, $0, $1) }, { configureSlot(10, $0, $1) }, { configureSlot(11, $0, $1) },
        { configureSlot(12, $0, $1) }, { configureSlot(13, $0, $1) }, { configureSlot(14, $0, $1) },
        { configureSlot(15, $0, $1) }, { configureSlot(16, $0, $1) }, { configureSlot(17, $0, $1) },
        { configureSlot(18, $0, $1) }, { configureSlot(19, $0, $1) }, { configureSlot(20, $0, $1) },
        { configureSlot(21, $0, $1) }, { configureSlot(22, $0, $1) }, { configureSlot(23, $0, $1) },
        { configureSlot(24, $0, $1) }, { configureSlot(25, $0, $1) }, { configureSlot(26, $0, $1) },
        { configureSlot(27, $0, $1) }, { configureSlot(28, $0, $1) }, { configureSlot(29, $0, $1) },
        { configureSlot(30, $0, $1) }, { configureSlot(31, $0, $1) },
    ]
}

private func configureSlot(
    _ slot: Int, _ raw: UnsafePointer<weir_config>, _ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>
) -> weir_status {
    guard slot < Slots.transforms.count else { return Status.internal.rawValue }
    let configuration = Configuration(raw)
    do {
        out.pointee = Unmanaged.passRetained(try site(of: Slots.transforms[slot], configuration)).toOpaque()
        return Status.ok.rawValue
    } catch let problem as Problem {
        configuration.report(.error, at: problem.path, problem.text)
        return problem.status == .ok ? Status.invalid.rawValue : problem.status.rawValue
    } catch {
        configuration.report(.error, at: "", "\(error)")
        return Status.invalid.rawValue
    }
}

private func site<T: Transform>(of type: T.Type, _ configuration: Configuration) throws -> Site {
    SiteOf<T>(try T.settings(from: configuration))
}
