import Foundation
import StrictJSON
import Testing

@testable import MCP

/// The published JSON Schemas of every revision, `../shared/data/mcp-schema` beside the checkout: what they define is
/// known, what they allow passes, and what the gateway says itself is valid.
@Suite struct SchemaTests {
    /// Calls the body with every revision's definitions.
    private func forEachSchema(_ body: (ProtocolRevision, Schema) throws -> Void) throws {
        var skipped = 0
        for revision in ProtocolRevision.allCases {
            guard let file = sharedData("mcp-schema/\(revision.text).json") else {
                skipped += 1
                continue
            }
            let schema = try Schema(contentsOf: file)
            try body(revision, schema)
        }
        if skipped > 0 { print("SKIPPED \(skipped): no ../shared/data/mcp-schema beside the checkout") }
    }

    @Test func everyMethodAndParameterOfEveryRevisionIsKnown() throws {
        var known: [Era: Set<MCP.Method>] = [:]
        try forEachSchema { revision, schema in
            let calls = schema.calls()
            #expect(calls.count > 15)
            for call in calls {
                let method = MCP.Method.named(Array(call.method.utf8).span)
                #expect(method != .other, "\(call.method)")
                #expect(revision.era == .legacy || !method.isLegacyOnly, "\(revision.text) has \(call.method)")
                #expect(method.isNotification == call.method.hasPrefix("notifications/"))
                known[revision.era, default: []].insert(method)
                for name in call.parameters {
                    let folded = FoldedName(Array(name.utf8).span)
                    #expect(method.parameters.match(folded).map { "\($0.text)" } == name, "\(call.method) has \(name)")
                }
            }
            for (side, definition) in [
                (Peer.client, "ClientRequest"), (.client, "ClientNotification"), (.server, "ServerRequest"),
                (.server, "ServerNotification"),
            ] {
                for method in schema.methods(of: definition) {
                    let known = MCP.Method.named(Array(method.utf8).span)
                    #expect(known.maySend(side), "\(method)")
                }
            }
        }
        guard !known.isEmpty else { return }
        // And the other way round: what is said to be legacy only is in no later schema. The tasks extension has none.
        let ofExtension: Set<MCP.Method> = [.tasksGet, .tasksUpdate, .tasksCancel, .taskUpdated]
        for method in MCP.Method.allCases where method != .other && !ofExtension.contains(method) {
            #expect(method.isLegacyOnly != known[.modern]?.contains(method), "\(method)")
        }
    }

    /// For every definition of a message, one with all its members and one with the required ones.
    @Test func everyMessageTheSchemasAllowPasses() throws {
        try forEachSchema { revision, schema in
            var seen = 0
            for call in schema.calls() {
                for isComplete in [false, true] {
                    var value = schema.sample(call.definition, isComplete: isComplete)
                    value["jsonrpc"] = "2.0"
                    if !call.method.hasPrefix("notifications/") { value["id"] = "i" }
                    let text = String(decoding: try JSONSerialization.data(withJSONObject: value), as: UTF8.self)
                    let method = MCP.Method.named(Array(call.method.utf8).span)
                    for sender in Peer.allCases where method.maySend(sender) {
                        guard case .message(let facts) = summarise(text, from: sender) else {
                            Issue.record("\(revision.text): \(summarise(text, from: sender)) \(text)")
                            continue
                        }
                        seen += 1
                        #expect(facts.method == method)
                        #expect((facts.kind == .notification) == method.isNotification)
                        #expect((facts.name != nil) == (method.nameParameter != nil), "\(text)")
                        #expect(
                            !(revision.isModern && !method.isNotification && method.maySend(.client))
                                || facts.version != nil)
                        #expect((facts.cancelledRequest != nil) == (method == .cancelled) || !isComplete)
                        #expect((facts.progressSubject != nil) == (method == .progress))
                    }
                }
            }
            #expect(seen > 40)
        }
    }

    @Test func everyErrorOfTheGatewayIsValidInItsEra() throws {
        try forEachSchema { revision, schema in
            for expected in Expected.all {
                for id in [#""a""#, "1", nil] {
                    // Before 2025-11-25 the schema has no error without an id, though JSON-RPC has.
                    if id == nil, revision < .v2025_11_25 { continue }
                    let body = expected.error.body(id: id.map { Array($0.utf8) }, requestID: 1)
                    let value = try JSONSerialization.jsonObject(with: Data(body))
                    for name in schema.errorDefinitions(code: expected.code) {
                        #expect(schema.faults(in: value, named: name) == [], "\(revision.text) \(name)")
                    }
                }
            }
        }
    }

    /// The validator of this test sees what is wrong.
    @Test func invalidErrorsAreSeen() throws {
        try forEachSchema { revision, schema in
            for bad in [
                #"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, #"{"jsonrpc":"2.0","id":1}"#,
                #"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#,
                #"{"id":1,"error":{"code":1,"message":""}}"#,
                #"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
                #"{"jsonrpc":"1","id":1,"error":{"code":1,"message":""}}"#,
            ] {
                let value = try JSONSerialization.jsonObject(with: Data(bad.utf8))
                for name in schema.errorDefinitions(code: 1) { #expect(!schema.faults(in: value, named: name).isEmpty) }
            }
            guard revision.isModern else { return }
            let bare =
                #"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"","data":{"supported":[1],"requested":"x"}}}"#
            let value = try JSONSerialization.jsonObject(with: Data(bare.utf8))
            #expect(!schema.faults(in: value, named: "UnsupportedProtocolVersionError").isEmpty)
        }
    }
}

