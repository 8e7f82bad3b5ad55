import Testing

@testable import Policy

/// What gets past a naive matcher. Each is a call as the client writes it; none may pass.
@Suite struct EvasionTests {
    private func guarded() throws -> CompiledPolicy {
        try policy(
            """
            version: v1
            rules:
              - name: no-danger
                match:
                  tools: ["exec_*", "Löschen"]
                  arguments:
                    command: ["*rm -rf*", "*sudo*"]
                action: deny
              - name: no-secrets
                match:
                  tools: ["read_file"]
                  arguments:
                    path: ["/etc/*", "*.env", "*.pem"]
                action: deny
              - name: no-paths
                match: {arguments: {path: ["/etc/*", "*.env", "*.pem"]}}
                action: deny
              - name: no-nested
                match: {arguments: {"files[*].path": ["/etc/*"]}}
                action: deny
              - name: no-encoded
                match: {tools: [fetch], arguments: {data: ["*password*", "*/etc/shadow*"]}, decode: [percent, base64]}
                action: deny
              - name: no-tool
                match: {tools: ["delete_all", "ﬁles"]}
                action: deny
              - name: rest
                match: {methods: ["*"]}
                action: allow
            """)
    }

    @Test(arguments: [
        // Commands.
        #"{"command":"rm -rf /"}"#, #"{"command":"rm  -rf /"}"#, #"{"command":"rm\t-rf /"}"#,
        #"{"command":"rm\n-rf /"}"#,
        #"{"command":"r\u006d -rf /"}"#, #"{"command":"rm\u00a0-rf /"}"#, #"{"command":"rm\u3000-rf /"}"#,
        #"{"command":"r\u200bm -rf /"}"#, #"{"command":"r\u202em -rf /"}"#, #"{"command":"r\u00adm -rf /"}"#,
        #"{"command":"ｒｍ －ｒｆ /"}"#, #"{"command":"𝐫𝐦 -𝐫𝐟 /"}"#, #"{"command":"su\ufeffdo x"}"#,
        #"{"command":"s\u0000udo x"}"#,
        #"{"command":"su\udb40\udc41do x"}"#, #"{"command":"ⓢudo x"}"#, #"{"command":"ſudo x"}"#,
        // Other shapes.
        #"{"command":["rm -rf /"]}"#, #"{"command":["rm","-rf","/"]}"#, #"{"command":[["sudo"]]}"#,
        #"{"command":{"line":"sudo x"}}"#, #"{"command":["a",{"b":["rm -rf"]}]}"#, #"[{"command":"sudo x"}]"#,
        #""sudo x""#,
        // Names of arguments.
        #"{"Command":"sudo x"}"#, #"{"COMMAND":"sudo x"}"#, #"{"com\u006dand":"sudo x"}"#,
        #"{"com\u200bmand":"sudo x"}"#,
        #"{"ｃommand":"sudo x"}"#, #"{"command ":"sudo x"}"#, #"{"command\u0000":"sudo x"}"#,
        #"{"command\u0000x":"sudo x"}"#,
        #"{"command":"ls","Command":"sudo x"}"#, #"{"command":"ls","command\u200d":"sudo x"}"#,
    ]) func `a command in disguise is denied`(arguments: String) throws {
        #expect(!(try decide(try guarded(), callJSON(#""exec_shell""#, arguments)).passes))
    }

