// What a process uses, read from /proc: memory, CPU time, open descriptors, threads.

import Foundation
import Glibc

/// What `/proc/PID` says of a process at one moment.
public enum ProcessUsage {
    /// Resident memory in KiB; 0 when the process is gone.
    public static func residentKiB(_ pid: Int32) -> Int { statusField(pid, "VmRSS:") }

    /// Resident memory that is no page of a file: what the process itself has taken, without the libraries it shares.
    public static func ownKiB(_ pid: Int32) -> Int { statusField(pid, "RssAnon:") }

    /// The most resident memory it ever had, in KiB.
    public static func peakKiB(_ pid: Int32) -> Int { statusField(pid, "VmHWM:") }

    /// User and system time of all its threads, in seconds (clock ticks of 10 ms).
    public static func cpuSeconds(_ pid: Int32) -> (user: Double, system: Double) {
        guard let text = read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return (0, 0) }
        let fields = text[end...].split(separator: " ")  // fields[0] is ")", fields[1] the state (3)
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return (0, 0) }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return (user / ticks, system / ticks)
    }

    /// How many descriptors it has open.
    public static func openFiles(_ pid: Int32) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0
    }

    private static func statusField(_ pid: Int32, _ name: String) -> Int {
        guard let line = read("/proc/\(pid)/status")?.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let number = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
        else { return 0 }
        return Int(number) ?? 0
    }

    private static func read(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
