/// Writes the fields of a payload, little-endian; `FieldReader` has the matching getter for each.
public struct FieldWriter: Sendable {
    /// What has been written.
    public private(set) var bytes: [UInt8] = []
    /// Whether every field so far is one that its reader takes.
    private var fits = true

    /// An empty payload.
    public init() {}

    /// Forgets the content and keeps the memory, so that one writer serves many frames.
    public mutating func reset() {
        bytes.removeAll(keepingCapacity: true)
        fits = true
    }

    /// Appends what `body` writes, all or nothing. False if a field is one that the reader refuses or all of it is
    /// longer than `maximum` bytes: outsiders' bytes reach these fields, and what is sent regardless condemns the sender.
    mutating func payload(maximum: Int, _ body: (inout FieldWriter) -> Void) -> Bool {
        let start = bytes.count
        fits = true
        body(&self)
        guard fits, bytes.count - start <= maximum else {
            bytes.removeLast(bytes.count - start)
            return false
        }
        return true
    }

    /// Notes a condition that the reader will check.
    mutating func require(_ condition: Bool) { if !condition { fits = false } }

    /// Appends one byte.
    public mutating func u8(_ value: UInt8) { bytes.append(value) }

    /// Appends a flag as one byte, 0 or 1.
    public mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Appends a 16-bit number.
    public mutating func u16(_ value: UInt16) { append(value) }

    /// Appends a 32-bit number.
    public mutating func u32(_ value: UInt32) { append(value) }

    /// Appends a 64-bit number.
    public mutating func u64(_ value: UInt64) { append(value) }

    /// Appends a length and that many bytes.
    public mutating func blob(_ value: [UInt8]) {
        u32(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends a length and the UTF-8 of a text, which the reader takes up to `maximum` bytes.
    public mutating func string(_ value: String, maximum: Int = .max) {
        require(value.utf8.count <= maximum)
        u32(UInt32(truncatingIfNeeded: value.utf8.count))
        if !value.isEmpty { bytes.append(contentsOf: value.utf8) }
    }

    /// Appends a header field's value.
    mutating func headerValue(_ value: String, maximum: Int) {
        require(value.utf8.allSatisfy(FieldLines.isValueByte))
        string(value, maximum: maximum)
    }

    /// Appends a count; the caller then writes that many elements.
    public mutating func count(_ value: Int) { u32(UInt32(value)) }

    private mutating func append<T: FixedWidthInteger>(_ value: T) {
        // Safe: the bytes of an integer, read while it lives.
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }
}

/// Reads the fields of a payload from hostile bytes: one getter per field, and `finish` asserts that no byte is left.
///
/// Every getter throws `LinkViolation.badPayload` when the bytes do not hold what it asks for.
public struct FieldReader: ~Escapable {
    private let span: Span<UInt8>
    private var position: Int
    private let limit: Int

    /// Reads `range` of `span`.
    @_lifetime(copy span)
    public init(_ span: Span<UInt8>, _ range: Range<Int>) {
        self.span = span
        position = max(0, range.lowerBound)
        limit = min(span.count, range.upperBound)
    }

    /// Reads all of `span`.
    @_lifetime(copy span)
    public init(_ span: Span<UInt8>) {
        self.init(span, 0..<span.count)
    }

    /// Bytes not read yet.
    public var remaining: Int { limit - position }

    /// The bytes not read yet.
    var rest: Span<UInt8> {
        @_lifetime(copy self) get { span.extracting(position..<limit) }
    }

    /// Passes over bytes that are there.
    @_lifetime(self: copy self)
    mutating func skip(_ count: Int) { position += min(count, remaining) }

    /// Skips `count` bytes if all of them are there and zero.
    @_lifetime(self: copy self)
    mutating func takeZeros(_ count: Int) -> Bool {
        guard remaining >= count else { return false }
        for index in position..<(position + count) where span[index] != 0 { return false }
        position += count
        return true
    }

    /// One byte.
    @_lifetime(self: copy self)
    public mutating func u8() throws(LinkViolation) -> UInt8 {
        guard remaining >= 1 else { throw .badPayload }
        defer { position += 1 }
        return span[position]
    }

    /// A flag: exactly 0 or 1.
    @_lifetime(self: copy self)
    public mutating func bool() throws(LinkViolation) -> Bool {
        switch try u8() {
        case 0: return false
        case 1: return true
        default: throw .badPayload
        }
    }

    /// A 16-bit number.
    @_lifetime(self: copy self)
    public mutating func u16() throws(LinkViolation) -> UInt16 { try integer() }

    /// A 32-bit number.
    @_lifetime(self: copy self)
    public mutating func u32() throws(LinkViolation) -> UInt32 { try integer() }

    /// A 64-bit number.
    @_lifetime(self: copy self)
    public mutating func u64() throws(LinkViolation) -> UInt64 { try integer() }

    /// A length-prefixed byte string of at most `maximum` bytes.
    @_lifetime(self: copy self)
    public mutating func blob(maximum: Int = .max) throws(LinkViolation) -> [UInt8] {
        let range = try lengthPrefixed(maximum)
        // Safe: the array copies the bytes while the span lives.
        return unsafe span.extracting(range).withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// A length-prefixed text of at most `maximum` bytes; invalid UTF-8 is a violation.
    @_lifetime(self: copy self)
    public mutating func string(maximum: Int = .max) throws(LinkViolation) -> String {
        let range = try lengthPrefixed(maximum)
        guard !range.isEmpty else { return "" }
        guard let text = try? UTF8Span(validating: span.extracting(range)) else { throw .badPayload }
        return String(copying: text)
    }

    /// A header field's value; one that could end the line of a head is a violation.
    @_lifetime(self: copy self)
    mutating func headerValue(maximum: Int) throws(LinkViolation) -> String {
        let value = try string(maximum: maximum)
        guard value.utf8.allSatisfy(FieldLines.isValueByte) else { throw .badPayload }
        return value
    }

    /// A count of elements, each of at least `elementBytes` bytes, so that a lying count cannot reserve memory.
    @_lifetime(self: copy self)
    public mutating func count(elementBytes: Int) throws(LinkViolation) -> Int {
        let value = Int(try u32())
        guard value <= remaining / max(1, elementBytes) else { throw .badPayload }
        return value
    }

    /// Ends the reading.
    /// - Throws: `LinkViolation.badPayload` if a byte is left over.
    public func finish() throws(LinkViolation) {
        guard remaining == 0 else { throw .badPayload }
    }

    @_lifetime(self: copy self)
    private mutating func lengthPrefixed(_ maximum: Int) throws(LinkViolation) -> Range<Int> {
        let length = Int(try u32())
        guard length <= maximum, length <= remaining else { throw .badPayload }
        defer { position += length }
        return position..<(position + length)
    }

    @_lifetime(self: copy self)
    private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>() throws(LinkViolation) -> T {
        let size = T.bitWidth / 8
        guard remaining >= size else { throw .badPayload }
        defer { position += size }
        // Safe: `size` bytes from `position` lie inside the span, and any bit pattern is an integer.
        return T(littleEndian: unsafe span.bytes.unsafeLoadUnaligned(fromByteOffset: position, as: T.self))
    }
}
