/// Reads a number of bytes as written in options: a whole number, alone or with `KiB`, `MiB`, `GiB`.
public enum SizeText {
    private static let units: [(name: String, bytes: UInt64)] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]

    /// The bytes; nil if the text is no size.
    public static func bytes(_ text: String) -> UInt64? {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        guard let number = UInt64(digits) else { return nil }
        var name = text[digits.endIndex...]
        if name.isEmpty { return number }
        if name.first == " " { name = name.dropFirst() }
        guard let unit = units.first(where: { $0.name == name }) else { return nil }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : value
    }

    /// The size as a person would write it, in the largest unit that leaves no rest.
    public static func text(_ bytes: UInt64) -> String {
        for unit in units where bytes >= unit.bytes && bytes % unit.bytes == 0 {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return "\(bytes)"
    }
}