/// As much of JSON Schema as the published ones need for messages and errors.
private struct Schema {
    typealias Object = [String: Any]

    struct Call {
        let method: String
        let definition: Object
        let parameters: Set<String>
    }

    let definitions: [String: Object]

    init(contentsOf file: URL) throws {
        let root = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? Object)
        definitions = try #require((root["$defs"] ?? root["definitions"]) as? [String: Object])
    }

    /// What a schema refers to, if it is nothing but a reference.
    private func resolved(_ schema: Object) -> Object {
        guard let reference = schema["$ref"] as? String, let name = reference.split(separator: "/").last else {
            return schema
        }
        return resolved(definitions[String(name)] ?? [:])
    }

    private func parts(_ schema: Object) -> [Object] {
        let schema = resolved(schema)
        let parts = ["allOf", "anyOf", "oneOf"].flatMap { schema[$0] as? [Object] ?? [] }
        return [schema] + parts.flatMap(self.parts)
    }

    private func properties(_ schema: Object) -> [String: Object] {
        parts(schema).reduce(into: [:]) { all, part in
            all.merge(part["properties"] as? [String: Object] ?? [:]) { old, _ in old }
        }
    }

    /// The requests and notifications.
    func calls() -> [Call] {
        definitions.values.compactMap { definition in
            guard let method = properties(definition)["method"]?["const"] as? String else { return nil }
            let parameters = properties(definition)["params"].map { Set(properties($0).keys) } ?? []
            return Call(method: method, definition: definition, parameters: parameters)
        }
    }

    /// The methods of a union like `ClientRequest`.
    func methods(of union: String) -> [String] {
        guard let union = definitions[union] else { return [] }
        return parts(union).compactMap { ($0["properties"] as? [String: Object])?["method"]?["const"] as? String }
    }

    /// The definitions an error with this code must satisfy.
    func errorDefinitions(code: Int64) -> [String] {
        let general = ["JSONRPCErrorResponse", "JSONRPCError"].filter { definitions[$0] != nil }
        let special = definitions.keys.filter { name in
            guard let error = properties(definitions[name] ?? [:])["error"] else { return false }
            return parts(error).contains { (properties($0)["code"]?["const"] as? NSNumber)?.int64Value == code }
        }
        return general + special
    }

    /// A value a schema allows.
    func sample(_ schema: Object, isComplete: Bool) -> Object {
        value(schema, isComplete: isComplete, depth: 0) as? Object ?? [:]
    }

    private func value(_ schema: Object, isComplete: Bool, depth: Int) -> Any {
        let schema = resolved(schema)
        if let constant = schema["const"] { return constant }
        if let first = (schema["enum"] as? [Any])?.first { return first }
        if let first = (schema["anyOf"] as? [Object] ?? schema["oneOf"] as? [Object])?.first {
            return value(first, isComplete: isComplete, depth: depth)
        }
        switch schema["type"] as? String ?? (schema["type"] as? [String])?.first {
        case "string": return "text"
        case "integer": return 7
        case "number": return 1.5
        case "boolean": return true
        case "null": return NSNull()
        case "array": return [] as [Any]
        default:
            let required = Set(parts(schema).flatMap { $0["required"] as? [String] ?? [] })
            var object: Object = [:]
            for (name, property) in properties(schema) where required.contains(name) || isComplete && depth < 3 {
                object[name] = value(property, isComplete: isComplete, depth: depth + 1)
            }
            return object
        }
    }

    /// What is wrong with a value.
    func faults(in value: Any, named name: String) -> [String] { faults(in: value, definitions[name] ?? [:], name) }

    private func faults(in value: Any, _ schema: Object, _ path: String) -> [String] {
        let schema = resolved(schema)
        var faults: [String] = []
        if let constant = schema["const"] as? NSObject, constant != value as? NSObject {
            faults.append("\(path): const")
        }
        if let types = schema["type"] as? [String] ?? (schema["type"] as? String).map({ [$0] }) {
            if !types.contains(where: { isOf($0, value) }) { faults.append("\(path): type") }
        }
        if let object = value as? Object {
            for name in schema["required"] as? [String] ?? [] where object[name] == nil {
                faults.append("\(path): \(name)")
            }
            for (name, property) in schema["properties"] as? [String: Object] ?? [:] {
                if let member = object[name] { faults += self.faults(in: member, property, "\(path).\(name)") }
            }
        }
        if let items = schema["items"] as? Object, let array = value as? [Any] {
            for item in array { faults += self.faults(in: item, items, "\(path)[]") }
        }
        for part in schema["allOf"] as? [Object] ?? [] { faults += self.faults(in: value, part, path) }
        return faults
    }

    private func isOf(_ type: String, _ value: Any) -> Bool {
        switch type {
        case "string": value is String
        case "integer": (value as? NSNumber).map { $0.doubleValue == $0.doubleValue.rounded() } ?? false
        case "number": value is NSNumber
        case "boolean": value is Bool
        case "object": value is Object
        case "array": value is [Any]
        case "null": value is NSNull
        default: false
        }
    }
}
