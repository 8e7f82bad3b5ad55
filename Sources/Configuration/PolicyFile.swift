import Policy

/// The policy that serves, and where it is from.
public struct PolicyFile: Equatable, Sendable {
    /// The policy; everything is allowed where none is named.
    public var model: PolicyModel
    /// The file it was read from; nil where none is named.
    public var path: String?
    /// SHA-256 of the file's bytes in hexadecimal digits, for records; empty where none is named.
    public var hash: String

    /// A policy that was read from a file.
    public init(model: PolicyModel, path: String, hash: String) {
        self.model = model
        self.path = path
        self.hash = hash
    }

    private init() {
        model = .allowAll
        path = nil
        hash = ""
    }

    /// What serves when no policy is named.
    public static var none: PolicyFile { PolicyFile() }
}

/// How a blocked tool call is told (`denials`).
public enum DenialForm: String, CaseIterable, Sendable {
    /// As a result with `isError`, which every client shows the model.
    case result
    /// As a JSON-RPC error.
    case error
}
