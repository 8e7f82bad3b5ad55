import Configuration
import Glibc

/// Options from the environment: `MCPGW_` and the option's path in capitals. A flag comes before the environment.
enum Environment {
    /// The value of a variable that is set and not empty.
    static func value(_ name: String) -> String? {
        guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }
}

/// One option's value and where it came from, for messages.
struct OptionValue {
    let text: String
    let source: String

    /// The flag's value if given, else the environment's.
    init?(_ flag: String?, _ flagName: String, _ variable: String) {
        if let flag {
            text = flag
            source = flagName
        } else if let value = Environment.value(variable) {
            text = value
            source = variable
        } else {
            return nil
        }
    }

    /// The value as a time in nanoseconds.
    func nanoseconds() throws(ConfigurationError) -> UInt64 {
        try DurationText.nanoseconds(text, source: source)
    }

    /// The value as a time of at least `minimum` nanoseconds.
    func nanoseconds(atLeast minimum: UInt64) throws(ConfigurationError) -> UInt64 {
        let value = try nanoseconds()
        guard value >= minimum else {
            throw ConfigurationError(source, "'\(text)' is too short; at least \(minimum / 1_000_000)ms")
        }
        return value
    }

    /// The value as a whole number in a range.
    func number(_ range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        guard let value = Int(text), range.contains(value) else {
            throw ConfigurationError(
                source, "'\(text)' is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}

extension DefaultDirectories {
    /// Those of this process.
    static let own = DefaultDirectories(user: geteuid(), variable: Environment.value)
}
