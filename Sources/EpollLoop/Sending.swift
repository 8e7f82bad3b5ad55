import CKernel
import NIOCore

extension ByteBuffer {
    /// Sends the readable bytes once, as ck_send does.
    func send(_ descriptor: Int32) -> Int {
        unsafe withUnsafeReadableBytes { unsafe ck_send(descriptor, $0.baseAddress, $0.count) }
    }
}

extension ArraySlice<ByteBuffer> {
    /// Sends the first of the buffers in one call, as ck_send_pieces does: how many bytes they have, and how many were taken.
    func send(_ descriptor: Int32) -> (offered: Int, sent: Int) {
        let number = Swift.min(count, Int(CK_PIECES_MAXIMUM))
        return unsafe withUnsafeTemporaryAllocation(of: ck_piece.self, capacity: number) { pieces in
            var offered = 0
            for index in 0..<number {
                let buffer = self[startIndex + index]
                offered += buffer.readableBytes
                // The address outlives the closure, but not the buffer: this slice keeps it, unchanged, until the call is over.
                unsafe buffer.withUnsafeReadableBytes { bytes in
                    unsafe pieces.initializeElement(
                        at: index, to: ck_piece(bytes: bytes.baseAddress, size: bytes.count))
                }
            }
            let sent = withExtendedLifetime(self) {
                unsafe ck_send_pieces(descriptor, pieces.baseAddress, Int32(number))
            }
            return (offered, sent)
        }
    }
}
