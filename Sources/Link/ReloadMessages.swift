/// Payload of `refused`: why a worker cannot serve a generation.
public struct RefusedMessage: Equatable, Sendable {
    /// The generation.
    public var generation: UInt64
    /// What the administrator reads; at most `maximumReason` bytes.
    public var reason: String

    /// Bytes of `reason` at most.
    public static let maximumReason = 4096

    /// Refuses `generation`; a longer reason is cut.
    public init(generation: UInt64, reason: String) {
        self.generation = generation
        self.reason = reason.cut(toBytes: RefusedMessage.maximumReason)
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(generation)
        writer.string(reason)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        generation = try reader.u64()
        reason = try reader.string(maximum: RefusedMessage.maximumReason)
        try reader.finish()
    }
}

/// Payload of `reloadResult`: what came of a reload that the console asked for.
public struct ReloadResultMessage: Equatable, Sendable {
    /// The console's number for what it asked.
    public var request: UInt64
    /// Whether all workers serve what was read.
    public var isDone: Bool
    /// The generation that serves now.
    public var generation: UInt64
    /// What changed, or why the old generation stays; at most `maximumText` bytes.
    public var text: String
    /// What the administrator should know of a configuration that serves all the same.
    public var warnings: [String]

    /// Bytes of `text` and of each warning at most.
    public static let maximumText = 4096
    /// Warnings at most: everything fits a control frame.
    public static let maximumWarnings = 12

    /// A result; what is too long is cut.
    public init(request: UInt64, isDone: Bool, generation: UInt64, text: String, warnings: [String]) {
        self.request = request
        self.isDone = isDone
        self.generation = generation
        self.text = text.cut(toBytes: ReloadResultMessage.maximumText)
        self.warnings = warnings.prefix(ReloadResultMessage.maximumWarnings).map {
            $0.cut(toBytes: ReloadResultMessage.maximumText)
        }
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(request)
        writer.bool(isDone)
        writer.u64(generation)
        writer.string(text)
        writer.count(warnings.count)
        for warning in warnings { writer.string(warning) }
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        request = try reader.u64()
        isDone = try reader.bool()
        generation = try reader.u64()
        text = try reader.string(maximum: ReloadResultMessage.maximumText)
        warnings = []
        let count = try reader.count(elementBytes: 4)
        guard count <= ReloadResultMessage.maximumWarnings else { throw .badPayload }
        for _ in 0..<count { warnings.append(try reader.string(maximum: ReloadResultMessage.maximumText)) }
        try reader.finish()
    }
}

extension String {
    /// The longest beginning of whole characters that has at most so many bytes of UTF-8.
    public func cut(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var result = ""
        var count = 0
        for scalar in unicodeScalars {
            count += UTF8.width(scalar)
            if count > limit { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
