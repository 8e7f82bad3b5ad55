import StrictJSON

/// Writes one JSON text, members in the order given.
struct JSONWriter {
    private var bytes: [UInt8] = []
    private var needsComma = false

    /// The text so far.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func object(_ content: (inout JSONWriter) -> Void) {
        begin(0x7b)
        content(&self)
        end(0x7d)
    }

    mutating func array<Elements: Sequence>(
        _ name: String, _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        member(name) { json in
            json.begin(0x5b)
            for element in elements { write(&json, element) }
            json.end(0x5d)
        }
    }

    mutating func member(_ name: String, _ value: (inout JSONWriter) -> Void) {
        separate()
        JSONText.appendString(name, to: &bytes)
        bytes.append(0x3a)
        needsComma = false
        value(&self)
    }

    mutating func member(_ name: String, _ value: String) { member(name) { $0.string(value) } }
    mutating func member(_ name: String, _ value: UInt64) { member(name) { $0.raw(String(value)) } }
    mutating func member(_ name: String, _ value: Bool) { member(name) { $0.raw(value ? "true" : "false") } }

    mutating func string(_ value: String) {
        separate()
        JSONText.appendString(value, to: &bytes)
        needsComma = true
    }

    private mutating func raw(_ value: String) {
        separate()
        bytes += Array(value.utf8)
        needsComma = true
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2c) }
        needsComma = false
    }
}
