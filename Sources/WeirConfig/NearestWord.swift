// "Did you mean …?": the nearest of a few known words.
//
// Two measures, the smaller counts: edit distance (insert, delete, replace, swap neighbours) without regard to
// case, and the same over the sorted parts of the words, so that RedisClusterSnk finds RedisSinkCluster.

/// Finds the word that was meant.
public enum NearestWord {
    /// Words longer than this are not compared: the cost is quadratic.
    static let maximumLength = 64

    /// The candidate that is near enough to be worth saying, or nil.
    public static func find(_ word: String, in candidates: [String]) -> String? {
        let typed = word.lowercased()
        guard !typed.isEmpty, typed.utf8.count <= maximumLength else { return nil }
        var best: (candidate: String, distance: Int, tie: Int)?
        for candidate in candidates where !candidate.isEmpty && candidate.utf8.count <= maximumLength {
            let known = candidate.lowercased()
            var distance = editDistance(typed, known)
            let allowed = max(1, min(typed.utf8.count, known.utf8.count) / 3)
            if distance > 1 {
                distance = min(distance, editDistance(sortedParts(word), sortedParts(candidate)) + 1)
            }
            guard distance <= allowed else { continue }
            let tie = (known.first == typed.first ? 0 : 2) + (known.count == typed.count ? 0 : 1)
            if let found = best, (found.distance, found.tie) <= (distance, tie) { continue }
            best = (candidate, distance, tie)
        }
        return best?.candidate
    }

    /// `did you mean 'x'?`, or nil.
    public static func hint(_ word: String, in candidates: [String]) -> String? {
        find(word, in: candidates).map { "did you mean '\($0)'?" }
    }

    /// Optimal string alignment distance over bytes.
    static func editDistance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in 0..<b.count {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }

    /// The parts of CamelCase, snake_case and kebab-case words, lower-cased, sorted, joined.
    static func sortedParts(_ word: String) -> String {
        var parts: [String] = []
        var part = ""
        for character in word {
            if character == "_" || character == "-" || character == "." || character == " " {
                parts.append(part)
                part = ""
                continue
            }
            if character.isUppercase {
                parts.append(part)
                part = ""
            }
            part += character.lowercased()
        }
        parts.append(part)
        return parts.filter { !$0.isEmpty }.sorted().joined()
    }
}
