import HTTP1
import Link

/// Labels that clients give themselves: `X-MCPGW-Label-NAME: value`, for the names that the configuration allows (`audit.label_claims`) and no other.
/// Names are compared without regard to case, `-` and `_` being one.
public struct LabelClaims {
    /// Why a request with labels is refused.
    public enum Fault: Error, Equatable, Sendable {
        /// More labels than `limit`.
        case tooMany
        /// A label stands twice.
        case repeated
        /// A value longer than `longestValue`.
        case tooLong
        /// A value that is not UTF-8, or holds control characters.
        case badCharacters
    }

    /// Labels of one request at most.
    public static let limit = 16
    /// Bytes of a value at most.
    public static let longestValue = 256
    /// Bytes of the fields' names before the label's own.
    private static let prefixLength = FieldName.mcpgwLabel.spelling.utf8.count
    /// Identities that are kept because their labels may come again.
    private static let cacheLimit = 256

    private let names: [String]
    private let folded: [[UInt8]]
    /// Where each label's value stands in the present head; reused.
    private var values: [Range<Int>?]
    /// The labels of the present request in one byte string; reused.
    private var spelling: [UInt8] = []
    private var cache: [Key: Identity] = [:]

    /// A caller without the labels, and the spelling of these.
    private struct Key: Hashable {
        let base: ObjectIdentifier
        let spelling: [UInt8]
    }

    /// Labels of these names; of two that are folded alike the first counts.
    public init(names: [String]) {
        var folded: [[UInt8]] = []
        var kept: [String] = []
        for name in names {
            let spelt = Array(name.utf8)
            let form = LabelClaims.fold(spelt.span)
            guard !folded.contains(form) else { continue }
            folded.append(form)
            kept.append(name)
        }
        self.names = kept
        self.folded = folded
        values = Array(repeating: nil, count: kept.count)
    }

    /// The caller with the labels that a head gives, marked as its own claims. A label that the caller has already (its key's) stays as it is.
    ///
    /// The result may be one that was made before; `base` must live as long as this value does.
    /// - Throws: `LabelClaims.Fault`.
    public mutating func identity(
        _ base: Identity, _ head: borrowing RequestHead, _ bytes: Span<UInt8>
    ) throws(Fault) -> Identity {
        guard !names.isEmpty, head.fields.contains(.mcpgwLabel) else { return base }
        for index in values.indices { values[index] = nil }
        var count = 0
        for index in head.fields.indices where head.fields[index].id == .mcpgwLabel {
            guard !head.fields.isHopByHop(at: index, in: bytes) else { continue }
            let field = head.fields[index]
            let name = field.name.lowerBound + LabelClaims.prefixLength..<field.name.upperBound
            guard let position = position(of: bytes.extracting(name)) else { continue }
            guard values[position] == nil else { throw .repeated }
            guard LabelClaims.isValue(bytes.extracting(field.value)) else {
                throw field.value.count > LabelClaims.longestValue ? .tooLong : .badCharacters
            }
            values[position] = field.value
            count += 1
            guard count <= LabelClaims.limit else { throw .tooMany }
        }
        return count == 0 ? base : known(base, bytes)
    }

    private func position(of name: Span<UInt8>) -> Int? {
        for index in folded.indices {
            let form = folded[index]
            if LabelClaims.isFolded(name, as: form.span) { return index }
        }
        return nil
    }

    /// The identity with the labels at `values`, made now or before.
    private mutating func known(_ base: Identity, _ bytes: Span<UInt8>) -> Identity {
        spelling.removeAll(keepingCapacity: true)
        for index in values.indices {
            guard let value = values[index] else { continue }
            // Two bytes each are enough for both; lengths come first, so no two sets of labels have the same bytes.
            for number in [index, value.count] {
                spelling.append(UInt8(truncatingIfNeeded: number >> 8))
                spelling.append(UInt8(truncatingIfNeeded: number))
            }
            for position in value { spelling.append(bytes[position]) }
        }
        let key = Key(base: ObjectIdentifier(base), spelling: spelling)
        if let identity = cache[key] { return identity }
        let identity = merged(base, bytes)
        // Whoever sends other labels with every request gains nothing but their making.
        if cache.count >= LabelClaims.cacheLimit { cache.removeAll(keepingCapacity: true) }
        cache[key] = identity
        return identity
    }

    private func merged(_ base: Identity, _ bytes: Span<UInt8>) -> Identity {
        let own = base.labels.map { label in
            let name = Array(label.name.utf8)
            return LabelClaims.fold(name.span)
        }
        var labels = base.labels
        for index in values.indices where !own.contains(folded[index]) {
            guard let value = values[index] else { continue }
            let text = LabelClaims.copy(bytes.extracting(value))
            labels.append(
                Identity.Label(name: names[index], value: String(decoding: text, as: UTF8.self), isClaimed: true))
        }
        guard labels.count > base.labels.count else { return base }
        return Identity(
            subject: base.subject, method: base.method, roles: base.roles, tenant: base.tenant, labels: labels,
            expiry: base.expiry)
    }

    /// Whether these bytes can be a value: short, well-formed UTF-8, no control character (C0, DEL, C1).
    static func isValue(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count <= longestValue else { return false }
        var isASCII = true
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte >= 0x20, byte != 0x7F else { return false }
            // U+0080 to U+009F.
            if byte == 0xC2, index + 1 < bytes.count, bytes[index + 1] < 0xA0 { return false }
            isASCII = isASCII && byte < 0x80
        }
        return isASCII || String(validating: copy(bytes), as: UTF8.self) != nil
    }

    private static func copy(_ bytes: Span<UInt8>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(bytes.count)
        for index in bytes.indices { copy.append(bytes[index]) }
        return copy
    }

    private static func fold(_ name: Span<UInt8>) -> [UInt8] {
        var folded = copy(name)
        for index in folded.indices { folded[index] = fold(folded[index]) }
        return folded
    }

    private static func isFolded(_ name: Span<UInt8>, as folded: Span<UInt8>) -> Bool {
        guard name.count == folded.count else { return false }
        for index in name.indices where fold(name[index]) != folded[index] { return false }
        return true
    }

    private static func fold(_ byte: UInt8) -> UInt8 {
        if byte == UInt8(ascii: "_") { return UInt8(ascii: "-") }
        return byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
}
