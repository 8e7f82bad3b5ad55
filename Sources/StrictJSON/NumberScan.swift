extension Span<UInt8> {
    /// The offset behind the number that begins at `start` (RFC 8259, 6).
    @inline(__always)
    func endOfNumber(from start: Int, flags: inout UInt32) throws(JSONError) -> Int {
        var index = start
        if self[index] == UInt8(ascii: "-") { index &+= 1 }
        guard index < count else { throw JSONError(.unexpectedEnd, at: count) }
        if self[index] == UInt8(ascii: "0") {
            index &+= 1
        } else {
            index = try endOfDigits(from: index)
        }
        guard index < count else { return index }
        let next = self[index]
        // Everything that may follow an integer lies below `.` or above `9`, but for the end of a fraction.
        guard next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e") || next &- 0x30 <= 9 else { return index }
        return try endOfFraction(from: index, &flags)
    }

    /// The offset behind the word for `kind` that begins at `start`.
    @inline(never)
    func endOfLiteral(_ kind: JSONKind, from start: Int) throws(JSONError) -> Int {
        let literal: StaticString = kind == .true ? "true" : kind == .false ? "false" : "null"
        let wanted = literal.span
        for offset in 0..<wanted.count {
            guard start &+ offset < count else { throw JSONError(.unexpectedEnd, at: count) }
            guard self[start &+ offset] == wanted[offset] else { throw JSONError(.invalidLiteral, at: start) }
        }
        return start &+ wanted.count
    }

    @inline(never)
    private func endOfFraction(from start: Int, _ flags: inout UInt32) throws(JSONError) -> Int {
        var index = start
        flags |= TapeFlag.fractional
        if self[index] == UInt8(ascii: ".") { index = try endOfDigits(from: index &+ 1) }
        if index < count, self[index] | 0x20 == UInt8(ascii: "e") {
            index &+= 1
            if index < count, self[index] == UInt8(ascii: "+") || self[index] == UInt8(ascii: "-") { index &+= 1 }
            index = try endOfDigits(from: index)
        }
        // A digit here follows a leading zero.
        guard index == count || self[index] &- 0x30 > 9 else { throw JSONError(.invalidNumber, at: index) }
        return index
    }

    /// The offset behind one or more digits.
    @inline(__always)
    private func endOfDigits(from start: Int) throws(JSONError) -> Int {
        var index = start
        while index < count, self[index] &- 0x30 <= 9 { index &+= 1 }
        guard index > start else { throw JSONError(index < count ? .invalidNumber : .unexpectedEnd, at: index) }
        return index
    }
}
