/// What an encoded event is written into: an array, a network buffer.
public protocol EventSink: ~Copyable {
    /// Appends a copy of the bytes.
    mutating func append(_ bytes: Span<UInt8>)
}

extension [UInt8]: EventSink {
    /// Appends a copy of the bytes.
    public mutating func append(_ bytes: Span<UInt8>) {
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}

extension StaticString {
    /// The bytes of the literal.
    var span: Span<UInt8> {
        @_lifetime(immortal) get {
            // A literal lives as long as the program, and its count comes with it.
            unsafe _overrideLifetime(Span(_unsafeStart: utf8Start, count: utf8CodeUnitCount), copying: ())
        }
    }
}
