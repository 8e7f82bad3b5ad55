import NormalForms
import Testing

@testable import Policy

/// What servers make of a call that is not written as they want it.
@Suite struct LenientReaderTests {
    private func guarded() throws -> CompiledPolicy {
        try policy(
            """
            version: v1
            rules:
              - name: no-paths
                match: {arguments: {path: ["/etc/*"]}}
                action: deny
              - name: no-nested
                match: {arguments: {"files[*].path": ["/etc/*"]}}
                action: deny
              - name: no-index
                match: {arguments: {"list.0.name": ["secret"]}}
                action: deny
              - name: no-commands
                match: {arguments: {command: ["rm -rf*"]}}
                action: deny
              - name: no-port
                match: {arguments: {port: ["22"]}}
                action: deny
              - name: no-force
                match: {arguments: {force: ["true"]}}
                action: deny
              - name: no-metadata
                match: {arguments: {url: ["http://169.254.169.254/*", "https://internal.example/*"]}}
                action: deny
              - name: no-encoded
                match: {arguments: {data: ["*password*"]}, decode: [percent, base64]}
                action: deny
              - name: rest
                match: {methods: ["*"]}
                action: allow
            """)
    }

    @Test(arguments: [
        // JSON in strings.
        #"{"files":"[{\"path\":\"/etc/passwd\"}]"}"#, #"{"files":["{\"path\":\"/etc/passwd\"}"]}"#,
        #"{"path":"[\"/etc/passwd\"]"}"#, #"{"path":" [\"/srv\",\"/etc/passwd\"]"}"#,
        #"{"path":"\u005b\"/etc/passwd\"]"}"#, #"{"path":"[\"\\u002fetc/passwd\", NaN]"}"#,
        #"{"files":"[{\"path\":\"/srv\",\"path\":\"/etc/passwd\"}]"}"#, #"{"command":"[\"rm\",\"-rf\",\"/\"]"}"#,
        #""{\"path\":\"/etc/passwd\"}""#,
        // Names that are paths, prototypes, indexes.
        #"{"files[0].path":"/etc/passwd"}"#, #"{"files[0]":{"path":"/etc/passwd"}}"#,
        #"{"files":{"0":{"path":"/etc/passwd"}}}"#, #"{"__proto__":{"path":"/etc/passwd"}}"#,
        #"{"files":[{"__proto__":{"path":"/etc/passwd"}}]}"#, #"{"list":[{"name":"secret"}]}"#,
        // Numbers and truth values.
        #"{"port":22}"#, #"{"port":22.0}"#, #"{"port":2.2e1}"#, #"{"port":220E-1}"#, #"{"port":"22"}"#,
        #"{"port":"022"}"#, #"{"port":"+22"}"#, #"{"port":" 22 "}"#, #"{"port":"2_2"}"#, #"{"port":[22.00]}"#,
        #"{"force":true}"#, #"{"force":"True"}"#, #"{"force":1}"#, #"{"force":1.0}"#, #"{"force":"yes"}"#,
        #"{"force":"ON"}"#,
        // URLs.
        #"{"url":"HTTP://169.254.169.254/x"}"#, #"{"url":"http://2852039166/x"}"#, #"{"url":"http://0xA9FEA9FE/x"}"#,
        #"{"url":"http://0251.0376.0251.0376/x"}"#, #"{"url":"http://169.254.43518/x"}"#,
        #"{"url":"http://169.254.169.254:80/x"}"#, #"{"url":"http://user:word@169.254.169.254/x"}"#,
        #"{"url":"http:\\\\169.254.169.254\\x"}"#, #"{"url":"http:///169.254.169.254/x"}"#,
        #"{"url":"http://169.254.169.254"}"#, #"{"url":"http://169.254.169.254?x"}"#,
        #"{"url":"ht\ntp://169.254.169.254/x"}"#, #"{"url":"http://169.254.1\t69.254/x"}"#,
        #"{"url":"https://INTERNAL.example./x"}"#, #"{"url":"https://internal。example/x"}"#,
        #"{"url":"https://intern%61l.example/x"}"#, #"{"path":"fi\nle:///etc/passwd"}"#,
        // Encodings in each other.
        #"{"data":"%63GFzc3dvcmQ="}"#, #"{"data":"cCU2MXNzd29yZA=="}"#, #"{"data":"Y0dGemMzZHZjbVE9"}"#,
        #"{"data":"cGFz\nc3dvcmQ="}"#, #"{"data":"cGFz!c3dvcmQ="}"#, #"{"data":"cGFzc3dvcmT//w=="}"#,
    ]) func `what a lenient server reads is denied`(arguments: String) throws {
        #expect(!(try decide(try guarded(), callJSON(#""any""#, arguments)).passes))
    }

