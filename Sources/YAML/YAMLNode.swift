/// A place in a text, from one on.
public struct YAMLPosition: Hashable, Sendable, Comparable {
    /// The line.
    public let line: Int
    /// The column, in characters.
    public let column: Int

    /// A place.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Whether one place comes before another.
    public static func < (left: YAMLPosition, right: YAMLPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A value of a YAML text and where it stands.
public struct YAMLNode: Sendable {
    /// One member of a mapping.
    public struct Entry: Sendable {
        /// The name.
        public let key: String
        /// Where the name stands.
        public let position: YAMLPosition
        /// The value.
        public let value: YAMLNode
    }

    /// What a value is.
    public enum Value: Sendable {
        /// A scalar's text. Only a plain one, without quotation marks, can be null, a truth value or a number.
        case scalar(String, isPlain: Bool)
        /// A list.
        case sequence([YAMLNode])
        /// Members in the order in which they stand.
        case mapping([Entry])
    }

    /// What it is.
    public let value: Value
    /// Where it begins.
    public let position: YAMLPosition

    /// A value at a place.
    public init(value: Value, position: YAMLPosition) {
        self.value = value
        self.position = position
    }

    /// Whether it is null: nothing, `~` or `null` without quotation marks (YAML 1.2, core schema).
    public var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = value else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// What it is, for a message.
    public var kindName: String {
        switch value {
        case .scalar: isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// A mistake in a file: what, where, and what to do.
public struct YAMLError: Error, Equatable, Sendable {
    /// Where it stands.
    public let position: YAMLPosition
    /// What is wrong and what would be right.
    public let message: String

    /// A mistake at a place.
    public init(_ position: YAMLPosition, _ message: String) {
        self.position = position
        self.message = message
    }

    /// The line the user sees: `FILE:LINE:COLUMN: MESSAGE`.
    public func description(file: String) -> String {
        "\(file):\(position.line):\(position.column): \(message)"
    }
}
