// What a program that measures needs of Foundation, so that it need not import it beside the kernel's headers:
// the two define some C structures differently, and the compiler refuses to have both in one module.

import Foundation

/// Writes a value as readable JSON.
public func writeJSON(_ value: some Encodable, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(value).write(to: URL(fileURLWithPath: path))
}

/// A number with so many digits after the point.
public func formatted(_ value: Double, digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Now, as ISO 8601.
public func timestamp() -> String { ISO8601DateFormatter().string(from: Date()) }

/// Writes a line to standard error.
public func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// How many cores there are, and of which kind.
public func machineDescription() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last ?? " ?"
    return "\(ProcessInfo.processInfo.activeProcessorCount) cores,\(model)"
}
