/// Reads a span of time as written in options: a whole number and a unit, `ms`, `s`, `m`, `h`.
public enum DurationText {
    /// The units, the longest first, and their nanoseconds.
    private static let units: [(name: String, nanoseconds: UInt64)] = [
        ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000),
    ]

    /// The time in nanoseconds.
    /// - Throws: `ConfigurationError` naming `source`.
    public static func nanoseconds(_ text: String, source: String) throws(ConfigurationError) -> UInt64 {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        let name = text[digits.endIndex...]
        guard let number = UInt64(digits), let unit = units.first(where: { $0.name == name }) else {
            throw ConfigurationError(source, "'\(text)' is not a time; write for example 500ms, 30s, 5m or 1h")
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
        guard !overflow, value <= 365 * 24 * 3_600_000_000_000 else {
            throw ConfigurationError(source, "'\(text)' is longer than a year")
        }
        return value
    }

    /// The time as a person would write it, in the longest unit that leaves no rest.
    public static func text(_ nanoseconds: UInt64) -> String {
        if nanoseconds == 0 { return "0s" }
        for unit in units where nanoseconds % unit.nanoseconds == 0 {
            return "\(nanoseconds / unit.nanoseconds)\(unit.name)"
        }
        return "\(nanoseconds / 1_000_000)ms"
    }
}
