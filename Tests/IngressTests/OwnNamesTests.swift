import Testing

@testable import Ingress

@Suite struct OwnNamesTests {
    private static let loopback = ["127.0.0.1:9090", "[::1]:9090", "127.0.0.2:80"]

    @Test(arguments: loopback)
    func aLoopbackListenerIsCalledByTheLoopbacksNames(address: String) {
        let names = OwnNames(address: address)
        for host in [
            "localhost", "localhost:9090", "localhost:1", "LOCALHOST", "LocalHost:9090", "127.0.0.1", "127.0.0.1:9090",
            "[::1]",
            "[::1]:9090", "localhost:",
        ] {
            #expect(names.accepts(host: host), "\(host)")
            #expect(names.accepts(origin: "http://\(host)"))
            #expect(names.accepts(origin: "https://\(host)"))
        }
        #expect(names.accepts(host: String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])))
    }

    /// Names that a foreign site resolves to the loopback address, or writes so that a careless reader takes them for it.
    @Test(arguments: [
        "", ":", ":9090", "evil.example", "evil.example:9090", "localhost.evil.example", "evil-localhost", "xlocalhost",
        "localhost.", "localhost.:9090", "127.0.0.1.", "127.0.0.1.nip.io", "127.0.0.1.evil.example:9090", "127.0.0.3",
        "127.1", "127.0.0.01", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0", "0.0.0.0", "0.0.0.0:9090", "[::]", "::1",
        "::1:9090",
        "[::1", "[::1]x", "[::1]9090", "[::1]:x", "[::1]]", "[[::1]]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
        "[::1%lo]", "[localhost]", "[127.0.0.1]", "localhost@evil.example", "evil.example@localhost",
        "localhost:9090@evil.example",
        "evil.example:80@localhost:9090", "user:pass@localhost", "@localhost", "localhost@", " localhost", "localhost ",
        "localhost :9090", "localhost: 9090", "localhost:90 90", "local host", "localhost\t", "localhost:9090/",
        "localhost/",
        "localhost?", "localhost#", "localhost:+1", "localhost:-1", "localhost:0x50", "localhost:9090:9090",
        "localhost::9090",
        "localhost:٩٠", "localhost:９", "ｌocalhost", "loc\u{200B}alhost", "localhost\u{301}", "localhost\0",
        "localhost,evil.example",
        "localhost\\", "http://localhost", "*", "ip6-localhost", "localhost.localdomain",
    ])
    func everyOtherNameIsForeign(host: String) {
        for address in Self.loopback {
            let names = OwnNames(address: address)
            #expect(!names.accepts(host: host), "\(host) at \(address)")
            #expect(!names.accepts(origin: "http://\(host)"), "\(host) at \(address)")
        }
    }

    @Test(arguments: [
        "", "null", "localhost", "//localhost", "http:localhost", "http:/localhost", "http//localhost",
        "ftp://localhost",
        "file://localhost", "chrome-extension://localhost", "http://", "https://", "http://localhost/",
        "http://localhost/path",
        " http://localhost", "http://localhost http://evil.example", "http://evil.example",
        "http://localhost,http://evil.example",
        "http://http://localhost", "javascript:http://localhost", "httpx://localhost", "http://user@localhost",
    ])
    func everyOtherOriginIsForeign(origin: String) {
        for address in Self.loopback { #expect(!OwnNames(address: address).accepts(origin: origin), "\(origin)") }
    }

    @Test func anotherListenerIsCalledByItsAddressOnly() {
        let names = OwnNames(address: "192.0.2.7:9090")
        #expect(names.accepts(host: "192.0.2.7"))
        #expect(names.accepts(host: "192.0.2.7:1234"))
        for host in ["localhost", "127.0.0.1", "[::1]", "192.0.2.70", "192.0.2.7.evil.example"] {
            #expect(!names.accepts(host: host))
        }
        let six = OwnNames(address: "[2001:db8::7]:9090")
        #expect(six.accepts(host: "[2001:DB8::7]:9090"))
        #expect(!six.accepts(host: "2001:db8::7"))
        #expect(!six.accepts(host: "[2001:db8::71]"))
        #expect(!six.accepts(host: "[::1]"))
    }
}
