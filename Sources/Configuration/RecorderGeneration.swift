import Link

/// What the recorder knows.
public struct RecorderGeneration: RoleGeneration {
    /// The names of the routes, by index: `route` of each record is set from the ring it came through.
    public var routes: [String]
    /// The name of the log's file in the directory that was handed over; nil: there is no place for records.
    public var file: String?
    /// The key of each line's HMAC; empty: lines carry none.
    public var signingKey: [UInt8]
    /// The secret of the Ed25519 key that signs checkpoints. No other role has it.
    public var checkpointKey: [UInt8]
    /// The time between syncs of what passed, in nanoseconds.
    public var sync: UInt64
    /// A file this large is closed and the next begun, in bytes.
    public var rotationSize: UInt64
    /// A file this old is closed and the next begun, in nanoseconds.
    public var rotationAge: UInt64
    /// How long files are kept, in nanoseconds.
    public var retention: UInt64
    /// Bytes of disk held back for denials.
    public var reserve: UInt64

    /// Bytes of `checkpointKey`.
    public static let checkpointKeyLength = 32
    /// Bytes of `signingKey` at most.
    public static let signingKeyLimit = 4096

    /// The recorder's part of a configuration.
    public init(_ configuration: Configuration, checkpointKey: [UInt8]) {
        routes = configuration.routes.map(\.name)
        let audit = configuration.audit
        file = audit.file.map { String($0[($0.lastIndex(of: "/").map($0.index(after:)) ?? $0.startIndex)...]) }
        signingKey = audit.signingKey
        self.checkpointKey = checkpointKey
        sync = audit.sync
        rotationSize = audit.rotationSize
        rotationAge = audit.rotationAge
        retention = audit.retention
        reserve = audit.reserve
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.strings(routes)
        writer.bool(file != nil)
        writer.string(file ?? "")
        writer.blob(signingKey)
        writer.blob(checkpointKey)
        writer.u64(sync)
        writer.u64(rotationSize)
        writer.u64(rotationAge)
        writer.u64(retention)
        writer.u64(reserve)
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        routes = try reader.strings()
        let hasFile = try reader.bool()
        let name = try reader.string(maximum: 255)
        file = hasFile ? name : nil
        signingKey = try reader.blob(maximum: RecorderGeneration.signingKeyLimit)
        checkpointKey = try reader.blob(maximum: RecorderGeneration.checkpointKeyLength)
        sync = try reader.u64()
        rotationSize = try reader.u64()
        rotationAge = try reader.u64()
        retention = try reader.u64()
        reserve = try reader.u64()
        let hasKey = checkpointKey.count == RecorderGeneration.checkpointKeyLength
        guard hasKey, !name.contains("/"), hasFile != name.isEmpty else { throw .badPayload }
        try reader.finish()
    }
}
