import MCP
import Sessions
import Telemetry

/// Messages of the legacy era that the gateway itself sends.
enum GatewayMessages {
    /// The notification that follows a successful `initialize`.
    static let initialized = Array(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.utf8)

    /// Opens a session in a client's stead, with what that client declared.
    static func initialize(
        _ number: UInt64, revision: ProtocolRevision, _ capabilities: SessionCapabilities
    ) -> [UInt8] {
        var declared: [String] = []
        if capabilities.contains(.sampling) {
            let parts: [(SessionCapabilities, String)] = [(.samplingTools, "tools"), (.samplingContext, "context")]
            declared.append(member("sampling", capabilities, parts))
        }
        if capabilities.contains(.elicitation) {
            let parts: [(SessionCapabilities, String)] = [(.elicitationForm, "form"), (.elicitationURL, "url")]
            declared.append(member("elicitation", capabilities, parts))
        }
        if capabilities.contains(.roots) {
            declared.append(#""roots":{\#(capabilities.contains(.rootsListChanged) ? #""listChanged":true"# : "")}"#)
        }
        let client = #"{"name":"mcpgw","version":"\#(Version.text)"}"#
        return Array(
            (#"{"jsonrpc":"2.0","id":\#(number),"method":"initialize","params":{"protocolVersion":"\#(revision.text)","#
                + #""capabilities":{\#(declared.joined(separator: ","))},"clientInfo":\#(client)}}"#).utf8)
    }

    private static func member(
        _ name: String, _ capabilities: SessionCapabilities, _ parts: [(bit: SessionCapabilities, name: String)]
    ) -> String {
        let declared = parts.filter { capabilities.contains($0.bit) }
        let inner = declared.map { #""\#($0.name)":{}"# }.joined(separator: ",")
        return #""\#(name)":{\#(inner)}"#
    }
}
