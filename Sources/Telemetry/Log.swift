import Glibc
import Roles

/// Writes log lines to stderr: time, level, role and pid, message. One line is one write, so lines of several processes never mix.
public struct Log: Sendable {
    /// How much a line matters.
    public enum Level: String, Sendable {
        /// Something is lost or refused to work.
        case error
        /// Something is degraded.
        case warning
        /// Something an operator wants to know.
        case info
    }

    private let origin: String
    /// The supervisor must not wait for a reader; the workers write to its pipe, which it always reads, and may not call poll(2).
    private let neverWaits: Bool

    /// A log of this process in its role; `name` distinguishes several workers of one role.
    public init(role: Role, name: String? = nil) {
        neverWaits = role == .supervisor
        origin = name.map { "\(role.name)/\($0)" } ?? role.name
    }

    /// Something is lost or refused to work.
    public func error(_ message: String) { write(.error, message) }
    /// Something is degraded.
    public func warning(_ message: String) { write(.warning, message) }
    /// Something an operator wants to know.
    public func info(_ message: String) { write(.info, message) }

    private func write(_ level: Level, _ message: String) {
        // A line break or control character from outside must not forge a second line or command the reader's terminal.
        let clean = String(String.UnicodeScalarView(message.unicodeScalars.map { Log.isPlain($0) ? $0 : " " }))
        var bytes = Array("\(Log.timestamp()) \(level.rawValue) \(origin)[\(getpid())]: \(clean)\n".utf8)
        if bytes.count > 4096 {
            var end = 4092
            while bytes[end] & 0xc0 == 0x80 { end -= 1 }  // not through a character
            bytes = bytes.prefix(end) + Array("...\n".utf8)
        }
        if neverWaits { StandardError.write(bytes) } else { _ = unsafe Glibc.write(2, bytes, bytes.count) }
    }

    /// Neither a control character (C0, DEL, C1) nor one of Unicode's line breaks.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f...0x9f, 0x2028, 0x2029: false
        default: true
        }
    }

    /// The present time in UTC, RFC 3339 with milliseconds.
    public static func timestamp() -> String {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return timestamp(of: time)
    }

    /// A time since 1970 in UTC, RFC 3339 with milliseconds.
    static func timestamp(of time: timespec) -> String {
        let seconds = time.tv_sec
        let day = (seconds - (seconds % 86400 + 86400) % 86400) / 86400
        let ofDay = seconds - day * 86400
        let (year, month, date) = civil(day)
        func pad(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(date, 2))"
            + "T\(pad(ofDay / 3600, 2)):\(pad(ofDay / 60 % 60, 2)):\(pad(ofDay % 60, 2))"
            + ".\(pad(time.tv_nsec / 1_000_000, 3))Z"
    }

    /// Days since 1970-01-01 as a date of the Gregorian calendar. Years are counted from March, so that a leap day ends one.
    private static func civil(_ day: Int) -> (year: Int, month: Int, date: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * ofYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, ofYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
