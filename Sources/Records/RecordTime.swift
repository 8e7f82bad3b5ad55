import Glibc

/// Writes times as records have them: `2026-11-23T00:05:12.123456Z`. The text of the present second is kept.
public struct RecordTime {
    private var second = Int.min
    private var text: [UInt8] = []

    /// Nanoseconds since 1970 in UTC.
    public static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec))
    }

    /// Appends a time with microseconds.
    mutating func append(_ nanoseconds: UInt64, to output: inout [UInt8]) {
        let whole = Int(clamping: nanoseconds / 1_000_000_000)
        if whole != second {
            text = RecordTime.text(of: whole)
            second = whole
        }
        output.append(contentsOf: text)
        output.append(0x2e)
        RecordTime.appendDigits(nanoseconds % 1_000_000_000 / 1000, 6, to: &output)
        output.append(0x5a)
    }

    /// `2026-11-23T00:05:12`. Days to date as in Howard Hinnant's "chrono-compatible low-level date algorithms".
    public static func text(of second: Int) -> [UInt8] {
        let day = second / 86400
        let shifted = day + 719_468
        let era = shifted / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * ofYear + 2) / 153
        let dayOfMonth = ofYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        var bytes: [UInt8] = []
        let parts: [(Int, Int, UInt8)] = [
            (year, 4, 0x2d), (month, 2, 0x2d), (dayOfMonth, 2, 0x54), (second % 86400 / 3600, 2, 0x3a),
            (second % 3600 / 60, 2, 0x3a), (second % 60, 2, 0),
        ]
        for (value, digits, separator) in parts {
            appendDigits(UInt64(value), digits, to: &bytes)
            if separator != 0 { bytes.append(separator) }
        }
        return bytes
    }

    /// Appends the last `count` decimal digits, eight at most.
    static func appendDigits(_ value: UInt64, _ count: Int, to output: inout [UInt8]) {
        var digits = InlineArray<8, UInt8>(repeating: 0)
        var rest = UInt32(truncatingIfNeeded: value)
        let first = 8 - min(8, count)
        for index in stride(from: 7, through: first, by: -1) {
            digits[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        output.append(copying: digits.span.extracting(first..<8))
    }
}
