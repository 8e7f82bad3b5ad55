import StrictJSON

/// Which arguments of which tools clients repeat in headers, as the server's lists of tools say (`x-mcp-header`; MCP 2026-07-28, Streamable HTTP, Custom
/// Headers from Tool Parameters). What was not listed, or does not fit, is not known.
public struct ToolHeaders: Sendable {
    /// One argument.
    struct Parameter: Sendable {
        /// The header's name behind `Mcp-Param-`, in lower case.
        let header: [UInt8]
        /// Names of members, from the arguments inwards.
        let path: [[UInt8]]

        var size: Int { path.reduce(header.count + 64) { $0 + $1.count + 32 } }
    }

    /// What a list says of one tool.
    public struct Tool: Sendable {
        let name: [UInt8]
        let parameters: [Parameter]
    }

    private static let toolLimit = 1024
    private static let sizeLimit = 256 * 1024
    private static let parameterLimit = 64
    private static let depthLimit = 8
    private static let prefix: StaticString = "mcp-param-"

    private var tools: [[UInt8]: [Parameter]] = [:]
    private var size = 0

    /// Nothing is known yet.
    public init() {}

    /// Whether nothing is known.
    public var isEmpty: Bool { tools.isEmpty }

    /// Reads the `tools` of a result.
    public static func read(
        result node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> [Tool] {
        guard tape.kind(node) == .object, let list = tape.member("tools", of: node, in: bytes),
            tape.kind(list) == .array
        else { return [] }
        var found: [Tool] = []
        for tool in tape.elements(of: list) {
            guard tape.kind(tool) == .object, let name = tape.member("name", of: tool, in: bytes),
                tape.kind(name) == .string
            else { continue }
            var parameters: [Parameter] = []
            if let schema = tape.member("inputSchema", of: tool, in: bytes), tape.kind(schema) == .object {
                collect(schema, [], &parameters, tape, bytes)
            }
            var text: [UInt8] = []
            tape.appendString(name, in: bytes, to: &text)
            found.append(Tool(name: text, parameters: parameters))
        }
        return found
    }

    private static func collect(
        _ schema: JSONNode, _ path: [[UInt8]], _ parameters: inout [Parameter], _ tape: borrowing JSONTape,
        _ bytes: Span<UInt8>
    ) {
        guard path.count < depthLimit, let properties = tape.member("properties", of: schema, in: bytes),
            tape.kind(properties) == .object
        else { return }
        for (name, property) in tape.members(of: properties) {
            guard tape.kind(property) == .object, parameters.count < parameterLimit else { continue }
            var spelt: [UInt8] = []
            tape.appendString(name, in: bytes, to: &spelt)
            if let header = tape.member("x-mcp-header", of: property, in: bytes), tape.kind(header) == .string {
                var text: [UInt8] = []
                tape.appendString(header, in: bytes, to: &text)
                parameters.append(Parameter(header: text.map(\.lowerCase), path: path + [spelt]))
            }
            collect(property, path + [spelt], &parameters, tape, bytes)
        }
    }

    /// Takes what a list says in place of what was known of the same tools.
    public mutating func learn(_ found: [Tool]) {
        for tool in found {
            if let known = tools.removeValue(forKey: tool.name) { size -= ToolHeaders.size(tool.name, known) }
            let more = ToolHeaders.size(tool.name, tool.parameters)
            guard !tool.parameters.isEmpty, tools.count < ToolHeaders.toolLimit, size + more <= ToolHeaders.sizeLimit
            else { continue }
            tools[tool.name] = tool.parameters
            size += more
        }
    }

    private static func size(_ name: [UInt8], _ parameters: [Parameter]) -> Int {
        parameters.reduce(name.count + 64) { $0 + $1.size }
    }

    /// What is wrong with the headers of a call; nil if they say what the body says, or nothing is known of the tool.
    ///
    /// - Parameter fields: the lines `name: value` of the request's `Mcp-Param-*` headers among others, each ended by CRLF, names in lower case.
    public func fault(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, fields: [UInt8]
    ) -> HeaderFault? {
        guard !isEmpty, message.method == .toolsCall, let name = message.nameNode else { return nil }
        var tool: [UInt8] = []
        tape.appendString(name, in: bytes, to: &tool)
        guard let parameters = tools[tool] else { return nil }
        let arguments = message.params.flatMap { tape.member("arguments", of: $0, in: bytes) }
        for parameter in parameters {
            let value = arguments.flatMap { ToolHeaders.value($0, parameter.path, tape, bytes) }
            if let fault = ToolHeaders.fault(parameter, value, fields, tape, bytes) { return fault }
        }
        return nil
    }

    /// The argument's value; nil if it is not there, or null.
    private static func value(
        _ arguments: JSONNode, _ path: [[UInt8]], _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> JSONNode? {
        var node = arguments
        for name in path {
            guard tape.kind(node) == .object,
                let next = tape.member(named: String(decoding: name, as: UTF8.self), of: node, in: bytes)
            else { return nil }
            node = next
        }
        return tape.kind(node) == .null ? nil : node
    }

    private static func fault(
        _ parameter: Parameter, _ value: JSONNode?, _ fields: [UInt8], _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> HeaderFault? {
        var isThere = false
        var start = 0
        while start < fields.count {
            var end = start
            while end < fields.count, fields[end] != 0x0D { end += 1 }
            let line = fields.span.extracting(start..<end)
            start = end + 2
            guard let text = content(line, of: parameter.header) else { continue }
            isThere = true
            // The client has no such argument, and its header says one: somebody on the way would believe it.
            guard let value else { return .differs }
            if let fault = fault(in: text, mirroring: value, tape, bytes) { return fault }
        }
        guard let value, !isThere else { return nil }
        // What is no single value has no header.
        return [.object, .array].contains(tape.kind(value)) ? nil : .missing
    }

    /// The value of a line, if it is this header's.
    @_lifetime(copy line)
    private static func content(_ line: Span<UInt8>, of header: [UInt8]) -> Span<UInt8>? {
        let start = prefix.utf8CodeUnitCount
        let end = start + header.count
        guard line.count >= end + 2, line[end] == UInt8(ascii: ":") else { return nil }
        let expected = prefix.span
        for index in 0..<start where line[index].lowerCase != expected[index] { return nil }
        for index in header.indices where line[start + index].lowerCase != header[index] { return nil }
        return line.extracting(end + 2..<line.count)
    }

    private static func fault(
        in text: Span<UInt8>, mirroring value: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> HeaderFault? {
        if tape.kind(value) == .string { return HeaderValue.fault(in: text, mirroring: value, of: tape, bytes) }
        guard let decoded = HeaderValue.decoded(text) else { return .badEncoding }
        let own = bytes.extracting(tape.range(value)).copy
        switch tape.kind(value) {
        case .number: return isSameNumber(decoded, own) ? nil : .differs
        case .true, .false: return decoded == own ? nil : .differs
        default: return .differs
        }
    }

    /// Numbers are compared as such: `42.0` is `42`.
    private static func isSameNumber(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        if one == other { return true }
        let (one, other) = (String(decoding: one, as: UTF8.self), String(decoding: other, as: UTF8.self))
        if let one = Int64(one), let other = Int64(other) { return one == other }
        guard one.utf8.allSatisfy({ $0 <= 0x39 || $0 | 0x20 == 0x65 }), let one = Double(one), let other = Double(other)
        else { return false }
        return one.isFinite && one == other && abs(one) < 9_007_199_254_740_992
    }
}
