import CUTF8Proc
import Synchronization

/// The host's libutf8proc, opened. Whoever holds one may compute normal forms.
public final class UnicodeLibrary: Sendable {
    /// The library is absent or too old; the text says what is missing.
    public struct Unavailable: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is missing.
        public let description: String
    }

    private static let loaded = Mutex<UnicodeLibrary?>(nil)

    /// Opens the library, or returns the one that is open. Called in a worker's warm-up, before it confines itself.
    ///
    /// - Throws: `Unavailable`.
    public static func load() throws(Unavailable) -> UnicodeLibrary {
        try loaded.withLock { held throws(Unavailable) in
            if let held { return held }
            // A text that lives as long as the program.
            if let problem = unsafe cu_load() { throw Unavailable(description: unsafe String(cString: problem)) }
            let library = UnicodeLibrary()
            held = library
            return library
        }
    }

    private init() {}

    /// Appends the compatibility decomposition of a character (UAX #15, NFKD before ordering).
    @inline(__always)
    func decompose(_ scalar: UInt32, into scalars: inout [Int32]) {
        // The longest decomposition of a character has 18 characters.
        var found = InlineArray<24, Int32>(repeating: 0)
        var span = found.mutableSpan
        // The library writes at most as many as it is told there is room for.
        let count = unsafe span.withUnsafeMutableBufferPointer { buffer in
            unsafe cu_decompose(Int32(bitPattern: scalar), buffer.baseAddress, buffer.count)
        }
        guard count > 0, count <= 24 else {
            scalars.append(Int32(bitPattern: scalar))
            return
        }
        for index in 0..<count { scalars.append(found[index]) }
    }

    /// Orders and composes decomposed characters (UAX #15, NFC) in place.
    func compose(_ scalars: inout [Int32]) {
        let count = unsafe scalars.withUnsafeMutableBufferPointer { buffer in
            unsafe cu_compose(buffer.baseAddress, buffer.count)
        }
        if count >= 0, count < scalars.count { scalars.removeLast(scalars.count - count) }
    }
}
