// Gathered writes: a list of messages as vectors, neighbours in memory as one.

public import Glibc

public enum Gather {
    /// Fills vectors from `first` on, leaving out its first `skip` bytes.
    /// - Returns: how many vectors, and how many bytes they hold.
    public static func fill(
        _ vectors: UnsafeMutablePointer<iovec>, from first: MessageRef?, skip: Int
    ) -> (count: Int, byteCount: Int) {
        var count = 0
        var total = 0
        var skip = skip
        var message = first
        while let current = message {
            guard let wire = current.pointee.wire else { break }
            let start = UnsafeMutableRawPointer(wire + skip)
            let length = current.byteCount &- skip
            skip = 0
            if count > 0, vectors[count &- 1].iov_base + vectors[count &- 1].iov_len == start {
                vectors[count &- 1].iov_len &+= length
            } else {
                if count == WorkerCore.vectorCapacity { break }
                vectors[count] = iovec(iov_base: start, iov_len: length)
                count &+= 1
            }
            total &+= length
            message = current.pointee.next
        }
        return (count, total)
    }
}
