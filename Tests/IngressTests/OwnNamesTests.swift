import Testing

@testable import Ingress

@Suite struct OwnNamesTests {
    private static let loopback = ["127.0.0.1:9090", "[::1]:9090", "127.0.0.2:80"]

    /// By the way that requests take.
    private func accepts(_ names: OwnNames, _ host: String) -> Bool { names.accepts(host: Array(host.utf8).span) }

    @Test(arguments: loopback)
    func aLoopbackListenerIsCalledByTheLoopbacksNames(address: String) {
        let names = OwnNames(address: address)
        for host in [
            "localhost", "localhost:9090", "localhost:1", "LOCALHOST", "LocalHost:9090", "127.0.0.1", "127.0.0.1:9090",
            "[::1]",
            "[::1]:9090", "localhost:",
        ] {
            #expect(names.accepts(host: host), "\(host)")
            #expect(accepts(names, host), "\(host)")
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
            #expect(!accepts(names, host), "\(host) at \(address)")
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

    /// Other hosts call it by names that it does not know; there every request shows a credential.
    @Test(arguments: ["192.0.2.7:9090", "0.0.0.0:9090", "[::]:9090", "[2001:db8::7]:9090", "[::ffff:127.0.0.1]:9090"])
    func aListenerForOtherHostsIsCalledByAnyName(address: String) {
        let names = OwnNames(address: address)
        for host in [
            "192.0.2.7", "192.0.2.7:1234", "localhost", "127.0.0.1:9090", "[::1]", "[2001:DB8::7]:9090",
            "gateway.example", "Gate_Way-1.example.:80",
        ] {
            #expect(accepts(names, host), "\(host)")
        }
        for host in ["", ":80", "2001:db8::7", "[::1", "[::1]x", "[x]", "a b", "a/b", "a@b", "a,b", "a:x", "é", "a\0"] {
            #expect(!accepts(names, host), "\(host)")
        }
    }

    @Test func aListenerForOtherHostsHasOnlyItsAddressAsOrigin() {
        let names = OwnNames(address: "192.0.2.7:9090")
        #expect(names.accepts(origin: "http://192.0.2.7:9090"))
        for origin in [
            "http://evil.example", "http://localhost", "http://192.0.2.70", "http://192.0.2.7.evil.example", "http://",
            "null",
        ] {
            #expect(!names.accepts(origin: origin), "\(origin)")
        }
        #expect(!OwnNames(address: "0.0.0.0:9090").accepts(origin: "http://evil.example:9090"))
    }

    @Test func aUnixSocketIsCalledLocalhost() {
        let names = OwnNames(address: "unix:/run/mcpgw/ingress")
        for host in ["localhost", "LOCALHOST", "localhost:80", "127.0.0.1"] {
            #expect(accepts(names, host), "\(host)")
        }
        for host in ["", "evil.example", "localhost.evil.example", "/run/mcpgw/ingress", "unix:/run/mcpgw/ingress"] {
            #expect(!accepts(names, host), "\(host)")
        }
    }

    /// The spellings that are known beforehand are a short cut, not a second opinion.
    @Test func theShortCutAndTheFullReadingAgree() {
        let addresses =
            Self.loopback + [
                "0.0.0.0:80", "192.0.2.7:9090", "[2001:db8::7]:9090", "127.0.0.1:0", "unix:/run/mcpgw/ingress",
                "unix:", "unix:/a:b",
            ]
        let names = [
            "localhost", "LocalHost", "127.0.0.1", "127.0.0.2", "[::1]", "::1", "192.0.2.7", "[2001:db8::7]",
            "[2001:DB8::7]", "0.0.0.0", "unix", "evil.example", "",
        ]
        let ports = ["", ":", ":9090", ":80", ":0", ":90900", ":9090:9090", ":x", " ", ".", "/run/mcpgw/ingress"]
        var accepted = 0
        for address in addresses {
            let own = OwnNames(address: address)
            for host in names.flatMap({ name in ports.map { name + $0 } }) + addresses {
                // The value and what resembles it: a byte more or less at either end.
                let value = Array(host.utf8)
                let more = Array(".:0x@/ \0".utf8) + [0xFF]
                let values =
                    [value, Array(value.dropFirst()), Array(value.dropLast())]
                    + more.flatMap { [value + [$0], [$0] + value] }
                for bytes in values {
                    let short = own.accepts(host: bytes.span)
                    #expect(short == own.accepts(host: String(decoding: bytes, as: UTF8.self)), "\(host) at \(address)")
                    if short { accepted += 1 }
                }
            }
        }
        #expect(accepted > 100)
    }
}