    @Test func `a very long value is matched to its end`() throws {
        let command = String(repeating: "echo lorem ipsum; ", count: 60_000) + "sudo x"
        #expect(!(try decide(try guarded(), callJSON(#""exec_shell""#, #"{"command":"\#(command)"}"#)).passes))
        let many = (0..<20_000).map { #""a\#($0)""# }.joined(separator: ",")
        #expect(!(try decide(try guarded(), callJSON(#""exec_shell""#, #"{"command":[\#(many),"sudo"]}"#)).passes))
    }

    @Test(arguments: [
        #"{"path":"/etc/passwd"}"#, #"{"path":"//etc/passwd"}"#, #"{"path":"/./etc/passwd"}"#,
        #"{"path":"/x/../etc/passwd"}"#,
        #"{"path":"/srv/./../etc//passwd"}"#, #"{"path":"../../../etc/passwd"}"#, #"{"path":"a/../../etc/passwd"}"#,
        #"{"path":"\\etc\\passwd"}"#, #"{"path":"..\\..\\etc\\passwd"}"#, #"{"path":"\/etc\/passwd"}"#,
        #"{"path":"file:///etc/passwd"}"#, #"{"path":"FILE:///etc/passwd"}"#, #"{"path":"file:/etc/passwd"}"#,
        #"{"path":"file://localhost/etc/passwd"}"#, #"{"path":"file:///%65tc/passwd"}"#,
        #"{"path":"file:///etc%2fpasswd"}"#,
        #"{"path":"file:///srv/../etc/passwd#x"}"#, #"{"path":"/proc/self/root/etc/passwd"}"#,
        #"{"path":"/proc/1/root/etc/passwd"}"#, #"{"path":"/proc/thread-self/root/etc/passwd"}"#,
        #"{"path":"/proc/self/task/7/root/etc/passwd"}"#, #"{"path":"/proc/self/cwd/../../etc/passwd"}"#,
        #"{"path":"/dev/fd/../root/etc/passwd"}"#, #"{"path":"/dev//fd/../../self/root/etc/passwd"}"#,
        #"{"path":" /etc/passwd"}"#, #"{"path":"/etc/passwd\n"}"#, #"{"path":"\u200b/etc/passwd"}"#,
        #"{"path":"／etc／passwd"}"#,
        #"{"path":"/e\u0000tc/passwd"}"#, #"{"path":"/srv/.env\u0000.txt"}"#, #"{"path":"/srv/key.pem/"}"#,
        #"{"path":"/srv/key.pem/."}"#, #"{"path":"/srv/key.pem "}"#, #"{"path":"/srv/key．pem"}"#,
        #"{"path":"ab://../../etc/passwd"}"#,
        #"{"path":"/data/ab://../../../etc/passwd"}"#, #"{"path":["/etc/passwd"]}"#, #"{"path":{"x":"/etc/passwd"}}"#,
        #"{"path":"/srv/ok","Path":"/etc/passwd"}"#, #"{"PATH":"/etc/passwd"}"#,
        #"{"files":[{"path":"/etc/passwd"}]}"#, #"{"files":{"path":"/etc/passwd"}}"#,
        #"{"files":[[{"path":"/etc/x"}]]}"#,
        #"{"files":[{"path":"/srv/a"},{"path":"/etc/x"}]}"#, #"{"Files":[{"PATH":"/etc/passwd"}]}"#,
        #"{"files[*].path":"/etc/x"}"#,
    ]) func `a path in disguise is denied`(arguments: String) throws {
        #expect(!(try decide(try guarded(), callJSON(#""open""#, arguments)).passes))
    }

    @Test(arguments: [
        #"{"data":"cGFzc3dvcmQ="}"#, #"{"data":"cGFzc3dvcmQ"}"#, #"{"data":"x=Y2F0IC9ldGMvc2hhZG93 | base64 -d"}"#,
        #"{"data":"p%61ssword"}"#, #"{"data":"p%2561ssword"}"#, #"{"data":"%2Fetc%2Fshadow"}"#,
        #"{"data":"%c0%afetc%c0%afshadow"}"#,
        #"{"data":"p%E2%80%8Bassword"}"#, #"{"data":"%2fetc%2f.%2fshadow"}"#,
    ]) func `an encoded value is denied where the rule decodes`(arguments: String) throws {
        #expect(!(try decide(try guarded(), callJSON(#""fetch""#, arguments)).passes))
    }

    @Test(arguments: [
        #""delete_all""#, #""delete\u005fall""#, #""delete_all\u200b""#, #""ｄelete_all""#, #""delete_all ""#,
        #""de\u00adlete_all""#,
        #""delete_all\u0000x""#, #""ﬁles""#, #""files""#,
    ]) func `a tool in disguise is denied`(name: String) throws {
        #expect(!(try decide(try guarded(), callJSON(name, "{}")).passes))
    }

    @Test(arguments: ["tools/Call", "tools/call\u{200B}", "ｔools/call", "TOOLS/CALL", "tools/call "])
    func `a method in disguise is denied`(method: String) throws {
        var call = Call.tool("delete_all", [])
        call.method = method
        let verdict = try decide(try guarded(), call)
        #expect(!verdict.passes)
        #expect(verdict.cause == .disguisedMethod)
    }

    @Test(arguments: [
        #"{"command":"ls -la"}"#, #"{"command":["ls","-la"]}"#, #"{"path":"/srv/etc/passwd"}"#,
        #"{"path":"/etcetera"}"#,
        #"{"files":[]}"#, #"{"note":"sudo is a word"}"#, #"{"command":"rm -r f"}"#,
        #"{"path":"https://example.com/etc/../x"}"#,
        #"{"path":null}"#, #"{"command":7}"#, "{}",
    ]) func `harmless calls pass`(arguments: String) throws {
        #expect(try decide(try guarded(), callJSON(#""exec_shell""#, arguments)).passes)
    }

    private func narrow() throws -> CompiledPolicy {
        try policy(
            """
            version: v1
            rules:
              - name: data-only
                match: {tools: [read_file], arguments: {path: ["/data/*", "https://api.example.com/*"]}}
                action: allow
            """)
    }

    @Test(arguments: [
        #"{"path":"/data/../etc/passwd"}"#, #"{"path":"/data/x/../../etc/passwd"}"#,
        #"{"path":["/data/a","/etc/passwd"]}"#,
        #"{"path":"/data/a","Path":"/etc/passwd"}"#, #"{"path":"/data\\..\\..\\etc"}"#,
        #"{"path":"/data/..\u200b/../etc"}"#,
        #"{"path":["/data/a","b"]}"#, #"{"path":[]}"#, #"{"path":{}}"#, "{}", #"{"path":null}"#, #"{"path":7}"#,
        #"{"path":"\u0000/data/x"}"#, #"{"path":"https://api.example.com/../../../../etc/passwd"}"#,
        #"{"path":" /etc/x"}"#,
        #"{"path":"/data/\u0000/../../etc"}"#,
    ]) func `an allow rule takes nothing that might be something else`(arguments: String) throws {
        #expect(!(try decide(try narrow(), callJSON(#""read_file""#, arguments)).passes))
    }

    @Test(arguments: [
        #"{"path":"/data/a"}"#, #"{"path":"/data/Größe"}"#, #"{"path":["/data/a","/data/b"]}"#,
        #"{"path":"/data/ a  b"}"#,
        #"{"path":"https://api.example.com/v1//x"}"#, #"{"path":"/data/x/../y"}"#,
    ]) func `an allow rule takes what is allowed in every form`(arguments: String) throws {
        #expect(try decide(try narrow(), callJSON(#""read_file""#, arguments)).passes)
    }
}
