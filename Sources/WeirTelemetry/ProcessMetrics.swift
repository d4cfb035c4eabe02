// What the operating system says of this process, as metric families with the names that every Prometheus client uses.
//
// Read at each call from /proc; what cannot be read is left out.

import Glibc
public import WeirBase

public enum ProcessMetrics {
    /// The families of this process and of its build, sorted by name.
    public static func gather() -> [MetricFamily] {
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricKind, _ help: String, _ value: MetricValue?) {
            guard let value else { return }
            families.append(MetricFamily(name: name, help: help, kind: kind, series: [MetricSeries(value: value)]))
        }
        let memory = memoryByteCounts()
        add("process_cpu_seconds_total", .counter, "User and system CPU time spent in seconds.", cpuSeconds())
        add("process_max_fds", .gauge, "Maximum number of open file descriptors.", maximumDescriptors())
        add("process_open_fds", .gauge, "Number of open file descriptors.", openDescriptors())
        add("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.", memory?.resident)
        add(
            "process_start_time_seconds", .gauge, "Start time of the process since the Unix epoch in seconds.",
            startTime)
        add("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.", memory?.virtual)
        families.append(
            MetricFamily(
                name: "weir_build_info", help: "Which Weir this is; the value is always 1.", kind: .gauge,
                series: [MetricSeries(labels: [("version", WeirVersion.text)], value: .unsigned(1))]))
        add(
            "weir_log_lines_lost_total", .counter, "Log lines that could not be written.", .unsigned(Log.lostLineCount))
        return families
    }

    private static func cpuSeconds() -> MetricValue? {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        return .real(Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    }

    private static func memoryByteCounts() -> (virtual: MetricValue, resident: MetricValue)? {
        let pages = (readSmallFile("/proc/self/statm") ?? "").split(separator: " ").prefix(2).compactMap { UInt64($0) }
        let pageByteCount = UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
        guard pages.count == 2 else { return nil }
        return (.unsigned(pages[0] &* pageByteCount), .unsigned(pages[1] &* pageByteCount))
    }

    private static func openDescriptors() -> MetricValue? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count: UInt64 = 0
        while readdir(folder) != nil { count += 1 }
        // Not `.`, `..` and the descriptor of the folder itself.
        return .unsigned(count < 3 ? 0 : count - 3)
    }

    private static func maximumDescriptors() -> MetricValue? {
        for line in (readSmallFile("/proc/self/limits") ?? "").split(separator: "\n")
        where line.hasPrefix("Max open files") {
            let words = line.split(separator: " ")
            return words.count > 3 ? UInt64(words[3]).map { .unsigned($0) } : nil
        }
        return nil
    }

    /// It does not change.
    private static let startTime: MetricValue? = {
        guard let ticks = startTicks(inStat: readSmallFile("/proc/self/stat") ?? ""),
            let boot = bootTime(inStat: readSmallFile("/proc/stat") ?? "")
        else { return nil }
        return .real(Double(boot) + Double(ticks) / Double(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }()

    /// Field 22 of /proc/PID/stat. The second field is the program's name in parentheses and may hold anything.
    static func startTicks(inStat text: String) -> UInt64? {
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    /// The line `btime` of /proc/stat.
    static func bootTime(inStat text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix("btime ") { return UInt64(line.dropFirst(6)) }
        return nil
    }

    private static func readSmallFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 8192)
        while bytes.count < 1 << 20 {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
