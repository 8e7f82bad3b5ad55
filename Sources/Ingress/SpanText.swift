extension Span<UInt8> {
    /// Whether both hold the same bytes.
    func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// Whether these are the bytes of a text in the program.
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in indices {
            // Safe: a static string's bytes live for ever, and `index` is below their count.
            guard unsafe self[index] == text.utf8Start[index] else { return false }
        }
        return true
    }

    /// The bytes as text. What is not UTF-8 becomes U+FFFD and so never equals anything expected.
    var text: String {
        // Safe: the string copies the bytes while the span lives.
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A copy of the bytes.
    var copy: [UInt8] {
        // Safe: the array copies the bytes while the span lives.
        unsafe withUnsafeBufferPointer { unsafe Array($0) }
    }
}
