// Random numbers that a seed decides: for jitter, sampling and simulated faults, never for secrets.
// It must not look at clocks or the kernel's randomness; whoever makes one brings the seed.

/// xoshiro256** by Blackman and Vigna, seeded through splitmix64. The same seed gives the same numbers, always.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    @usableFromInline var s0: UInt64
    @usableFromInline var s1: UInt64
    @usableFromInline var s2: UInt64
    @usableFromInline var s3: UInt64

    public init(seed: UInt64) {
        var state = seed
        func expand() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
        // Four outputs of splitmix64 are never all 0, the one state that xoshiro cannot leave.
        s0 = expand()
        s1 = expand()
        s2 = expand()
        s3 = expand()
    }

    @inlinable public mutating func next() -> UInt64 {
        let product = s1 &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << 45) | (s3 >> 19)
        return result
    }

    /// A number in `0..<bound` in one multiplication; 0 when `bound` is 0. Some numbers are more likely than others by
    /// at most `bound` in 2^64: not to be noticed below a few billion.
    @inlinable public mutating func next(below bound: UInt64) -> UInt64 {
        next().multipliedFullWidth(by: bound).high
    }

    /// True `perMille` times of a thousand.
    @inlinable public mutating func chance(perMille: Int) -> Bool {
        perMille > 0 && next(below: 1000) < UInt64(perMille)
    }
}
