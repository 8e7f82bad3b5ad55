import Glibc

/// The daemon cannot start: exit status 2 and this one message.
public struct StartError: Error, Sendable, CustomStringConvertible {
    /// What could not be done, where, and what to do.
    public let description: String
    /// The error number, if the kernel refused something.
    let code: Int32?

    /// A message as it is.
    public init(_ description: String) {
        self.description = description
        code = nil
    }

    /// `action` failed with an error number.
    init(_ action: String, code: Int32, hint: String? = nil) {
        self.code = code
        let reason = unsafe String(cString: strerror(code))
        description = "\(action): \(reason)" + (hint.map { "; \($0)" } ?? "")
    }
}
