import CKernel
import Glibc
import NIOCore

/// Memory to read into, shared by all sockets of a loop: while nobody keeps what was read, a thousand sockets read into the same few buffers,
/// and a socket that has nothing to say costs none.
struct ReadMemory {
    /// Buffers of each size that are kept, for messages that are still held when the next is read.
    private static let kept = 8
    /// The smallest and the largest size, as powers of two.
    private static let exponents = 11...18

    private var buffers = [ByteBuffer](repeating: ByteBuffer(), count: exponents.count * kept)

    /// The class whose buffers have this many bytes, at least.
    static func sizeClass(_ bytes: Int) -> Int {
        (exponents.firstIndex { bytes <= 1 << $0 }).map { exponents.distance(from: exponents.startIndex, to: $0) }
            ?? exponents.count - 1
    }

    static func size(_ sizeClass: Int) -> Int { 1 << (exponents.lowerBound + sizeClass) }

    /// Receives once, as ck_receive does; what came is in the buffer.
    mutating func receive(_ descriptor: Int32, _ sizeClass: Int) -> (count: Int, bytes: ByteBuffer) {
        let first = sizeClass * ReadMemory.kept
        for index in first..<first + ReadMemory.kept {
            if let count = buffers[index].modifyIfUniquelyOwned({ $0.receive(descriptor) }) {
                return (count, buffers[index])
            }
        }
        // All of them are in use. Whoever keeps the first has it for himself from now on.
        buffers[first] = ByteBufferAllocator().buffer(capacity: ReadMemory.size(sizeClass))
        let count = buffers[first].receive(descriptor)
        return (count, buffers[first])
    }
}

extension ByteBuffer {
    /// Replaces the content by what can be received at once.
    fileprivate mutating func receive(_ descriptor: Int32) -> Int {
        clear()
        var result = 0
        unsafe writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { memory in
            result = unsafe ck_receive(descriptor, memory.baseAddress, memory.count)
            return max(0, result)
        }
        return result
    }
}
