import NormalForms
import StrictJSON

/// The forms of a message's argument values, each computed once however many rules ask. Its memory is reused.
struct ValueForms: Sendable {
    /// One value with its forms.
    struct Entry: Sendable {
        fileprivate var key: UInt64
        fileprivate var text: Range<Int>
        fileprivate var forms: Range<Int>
    }

    private var bytes: [UInt8] = []
    private var list = FormList()
    private var entries: [Entry] = []
    /// Entry plus one, by key; zero is a free slot.
    private var slots: [UInt32] = []

    mutating func removeAll() {
        guard !entries.isEmpty else { return }
        bytes.removeAll(keepingCapacity: bytes.count <= 64 * 1024)
        list.removeAll()
        entries.removeAll(keepingCapacity: entries.count <= 1024)
        if slots.count > 4096 { slots = [] }
        for index in slots.indices { slots[index] = 0 }
    }

    /// The text of an entry and then its forms, by number from zero on.
    @_lifetime(borrow self)
    borrowing func form(_ index: Int, of entry: Int) -> Span<UInt8> {
        if index == 0 { return bytes.span.extracting(entries[entry].text) }
        return list[entries[entry].forms.lowerBound + index - 1]
    }

    /// Whether only some readers make this form of the text.
    func isGuess(_ index: Int, of entry: Int) -> Bool {
        index > 0 && list.kind(entries[entry].forms.lowerBound + index - 1) == .guess
    }

    /// How many forms an entry has, the text included.
    func count(of entry: Int) -> Int { entries[entry].forms.count + 1 }

    /// The entry of a string, or of an array joined by spaces.
    mutating func entry(
        _ node: JSONNode, _ tape: borrowing JSONTape, _ text: Span<UInt8>, _ decodings: Decodings,
        _ forms: inout NormalForms
    ) -> Int {
        let key = UInt64(tape.range(node).lowerBound) << 3 | UInt64(decodings.rawValue)
        if entries.count * 2 >= slots.count { grow() }
        var slot = place(key)
        while slots[slot] != 0 {
            let entry = Int(slots[slot]) - 1
            if entries[entry].key == key { return entry }
            slot = (slot + 1) & (slots.count - 1)
        }
        let start = bytes.count
        appendText(node, tape, text)
        let firstForm = list.count
        // Taken out so that it can be read while the list changes.
        let all = bytes
        bytes = []
        forms.append(all.span.extracting(start..<all.count), decodings, to: &list)
        bytes = all
        entries.append(Entry(key: key, text: start..<bytes.count, forms: firstForm..<list.count))
        slots[slot] = UInt32(entries.count)
        return entries.count - 1
    }

    private mutating func appendText(_ node: JSONNode, _ tape: borrowing JSONTape, _ text: Span<UInt8>) {
        switch tape.kind(node) {
        case .string:
            tape.appendString(node, in: text, to: &bytes)
        case .array:
            var isFirst = true
            for element in tape.elements(of: node) {
                if !isFirst { bytes.append(0x20) }
                isFirst = false
                appendText(element, tape, text)
            }
        default:
            for index in tape.range(node) { bytes.append(text[index]) }
        }
    }

    @inline(__always)
    private func place(_ key: UInt64) -> Int {
        Int(truncatingIfNeeded: key &* 0x9E37_79B9_7F4A_7C15 &>> 32) & (slots.count - 1)
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: max(64, slots.count * 2))
        for index in entries.indices {
            var slot = place(entries[index].key)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index + 1)
        }
    }
}
