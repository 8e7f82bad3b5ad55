import Testing

@testable import Configuration

@Suite struct UpstreamURLTests {
    @Test(
        arguments: [
            ("http://127.0.0.1:8080/mcp", "127.0.0.1", 8080, "/mcp", "127.0.0.1:8080"),
            ("http://example.com", "example.com", 80, "/", "example.com"),
            ("http://example.com/", "example.com", 80, "/", "example.com"),
            ("http://example.com:80/x", "example.com", 80, "/x", "example.com"),
            ("HTTP://Example.COM:1/x", "Example.COM", 1, "/x", "Example.COM:1"),
            ("http://h?a=b", "h", 80, "/?a=b", "h"), ("http://h/p?a=b&c=%2f?/", "h", 80, "/p?a=b&c=%2f?/", "h"),
            ("http://h//", "h", 80, "//", "h"),
            ("http://my_host-1.local:65535/a/../b", "my_host-1.local", 65535, "/a/../b", "my_host-1.local:65535"),
            ("http://[::1]/mcp", "::1", 80, "/mcp", "[::1]"), ("http://[::1]:8080", "::1", 8080, "/", "[::1]:8080"),
            ("http://[2001:db8::1]:80?x", "2001:db8::1", 80, "/?x", "[2001:db8::1]"),
            ("http://h/a@b:c", "h", 80, "/a@b:c", "h"), ("http://h/://", "h", 80, "/://", "h"),
        ] as [(String, String, UInt16, String, String)])
    func accepted(text: String, host: String, port: UInt16, target: String, authority: String) throws {
        let url = try UpstreamURL(parsing: text, source: "--upstream")
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.target == target)
        #expect(url.authority == authority)
        #expect(url.description == "http://\(authority)\(target)")
        #expect(try UpstreamURL(parsing: url.description, source: "--upstream") == url)
    }

    @Test(arguments: [
        "", "http", "http:", "http:/h", "h", "h:80/mcp", "//h/mcp", "127.0.0.1:8080", "ftp://h/", "https://h/",
        "unix:/x",
        "file:///x", "://h/", " http://h/", "http ://h/", "http://", "http:///mcp", "http://:80/", "http://h:/",
        "http://h:0/", "http://h:65536/", "http://h:-1/", "http://h:+1/", "http://h:8o/", "http://h:٨/",
        "http://h:80:80/",
        "http://h:80x/", "http://[::1/", "http://::1/", "http://[::1]x/", "http://[::1]:/", "http://[::1]:0/",
        "http://[h]/", "http://[]/", "http://[::1]]/", "http://[[::1]]/", "http://[1:2]/", "http://[:]/",
        "http://[fe80::1%25eth0]/", "http://[127.0.0.1]/", "http://user@h/", "http://user:pass@h/", "http://@h/",
        "http://h@/", "http://h:80@evil/", "http://h#f", "http://h/#", "http://h/p#f", "http://h/?q#f", "http://h /",
        "http://h/a b", "http://h/a\tb", "http://h/a\r\nX: y", "http://h/\u{7F}", "http://h/\0", "http://h\r\n/",
        "http://h/é", "http://é/", "http://h\u{301}/", "http://h/\u{301}", "http://h\u{2E}\u{301}/", "http://h%41/",
        "http://h,i/", "http://h;i/", "http://h*/", "http://h\\@evil/", "http://h/#\u{301}", "http://ｈ/",
        "http://u@\u{301}h/",
    ])
    func refused(text: String) throws {
        let error = try #require(
            configurationError { () throws(ConfigurationError) in
                _ = try UpstreamURL(parsing: text, source: "MCPGW_UPSTREAM")
            }, "'\(text)' is accepted")
        #expect(error.source == "MCPGW_UPSTREAM")
        #expect(error.description == "MCPGW_UPSTREAM: \(error.message)")
        #expect(!error.message.isEmpty)
    }

    /// Each message names the fault, so that the user knows what to change.
    @Test(arguments: [
        ("h/mcp", "write for example http://"), ("https://h/", "https upstreams are not supported yet"),
        ("ftp://h/", "'ftp' is not supported; write an http:// URL"), ("http://h/#f", "fragment; remove"),
        ("http://u:p@h/", "credentials do not belong in a URL"), ("http://h/a b", "characters that a URL must escape"),
        ("http://h:0/", "no valid port"), ("http:///x", "no valid host"), ("http://[zz]/", "not an IPv6 address"),
    ])
    func theMessageNamesTheFault(text: String, part: String) {
        let error = configurationError { () throws(ConfigurationError) in
            _ = try UpstreamURL(parsing: text, source: "--upstream")
        }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "accepted")")
    }

    @Test func aPasswordIsNeverRepeatedInTheMessage() {
        for text in ["http://u:hunter2@h/", "http://u:hunter2@h:x/", "http://u:hunter2@/"] {
            let error = configurationError { () throws(ConfigurationError) in
                _ = try UpstreamURL(parsing: text, source: "--upstream")
            }
            #expect(error?.description.contains("hunter2") == false)
        }
    }

    /// What the parser takes, every worker can be told: the generation's limits are never met later.
    @Test func lengthsThatNoWorkerWouldTakeAreRefusedHere() throws {
        let longest = "http://h/" + String(repeating: "a", count: UpstreamURL.maximumTarget - 1)
        #expect(try UpstreamURL(parsing: longest, source: "x").target.utf8.count == UpstreamURL.maximumTarget)
        let longestHost = String(repeating: "a", count: 253)
        #expect(try UpstreamURL(parsing: "http://\(longestHost)/", source: "x").host == longestHost)
        for text in [longest + "a", "http://\(longestHost)a/", "http://[::\(String(repeating: "0", count: 300))]/"] {
            #expect(
                configurationError { () throws(ConfigurationError) in _ = try UpstreamURL(parsing: text, source: "x") }
                    != nil)
        }
    }
}
