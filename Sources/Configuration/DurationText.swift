/// Reads a span of time as written in options: a whole number and a unit, `ms`, `s`, `m`, `h`.
public enum DurationText {
    /// The time in nanoseconds.
    /// - Throws: `ConfigurationError` naming `source`.
    public static func nanoseconds(_ text: String, source: String) throws(ConfigurationError) -> UInt64 {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        let units: [String: UInt64] = [
            "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
        ]
        guard let number = UInt64(digits), let unit = units[String(text[digits.endIndex...])] else {
            throw ConfigurationError(source, "'\(text)' is not a time; write for example 500ms, 30s, 5m or 1h")
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, value <= 365 * 24 * 3_600_000_000_000 else {
            throw ConfigurationError(source, "'\(text)' is longer than a year")
        }
        return value
    }
}
