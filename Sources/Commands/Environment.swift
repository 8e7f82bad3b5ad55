import CKernel
import Configuration
import Glibc

/// Options from the environment: `MCPGW_` and the option's path in capitals. A flag comes before the environment.
enum Environment {
    /// The value of a variable that is set and not empty.
    static func value(_ name: String) -> String? {
        guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }

    /// All variables. Of two with the same name the first counts, as for `value`.
    static var all: [String: String] {
        var result: [String: String] = [:]
        var index = 0
        // Ends with a null pointer; nobody changes the environment.
        while let entry = unsafe ck_environment(index) {
            let text = unsafe String(cString: entry)
            index += 1
            guard let mark = text.firstIndex(of: "=") else { continue }
            let name = String(text[..<mark])
            if result[name] == nil { result[name] = String(text[text.index(after: mark)...]) }
        }
        return result
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
}

extension DefaultDirectories {
    /// Those of this process.
    static let own = DefaultDirectories(user: geteuid(), variable: Environment.value)
}
