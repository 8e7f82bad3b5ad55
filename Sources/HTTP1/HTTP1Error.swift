/// Why a head or a body was refused. After any of these the framing of the connection is in doubt: answer if that is
/// possible, then close (DESIGN 5).
public enum HTTP1Error: UInt8, Error, CaseIterable, Sendable {
    /// Nothing but a start line may stand where one is expected: empty lines, control characters, a missing space.
    case malformedRequestLine
    /// The method is no token (RFC 9110, 9.1), or absurdly long.
    case malformedMethod
    /// The request target is empty, holds characters outside RFC 3986, or has no form that fits the method.
    case malformedTarget
    /// The request line is longer than the limit.
    case targetTooLong
    /// The version is not written as `HTTP/` digit `.` digit.
    case malformedVersion
    /// A well-formed version other than HTTP/1.1.
    case unsupportedVersion
    /// A status line that is not `HTTP/1.1 SP 3DIGIT SP reason`.
    case malformedStatusLine
    /// Status 101: the gateway never asks for another protocol.
    case unexpectedUpgrade
    /// CR without LF.
    case bareCarriageReturn
    /// LF without CR.
    case bareLineFeed
    /// NUL or another control character in a head.
    case controlCharacter
    /// A line that begins with white space (RFC 9112, 5.2).
    case obsoleteFolding
    /// White space between a field name and its colon (RFC 9112, 5.1).
    case whitespaceBeforeColon
    /// A field line without a name.
    case emptyFieldName
    /// A field name that is no token, or a line without a colon.
    case malformedFieldName
    /// The head is larger than the limit.
    case headTooLarge
    /// More field lines than the limit.
    case tooManyFields
    /// A field that may stand once stands twice, and readers differ on which one counts.
    case repeatedField
    /// No Host field.
    case missingHost
    /// More than one Host field.
    case repeatedHost
    /// A Host value that is no `host[:port]`.
    case malformedHost
    /// A Content-Length that is not one plain decimal number, or does not fit.
    case malformedContentLength
    /// More than one Content-Length, equal or not.
    case repeatedContentLength
    /// More than one Transfer-Encoding field.
    case repeatedTransferEncoding
    /// Content-Length beside Transfer-Encoding.
    case conflictingLength
    /// A Transfer-Encoding other than the one coding `chunked`.
    case unsupportedTransferEncoding
    /// A length on a response that cannot have a body (RFC 9112, 6.3).
    case unexpectedLength
    /// A Connection value that is no list of tokens.
    case malformedConnection
    /// An Expect other than `100-continue`.
    case unsupportedExpectation
    /// A chunk size that is not one to `maxChunkSizeDigits` hexadecimal digits.
    case malformedChunkSize
    /// Anything between a chunk size and its CRLF. RFC 9112, 7.1.1 lets a recipient ignore extensions; readers that
    /// disagree on where they end are how requests are smuggled, and no MCP peer sends them.
    case chunkExtension
    /// Data of a chunk not followed by CRLF.
    case malformedChunkEnd
    /// A trailer field. The gateway forwards none, and no MCP peer sends them.
    case trailerField
    /// A chunked body larger than the limit.
    case bodyTooLarge

    /// The status with which a server answers a client's request refused for this reason. A client that reads a
    /// response answers 502 upstream of itself, whatever this says.
    public var status: Int {
        switch self {
        case .targetTooLong: 414
        case .headTooLarge, .tooManyFields: 431
        case .unsupportedTransferEncoding: 501
        case .unsupportedVersion: 505
        case .unsupportedExpectation: 417
        case .bodyTooLarge: 413
        default: 400
        }
    }

    /// A short fixed text for logs and error bodies; never holds a byte of the input.
    public var reason: String {
        switch self {
        case .malformedRequestLine: "malformed request line"
        case .malformedMethod: "malformed method"
        case .malformedTarget: "malformed request target"
        case .targetTooLong: "request target too long"
        case .malformedVersion: "malformed HTTP version"
        case .unsupportedVersion: "only HTTP/1.1 is spoken here"
        case .malformedStatusLine: "malformed status line"
        case .unexpectedUpgrade: "protocol switch that was not asked for"
        case .bareCarriageReturn: "carriage return without line feed"
        case .bareLineFeed: "line feed without carriage return"
        case .controlCharacter: "control character in head"
        case .obsoleteFolding: "folded field line"
        case .whitespaceBeforeColon: "white space before colon"
        case .emptyFieldName: "empty field name"
        case .malformedFieldName: "malformed field name"
        case .headTooLarge: "head too large"
        case .tooManyFields: "too many fields"
        case .repeatedField: "field repeated that may stand once"
        case .missingHost: "missing Host"
        case .repeatedHost: "repeated Host"
        case .malformedHost: "malformed Host"
        case .malformedContentLength: "malformed Content-Length"
        case .repeatedContentLength: "repeated Content-Length"
        case .repeatedTransferEncoding: "repeated Transfer-Encoding"
        case .conflictingLength: "Content-Length beside Transfer-Encoding"
        case .unsupportedTransferEncoding: "transfer coding other than chunked"
        case .unexpectedLength: "length on a response without a body"
        case .malformedConnection: "malformed Connection"
        case .unsupportedExpectation: "unsupported expectation"
        case .malformedChunkSize: "malformed chunk size"
        case .chunkExtension: "chunk extension"
        case .malformedChunkEnd: "chunk not ended by CRLF"
        case .trailerField: "trailer field"
        case .bodyTooLarge: "body too large"
        }
    }
}
