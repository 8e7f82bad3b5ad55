/// A point in time as RFC 3339 writes it.
public enum PointInTime {
    /// Seconds since 1970 of a text like `2027-01-31T23:59:59Z` or with `+01:00`; nil if it is none, or before 1970.
    public static func seconds(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == 0x2d, bytes[7] == 0x2d, [0x54, 0x74, 0x20].contains(bytes[10]),
            bytes[13] == 0x3a, bytes[16] == 0x3a,
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
            let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
            (1...12).contains(month), day >= 1, day <= days(inMonth: month, of: year), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var rest = bytes[19...]
        if rest.first == 0x2e {
            let fraction = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
            guard !fraction.isEmpty else { return nil }
            rest = rest[fraction.endIndex...]
        }
        guard let offset = offset(rest) else { return nil }
        let seconds = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset
        return UInt64(exactly: seconds)
    }

    /// The text of a point in time, in UTC.
    public static func text(_ seconds: UInt64) -> String {
        let day = Int(seconds / 86_400)
        let rest = Int(seconds % 86_400)
        var year = 1970 + day / 366
        while daysSince1970(year + 1, 1, 1) <= day { year += 1 }
        var left = day - daysSince1970(year, 1, 1)
        var month = 1
        while left >= days(inMonth: month, of: year) {
            left -= days(inMonth: month, of: year)
            month += 1
        }
        let date = "\(padded(year, 4))-\(padded(month))-\(padded(left + 1))"
        return "\(date)T\(padded(rest / 3600)):\(padded(rest / 60 % 60)):\(padded(rest % 60))Z"
    }

    /// Seconds east of UTC of `Z`, `+HH:MM` or `-HH:MM`.
    private static func offset(_ zone: ArraySlice<UInt8>) -> Int? {
        let zone = Array(zone)
        if zone == [0x5a] || zone == [0x7a] { return 0 }
        guard zone.count == 6, zone[0] == 0x2b || zone[0] == 0x2d, zone[3] == 0x3a, let hours = number(zone[1..<3]),
            let minutes = number(zone[4..<6]), hours < 24, minutes < 60
        else { return nil }
        return (zone[0] == 0x2d ? -1 : 1) * (hours * 60 + minutes) * 60
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let past = year - 1
        let untilYear = past * 365 + past / 4 - past / 100 + past / 400 - 719_162
        return (1..<month).reduce(untilYear + day - 1) { $0 + days(inMonth: $1, of: year) }
    }
}
