import Glibc

/// A URL as those read it who fetch it (WHATWG URL Standard, 4.4 and 3.5): scheme and host in lower case, without a user's
/// name, the host's number as an IPv4 address, back slashes as slashes.
enum URLForm {
    private static let schemes: [(name: [UInt8], port: [UInt8])] = [
        (Array("http".utf8), Array("80".utf8)), (Array("https".utf8), Array("443".utf8)),
        (Array("ws".utf8), Array("80".utf8)), (Array("wss".utf8), Array("443".utf8)),
        (Array("ftp".utf8), Array("21".utf8)),
    ]

    /// Whether a text may begin with one of the schemes: cheap, and false only if it does not.
    static func mayApply(_ text: Span<UInt8>) -> Bool {
        guard text.count > 4 else { return false }
        let first = text[0] | 0x20
        return first == UInt8(ascii: "h") || first == UInt8(ascii: "w") || first == UInt8(ascii: "f")
    }

    /// The URL that a text is; nil if it is none with a host.
    ///
    /// - Parameter isBare: whether the scheme's own port is left out and an empty path is written, too.
    static func canonical(_ text: Span<UInt8>, isBare: Bool) -> [UInt8]? {
        var index = 0
        var scheme: [UInt8] = []
        while index < text.count, scheme.count < 6, text[index] != UInt8(ascii: ":") {
            scheme.append(text[index] | 0x20)
            index += 1
        }
        guard index < text.count, text[index] == UInt8(ascii: ":"),
            let known = schemes.first(where: { $0.name == scheme })
        else { return nil }
        index += 1
        while index < text.count, isSlash(text[index]) { index += 1 }
        var authority: [UInt8] = []
        while index < text.count, !isSlash(text[index]), text[index] != UInt8(ascii: "?"),
            text[index] != UInt8(ascii: "#")
        {
            authority.append(text[index])
            index += 1
        }
        if let end = authority.lastIndex(of: UInt8(ascii: "@")) { authority.removeFirst(end + 1) }
        let (name, port) = split(authority)
        guard !name.isEmpty else { return nil }
        var output = scheme + Array("://".utf8) + host(name)
        if !port.isEmpty, !(isBare && port == known.port) { output += [UInt8(ascii: ":")] + port }
        if isBare, index == text.count || !isSlash(text[index]) { output.append(UInt8(ascii: "/")) }
        output.append(copying: text.extracting(index..<text.count))
        return output
    }

    private static func isSlash(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") }

    private static func split(_ authority: [UInt8]) -> (host: [UInt8], port: [UInt8]) {
        guard let colon = authority.lastIndex(of: UInt8(ascii: ":")),
            authority[(colon + 1)...].allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
        else { return (authority, []) }
        return (Array(authority[..<colon]), Array(authority[(colon + 1)...].drop { $0 == 0x30 }))
    }

    private static func host(_ name: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        _ = appendPercentDecoded(name.span, to: &decoded)
        var host: [UInt8] = []
        var index = 0
        while index < decoded.count {
            // The ideographic full stops separate labels, too (UTS #46).
            if decoded.count - index >= 3, decoded[index] == 0xE3, decoded[index + 1] == 0x80,
                decoded[index + 2] == 0x82
            {
                host.append(UInt8(ascii: "."))
                index += 3
            } else {
                host.append(decoded[index] &- 0x41 < 26 ? decoded[index] | 0x20 : decoded[index])
                index += 1
            }
        }
        if host.last == UInt8(ascii: "."), host.count > 1 { host.removeLast() }
        return address(host) ?? embeddedAddress(host) ?? host
    }

    /// The host as four numbers, if its parts are numbers of whatever base.
    private static func address(_ host: [UInt8]) -> [UInt8]? {
        let parts = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count <= 4 else { return nil }
        var value: UInt64 = 0
        for (place, part) in parts.enumerated() {
            guard let number = number(part) else { return nil }
            if place == parts.count - 1 {
                guard number < 1 << UInt64(8 * (5 - parts.count)) else { return nil }
                value |= number
            } else {
                guard number < 256 else { return nil }
                value |= number << UInt64(8 * (3 - place))
            }
        }
        return Array((0..<4).map { String(value >> UInt64(24 - 8 * $0) & 0xFF) }.joined(separator: ".").utf8)
    }

    private static func number(_ part: ArraySlice<UInt8>) -> UInt64? {
        guard let first = part.first, first >= 0x30, first <= 0x39 else { return nil }
        let isHexadecimal = first == 0x30 && part.dropFirst().first == UInt8(ascii: "x")
        let radix = isHexadecimal ? 16 : first == 0x30 ? 8 : 10
        // However many zeros stand in front.
        let digits = part.dropFirst(isHexadecimal ? 2 : 0).drop { $0 == 0x30 }
        guard digits.count <= 16 else { return nil }
        return digits.isEmpty ? 0 : UInt64(String(decoding: digits, as: UTF8.self), radix: radix)
    }

    /// The four numbers of an IPv4 address in the clothes of an IPv6 one: mapped, compatible, or behind NAT64 (RFC 4291, 2.5.5; RFC 6052, 2.1).
    private static func embeddedAddress(_ host: [UInt8]) -> [UInt8]? {
        guard host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]"), host.count < 64 else { return nil }
        let text =
            Array(host.dropFirst().dropLast().prefix { $0 != UInt8(ascii: "%") }).map { CChar(bitPattern: $0) } + [0]
        var address = in6_addr()
        // The text ends with a zero, and the address has the size that the family says.
        guard unsafe inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        let bytes = unsafe withUnsafeBytes(of: address) { unsafe Array($0) }
        let isMapped =
            bytes[..<10].allSatisfy { $0 == 0 }
            && (bytes[10..<12].allSatisfy { $0 == 0 } || bytes[10..<12].allSatisfy { $0 == 0xFF })
        let isTranslated = bytes[..<12] == [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]
        guard isMapped || isTranslated, bytes[12] != 0 else { return nil }
        return Array(bytes[12...].map { String($0) }.joined(separator: ".").utf8)
    }

    /// A URL with the percent signs of its host decoded; nil if there are none.
    static func decodingHost(_ text: Span<UInt8>) -> [UInt8]? {
        guard mayApply(text) else { return nil }
        var start = 0
        while start < text.count, start < 6, text[start] != UInt8(ascii: ":") { start += 1 }
        while start < text.count, text[start] == UInt8(ascii: ":") || isSlash(text[start]) { start += 1 }
        var end = start
        var hasPercent = false
        while end < text.count, !isSlash(text[end]), text[end] != UInt8(ascii: "?"), text[end] != UInt8(ascii: "#") {
            hasPercent = hasPercent || text[end] == UInt8(ascii: "%")
            end += 1
        }
        guard hasPercent else { return nil }
        var output: [UInt8] = []
        output.append(copying: text.extracting(0..<start))
        _ = appendPercentDecoded(text.extracting(start..<end), to: &output)
        output.append(copying: text.extracting(end..<text.count))
        return output
    }
}