    @Test(arguments: [
        #"{"port":221}"#, #"{"port":"2.2"}"#, #"{"port":1e300}"#, #"{"force":false}"#, #"{"force":"truely"}"#,
        #"{"files":"[{\"name\":\"/etc/passwd\"}]"}"#, #"{"files":"see [1]"}"#, #"{"path":"{not json"}"#,
        #"{"url":"https://example.com/169.254.169.254/"}"#, #"{"url":"http://169.254.169.25/x"}"#,
        #"{"list":[{"name":"a"},{"name":"secrets"}]}"#, #"{"__proto__":"/etc/x"}"#, #"{"data":"documents"}"#,
    ]) func `what is something else passes`(arguments: String) throws {
        #expect(try decide(try guarded(), callJSON(#""any""#, arguments)).passes)
    }

    private func narrow() throws -> CompiledPolicy {
        try policy(
            """
            version: v1
            rules:
              - {name: data, match: {tools: [read], arguments: {"files[*].path": ["/data/*"]}}, action: allow}
              - {name: list, match: {tools: [open], arguments: {path: ["*data*"]}}, action: allow}
              - {name: url, match: {tools: [get], arguments: {url: ["https://api.example.com*"]}}, action: allow}
              - {name: count, match: {tools: [count], arguments: {n: ["?", "??"]}}, action: allow}
            """)
    }

    @Test(arguments: [
        ("read", #"{"files":[{"path":"/data/a"},"{\"path\":\"/etc/passwd\"}"]}"#),
        ("read", #"{"files":[{"path":"/data/a"}],"files[0].path":"/etc/passwd"}"#),
        ("read", #"{"files":[{"path":"/data/a","__proto__":{"path":"/etc/passwd"}}]}"#),
        ("open", #"{"path":"[\"/etc/passwd\",\"data\"]"}"#),
        ("get", #"{"url":"https://api.example.com@evil.example/"}"#), ("count", #"{"n":9e9}"#),
    ]) func `an allow rule takes nothing that a lenient server reads otherwise`(tool: String, arguments: String) throws
    {
        #expect(!(try decide(try narrow(), callJSON("\"\(tool)\"", arguments)).passes))
    }

    @Test(arguments: [
        ("read", #"{"files":[{"path":"/data/a"},{"path":"/data/b"}]}"#), ("open", #"{"path":"data"}"#),
        ("get", #"{"url":"https://api.example.com/v1"}"#), ("count", #"{"n":"01"}"#), ("count", #"{"n":1}"#),
    ]) func `guesses take nothing from an allow rule`(tool: String, arguments: String) throws {
        #expect(try decide(try narrow(), callJSON("\"\(tool)\"", arguments)).passes)
    }

    @Test func `a reference with both a URI and a name is both`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
              - {name: prompts, match: {prompts: [secret]}, action: deny}
              - {name: resources, match: {resources: ["vault:*"]}, action: deny}
              - {name: rest, match: {methods: ["*"]}, action: allow}
            """)
        for reference in [
            #"{"type":"ref/prompt","name":"secret","uri":"x"}"#, #"{"type":"ref/resource","name":"x","uri":"vault:a"}"#,
            #"{"type":"ref/resource","uri":["vault:a"]}"#,
        ] {
            let json = #"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":\#(reference)}}"#
            #expect(!(try decide(policy, Array(json.utf8)).passes))
        }
    }
}
