import NormalForms

/// One step from an argument to a value inside it.
enum PathStep: Sendable {
    /// The member whose folded name this is.
    case name([UInt8])
    /// Every member.
    case anyMember
    /// Every element of an array.
    case everyElement
    /// One element of an array.
    case element(Int)
}

/// Where in the arguments a condition looks.
struct ArgumentPath: Sendable {
    /// The steps.
    let steps: [PathStep]
    /// The whole path as one name, for arguments whose own name has dots or brackets; nil when it is one name anyway.
    let wholeName: [UInt8]?

    /// Why a path cannot be read.
    struct Malformed: Error {
        let message: String
    }

    /// Reads a path: `files[*].path`, `options.mode`, `*`.
    init(_ text: String, _ forms: inout NormalForms) throws(Malformed) {
        var steps: [PathStep] = []
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            let name = part.prefix { $0 != "[" }
            if name == "*" {
                steps.append(.anyMember)
            } else if !name.isEmpty {
                if name.contains("*") || name.contains("?") {
                    throw Malformed(message: "a name in a path is written out, or is * for any")
                }
                let folded = FoldedText.fold(Array(name.utf8), &forms)
                if folded.isEmpty { throw Malformed(message: "a name in the path has no visible character") }
                steps.append(.name(folded))
            } else if part.isEmpty || !steps.isEmpty {
                throw Malformed(message: "a name is missing in the path")
            }
            try ArgumentPath.readIndexes(part.dropFirst(name.count), &steps)
        }
        if steps.count > PolicyLimits.pathSteps { throw Malformed(message: "the path is too deep") }
        self.steps = steps
        if steps.count == 1, case .name = steps[0] {
            wholeName = nil
        } else {
            wholeName = FoldedText.fold(Array(text.utf8), &forms)
        }
    }

    private static func readIndexes(_ text: Substring, _ steps: inout [PathStep]) throws(Malformed) {
        var rest = text
        while !rest.isEmpty {
            guard rest.first == "[", let end = rest.firstIndex(of: "]") else {
                throw Malformed(message: "an index is written [*] or [0]")
            }
            let index = rest[rest.index(after: rest.startIndex)..<end]
            if index == "*" {
                steps.append(.everyElement)
            } else if let number = UInt16(index) {
                steps.append(.element(Int(number)))
            } else {
                throw Malformed(message: "an index is written [*] or [0]")
            }
            rest = rest[rest.index(after: end)...]
        }
    }
}

/// Names as the most forgiving reader takes them: normal form, lower case, without spaces.
enum FoldedText {
    /// The folded form of a name.
    static func fold(_ name: [UInt8], _ forms: inout NormalForms) -> [UInt8] {
        var normal: [UInt8] = []
        forms.appendNormal(name.span, to: &normal)
        var folded: [UInt8] = []
        for scalar in String(decoding: normal, as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0x20: break
            case 0x130, 0x131: folded.append(UInt8(ascii: "i"))
            case 0xDF, 0x1E9E: folded.append(contentsOf: [UInt8(ascii: "s"), UInt8(ascii: "s")])
            case 0x3C2: folded.append(contentsOf: "\u{3C3}".utf8)
            case 0..<0x80: folded.append(lowerCase(UInt8(scalar.value)))
            default: folded.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
            }
        }
        return folded
    }

    /// Whether the bytes of a name, as they stand, fold to a folded name; nil when that takes more than a look at them.
    @inline(__always)
    static func isPlainly(_ name: Span<UInt8>, _ folded: Span<UInt8>) -> Bool? {
        var isEqual = name.count == folded.count
        for index in name.indices {
            let byte = name[index]
            if byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "\\") { return nil }
            if isEqual, lowerCase(byte) != folded[index] { isEqual = false }
        }
        return isEqual
    }

    @inline(__always)
    static func lowerCase(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
}
