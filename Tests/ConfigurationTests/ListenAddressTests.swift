import Testing

@testable import Configuration

/// The error that `body` throws, or nil.
func configurationError(_ body: () throws(ConfigurationError) -> Void) -> ConfigurationError? {
    do throws(ConfigurationError) {
        try body()
        return nil
    } catch {
        return error
    }
}

@Suite struct ListenAddressTests {
    private func address(_ text: String, emptyHost: String = "0.0.0.0") throws -> ListenAddress {
        try ListenAddress(parsing: text, emptyHost: emptyHost, source: "--listen")
    }

    @Test(
        arguments: [
            ("127.0.0.1:9090", "127.0.0.1", 9090), ("0.0.0.0:0", "0.0.0.0", 0), ("10.1.2.3:65535", "10.1.2.3", 65535),
            ("[::1]:80", "::1", 80), ("[::]:1", "::", 1), ("[2001:DB8::a]:443", "2001:DB8::a", 443),
            ("[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1), ("localhost:7", "127.0.0.1", 7), (":7", "0.0.0.0", 7),
            ("127.0.0.1:00080", "127.0.0.1", 80),
        ] as [(String, String, UInt16)])
    func accepted(text: String, host: String, port: UInt16) throws {
        #expect(try address(text) == ListenAddress(host: host, port: port))
    }

    @Test func anEmptyHostIsWhatTheCallerSays() throws {
        #expect(try address(":9091", emptyHost: "127.0.0.1") == ListenAddress(host: "127.0.0.1", port: 9091))
        #expect(try address(":9091", emptyHost: "::1") == ListenAddress(host: "::1", port: 9091))
    }

    @Test(arguments: [
        "", "9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 80",
        "127.0.0.1:80 ", "127.0.0.1:0x50", "127.0.0.1:8o", "127.0.0.1:٨٠", "127.0.0.1:80:80", "::1:80", "::1", "[::1]",
        "[::1]80", "[::1:80", "::1]:80", "[127.0.0.1]:80", "[]:80", "[ ::1]:80", "example.com:80", "localhost.:80",
        "LOCALHOST:80", "dead.beef:80", "a.b:80", "127.1:80", "1.2.3.4.5:80", "256.0.0.1:80", "127.0.0.1.:80",
        "127.000.000.001:80", "[fe80::1%eth0]:80", "[:::]:80", "[1:2]:80", "[12345::]:80", "[::1.2.3]:80", "*:80",
        "127.0.0.1\n:80", "127.0.0.1\u{301}:80", "127.0.0.1\0:80", "user@127.0.0.1:80", "http://127.0.0.1:80",
        "unix:/x",
        "127.0.0.1:99999999999999999999", "1２7.0.0.1:80",
    ])
    func refused(text: String) throws {
        let error = try #require(
            configurationError { () throws(ConfigurationError) in
                _ = try ListenAddress(parsing: text, emptyHost: "0.0.0.0", source: "--listen")
            }, "'\(text)' is accepted")
        #expect(error.source == "--listen")
        #expect(error.description.hasPrefix("--listen: "))
        #expect(
            ["write ", "is not a port from 0 to 65535", "no IPv6 address inside", "for example"].contains {
                error.message.contains($0)
            }, "\(error.message)")
    }

    @Test(arguments: ["127.0.0.1:9090", "[::1]:9090", "[2001:db8::1]:1", "0.0.0.0:0"])
    func theDescriptionReadsAsTheSameAddress(text: String) throws {
        #expect(try address(text).description == text)
        #expect(try address(address(text).description) == address(text))
    }

    @Test(arguments: [
        ("127.0.0.1:1", true), ("127.255.3.4:1", true), ("[::1]:1", true), ("localhost:1", true), ("0.0.0.0:1", false),
        ("[::]:1", false), ("10.127.0.1:1", false), ("[::ffff:127.0.0.1]:1", false), ("[127::1]:1", false),
        ("128.0.0.1:1", false),
    ])
    func onlyLoopbackAddressesAreLoopback(text: String, isLoopback: Bool) throws {
        #expect(try address(text).isLoopback == isLoopback)
    }
}
