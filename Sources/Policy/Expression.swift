import CRE2

/// Why an expression was refused.
struct ExpressionError: Error {
    /// RE2's words.
    let message: String
}

private func message(_ error: cr_error) -> String {
    // An array of the struct itself, ended by a null byte.
    unsafe withUnsafeBytes(of: error.text) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// One compiled RE2 expression. RE2's compiled expressions may be used from any thread.
@safe final class Expression: @unchecked Sendable {
    private let regex: OpaquePointer

    /// Compiles an expression over UTF-8.
    init(_ pattern: String, memory: Int64) throws(ExpressionError) {
        let bytes = Array(pattern.utf8)
        var error = cr_error()
        let compiled = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe cr_regex_new(buffer.baseAddress, buffer.count, memory, &error)
        }
        guard let compiled = unsafe compiled else { throw ExpressionError(message: message(error)) }
        unsafe regex = compiled
    }

    deinit { unsafe cr_regex_free(regex) }

    /// Whether it occurs anywhere in the text.
    func occurs(in text: Span<UInt8>) -> Bool {
        unsafe text.withUnsafeBufferPointer { buffer in
            unsafe cr_regex_search(regex, buffer.baseAddress, buffer.count)
        }
    }
}

/// Many expressions that are searched in one pass.
@safe final class ExpressionSet: @unchecked Sendable {
    private let set: OpaquePointer

    /// What a search found.
    enum Finding {
        case none
        /// The first expression that occurs among those asked for.
        case found(Int)
        /// The search needed more memory than the set has.
        case failed
    }

    init(_ patterns: [String], memory: Int64) throws(ExpressionError) {
        guard let set = unsafe cr_set_new(memory) else { throw ExpressionError(message: "out of memory") }
        unsafe self.set = set
        for pattern in patterns {
            let bytes = Array(pattern.utf8)
            var error = cr_error()
            let index = unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe cr_set_add(set, buffer.baseAddress, buffer.count, &error)
            }
            if index < 0 { throw ExpressionError(message: message(error)) }
        }
        guard unsafe cr_set_compile(set) else { throw ExpressionError(message: "they need too much memory together") }
    }

    deinit { unsafe cr_set_free(set) }

    /// Puts the indexes of the expressions that occur in a text into `found`.
    ///
    /// - Returns: how many there are, of which `found` has as many as it has room for; nil when the set's memory did not
    ///   suffice.
    func search(_ text: Span<UInt8>, into found: inout [Int32]) -> Int? {
        let count = unsafe text.withUnsafeBufferPointer { text in
            unsafe found.withUnsafeMutableBufferPointer { found in
                unsafe cr_set_search(set, text.baseAddress, text.count, found.baseAddress, found.count)
            }
        }
        return count < 0 ? nil : Int(count)
    }
}
