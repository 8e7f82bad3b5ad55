/// Finds the rules whose tools could match a name without looking at the others: by the whole name, or by what a glob
/// begins with.
struct NameIndex: Sendable {
    private struct Entry {
        var start: UInt32
        var count: UInt32
        var isPrefix: Bool
        var firstRule: UInt32
        var ruleCount: UInt32
    }

    /// Longer beginnings of globs are cut to this.
    private static let longestPrefix = 63

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// Entry plus one, by hash; zero is a free slot.
    private var slots: [UInt32] = [0, 0]
    private(set) var rules: [UInt32] = []
    /// One bit for every length a prefix in the table has.
    private var prefixLengths: UInt64 = 0

    private static let basis: UInt64 = 0xCBF2_9CE4_8422_2325

    /// FNV-1a, because its value after every byte is the hash of what came so far.
    @inline(__always)
    private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    @inline(__always)
    private static func slot(_ hash: UInt64, _ isPrefix: Bool, _ mask: Int) -> Int {
        Int(truncatingIfNeeded: (hash ^ hash &>> 29) &+ (isPrefix ? 0x9E37 : 0)) & mask
    }

    /// What a glob is found by: the whole of it, or what stands before its first `*` or `?`; nil when that is nothing.
    static func key(of glob: [UInt8]) -> (bytes: [UInt8], isPrefix: Bool)? {
        let end = glob.firstIndex { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
        guard let end else { return (glob, false) }
        return end == 0 ? nil : (Array(glob[..<min(end, longestPrefix)]), true)
    }

    /// An index of rules, each under all of its keys.
    init(_ keyed: [(rule: Int, keys: [(bytes: [UInt8], isPrefix: Bool)])]) {
        var names: [[UInt8]: [UInt32]] = [:]
        var prefixes: [[UInt8]: [UInt32]] = [:]
        for (rule, keys) in keyed {
            for key in keys {
                if key.isPrefix {
                    NameIndex.append(rule, to: &prefixes[key.bytes, default: []])
                } else {
                    NameIndex.append(rule, to: &names[key.bytes, default: []])
                }
            }
        }
        var size = 2
        while size < (names.count + prefixes.count) * 2 { size *= 2 }
        slots = [UInt32](repeating: 0, count: size)
        for (name, rules) in names { insert(name, false, rules) }
        for (prefix, rules) in prefixes { insert(prefix, true, rules) }
    }

    private static func append(_ rule: Int, to rules: inout [UInt32]) {
        if rules.last != UInt32(rule) { rules.append(UInt32(rule)) }
    }

    private mutating func insert(_ key: [UInt8], _ isPrefix: Bool, _ keyRules: [UInt32]) {
        entries.append(
            Entry(
                start: UInt32(bytes.count), count: UInt32(key.count), isPrefix: isPrefix,
                firstRule: UInt32(rules.count),
                ruleCount: UInt32(keyRules.count)))
        bytes.append(contentsOf: key)
        rules.append(contentsOf: keyRules)
        if isPrefix { prefixLengths |= 1 << UInt64(key.count) }
        let hash = key.reduce(NameIndex.basis) { NameIndex.mix($0, $1) }
        var slot = NameIndex.slot(hash, isPrefix, slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(entries.count)
    }

    /// Appends the ranges of ``rules`` whose keys a name has.
    func find(_ name: Span<UInt8>, into cursors: inout [RuleCursor]) {
        guard !entries.isEmpty else { return }
        var hash = NameIndex.basis
        for index in name.indices {
            hash = NameIndex.mix(hash, name[index])
            if index < NameIndex.longestPrefix, prefixLengths &>> UInt64(index + 1) & 1 != 0 {
                probe(hash, true, name, index + 1, &cursors)
            }
        }
        probe(hash, false, name, name.count, &cursors)
    }

    private func probe(
        _ hash: UInt64, _ isPrefix: Bool, _ name: Span<UInt8>, _ count: Int, _ cursors: inout [RuleCursor]
    ) {
        var slot = NameIndex.slot(hash, isPrefix, slots.count - 1)
        while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            if entry.isPrefix == isPrefix, Int(entry.count) == count, equals(entry, name) {
                cursors.append(
                    RuleCursor(next: entry.firstRule, end: entry.firstRule + entry.ruleCount, isGeneral: false))
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    private func equals(_ entry: Entry, _ name: Span<UInt8>) -> Bool {
        for index in 0..<Int(entry.count) where bytes[Int(entry.start) + index] != name[index] { return false }
        return true
    }
}

/// A place in an ascending list of rules.
struct RuleCursor: Sendable {
    var next: UInt32
    let end: UInt32
    /// Whether the list is one of those by method, not of the index.
    let isGeneral: Bool
}
