/// Keys of the gateway's own make (`mcpgw_` and 16 or more of `A-Z a-z 0-9 _ -`): wherever a client puts one, it stands in no record. A key that was spelt
/// otherwise, with JSON's escapes for example, is not known for one.
enum OwnKeys {
    private static let prefix: StaticString = "mcpgw_"
    private static let least = 16

    /// Whether a value holds the beginning of one.
    static func mayHold(_ value: Span<UInt8>) -> Bool {
        let last = value.count - prefix.span.count - least
        var index = 0
        while index <= last {
            // As far as the byte under the prefix's end permits.
            switch value[index + 5] {
            case 0x5f where begins(value, index): return true
            case 0x6d: index += 5
            case 0x63: index += 4
            case 0x70: index += 3
            case 0x67: index += 2
            case 0x77: index += 1
            default: index += 6
            }
        }
        return false
    }

    /// Takes every one out.
    static func hide(in bytes: inout [UInt8]) {
        var index = 0
        while index + prefix.span.count + least <= bytes.count {
            guard begins(bytes.span, index) else {
                index += 1
                continue
            }
            var end = index + prefix.span.count
            while end < bytes.count, isOfKey(bytes[end]) { end += 1 }
            if end - index >= prefix.span.count + least {
                bytes.replaceSubrange(index..<end, with: Array("[hidden]".utf8))
                index += 8
            } else {
                index = end
            }
        }
    }

    private static func begins(_ value: Span<UInt8>, _ index: Int) -> Bool {
        for offset in prefix.span.indices where value[index + offset] != prefix.span[offset] { return false }
        return true
    }

    private static func isOfKey(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
        default: false
        }
    }
}
