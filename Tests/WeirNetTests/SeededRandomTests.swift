// The generator against numbers computed by hand from the published algorithm, and its derived draws.

import Testing
import WeirBase

struct SeededRandomTests {
    /// The algorithm again, written differently: arrays and rotations by formatted steps.
    private static func reference(seed: UInt64, count: Int) -> [UInt64] {
        func rotate(_ x: UInt64, _ by: UInt64) -> UInt64 { (x << by) | (x >> (64 - by)) }
        var mix = seed
        var s = (0..<4).map { _ -> UInt64 in
            mix = mix &+ 0x9e37_79b9_7f4a_7c15
            let a = (mix ^ (mix >> 30)) &* 0xbf58_476d_1ce4_e5b9
            let b = (a ^ (a >> 27)) &* 0x94d0_49bb_1331_11eb
            return b ^ (b >> 31)
        }
        return (0..<count).map { _ in
            let result = rotate(s[1] &* 5, 7) &* 9
            let t = s[1] << 17
            s[2] ^= s[0]
            s[3] ^= s[1]
            s[1] ^= s[2]
            s[0] ^= s[3]
            s[2] ^= t
            s[3] = rotate(s[3], 45)
            return result
        }
    }

    @Test func `seed 0 gives the published sequence`() {
        var random = SeededRandom(seed: 0)
        // xoshiro256** after splitmix64(0), as Blackman and Vigna's C code prints it.
        let numbers = [random.next(), random.next()]
        #expect(numbers == [0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a])
    }

    @Test(arguments: [0, 1, 42, UInt64.max])
    func `the same seed gives the same numbers as the algorithm`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let numbers = (0..<100).map { _ in random.next() }
        #expect(numbers == Self.reference(seed: seed, count: 100))
    }

    @Test func `draws below a bound reach every number and stay below`() {
        var random = SeededRandom(seed: 7)
        let narrow = [random.next(below: 0), random.next(below: 1)]
        #expect(narrow == [0, 0])
        var seen = [Int](repeating: 0, count: 10)
        for _ in 0..<10_000 { seen[Int(random.next(below: 10))] += 1 }
        #expect(seen.allSatisfy { (800...1200).contains($0) })
    }

    @Test func `chances of 0 and 1000 per mille are never and always`() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<1000 {
            let outcomes = [0, -1, 1000].map { random.chance(perMille: $0) }
            #expect(outcomes == [false, false, true])
        }
        let hits = (0..<10_000).count { _ in random.chance(perMille: 250) }
        #expect((2200...2800).contains(hits))
    }
}
