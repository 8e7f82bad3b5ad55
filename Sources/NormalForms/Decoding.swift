/// Fewer characters than this are not taken for base64: too many words are.
let base64RunLength = 8

/// Appends a text with its percent signs decoded (RFC 3986, 2.1); one without two hexadecimal digits stays.
///
/// - Returns: whether there was anything to decode.
func appendPercentDecoded(_ text: Span<UInt8>, to output: inout [UInt8]) -> Bool {
    var hasDecoded = false
    var index = 0
    while index < text.count {
        let byte = text[index]
        if byte == UInt8(ascii: "%"), index + 2 < text.count, let high = hexDigit(text[index + 1]),
            let low = hexDigit(text[index + 2])
        {
            output.append(high << 4 | low)
            index += 3
            hasDecoded = true
        } else {
            output.append(byte)
            index += 1
        }
    }
    return hasDecoded
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}

/// Replaces every run of base64 or base64url (RFC 4648, 4 and 5), padded or not, that holds text by that text.
///
/// - Parameter isLoose: whether runs that hold other bytes than text are replaced, too.
/// - Returns: whether there was one; `output` is filled only then.
func decodeBase64(_ text: Span<UInt8>, to output: inout [UInt8], isLoose: Bool = false) -> Bool {
    output.removeAll(keepingCapacity: true)
    var hasDecoded = false
    var index = 0
    var decoded: [UInt8] = []
    while index < text.count {
        let start = index
        while index < text.count, base64Digit(text[index]) != nil { index += 1 }
        let run = start..<index
        while index < text.count, index - run.upperBound < 2, text[index] == UInt8(ascii: "=") { index += 1 }
        if run.count >= base64RunLength, decodeRun(text.extracting(run), to: &decoded),
            isLoose || isText(decoded.span)
        {
            output.append(contentsOf: decoded)
            hasDecoded = true
        } else {
            if index == start { index += 1 }
            output.append(copying: text.extracting(start..<index))
        }
    }
    return hasDecoded
}

/// Decodes all of a text as one run of base64, passing over what is not of the alphabet, as lenient decoders do.
///
/// - Returns: whether there was anything to pass over and something to decode.
func squeezeBase64(_ text: Span<UInt8>, to output: inout [UInt8]) -> Bool {
    var run: [UInt8] = []
    var end = text.count
    while end > 0, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    for index in 0..<end where base64Digit(text[index]) != nil { run.append(text[index]) }
    guard run.count < end, run.count >= base64RunLength else { return false }
    if run.count % 4 == 1 { run.removeLast() }
    return decodeRun(run.span, to: &output)
}

private func decodeRun(_ run: Span<UInt8>, to output: inout [UInt8]) -> Bool {
    output.removeAll(keepingCapacity: true)
    guard run.count % 4 != 1 else { return false }
    var bits: UInt32 = 0
    var count = 0
    for index in run.indices {
        bits = bits << 6 | UInt32(base64Digit(run[index]) ?? 0)
        count += 6
        if count >= 8 {
            count -= 8
            output.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return true
}

private func base64Digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5A: byte - 0x41
    case 0x61...0x7A: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
}

/// Whether bytes are UTF-8 without control characters other than white space and null bytes.
private func isText(_ bytes: Span<UInt8>) -> Bool {
    var index = 0
    while index < bytes.count {
        let start = index
        let scalar = bytes.scalar(at: &index)
        if scalar == 0xFFFD || scalar < 0x80 && index - start > 1 { return false }
        if scalar < 0x20, scalar != 0, !(0x09...0x0D).contains(scalar) { return false }
    }
    return true
}
