import CKernel
import Configuration
import Glibc
import Testing

@testable import Supervisor

/// Each case runs in a process of its own, since it sets variables and fixed descriptors. It ends with what it saw, the uses and addresses
/// taken or the message, on stderr.
@Suite struct ListenersTests {
    /// Not 3, where the runtime of the test process keeps descriptors of its own.
    private static let first: Int32 = 200

    /// What stands at one passed descriptor.
    private enum Passed: String {
        case tcp, loopback6, unix, packets, unbound, connected, pipe, file, closed
    }

    private static func make(_ kind: Passed) -> Int32 {
        var pair: [Int32] = [-1, -1]
        switch kind {
        case .tcp: return unsafe ck_listen_tcp("127.0.0.1", 0, 4)
        case .loopback6: return unsafe ck_listen_tcp("::1", 0, 4)
        case .unix:
            let path = "/tmp/mcpgw-test-\(getpid()).sock"
            defer { _ = unsafe unlink(path) }
            return unsafe ck_listen_unix(path, 0o600, 4)
        case .packets:
            var address = sockaddr()
            address.sa_family = sa_family_t(AF_UNIX)
            let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
            // Bound to a name of the kernel's choice (unix(7), autobind).
            _ = unsafe bind(descriptor, &address, socklen_t(MemoryLayout<sa_family_t>.size))
            _ = listen(descriptor, 4)
            return descriptor
        case .unbound: return socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        case .connected:
            _ = unsafe ck_stream_pair(&pair, 4096)
            return pair[0]
        case .pipe:
            _ = unsafe ck_pipe(&pair)
            return pair[0]
        case .file: return unsafe open("/dev/null", O_RDONLY)
        case .closed: return -1
        }
    }

    /// Takes the sockets in a new process and returns what it wrote.
    private func take(_ kinds: [Passed], _ variables: [String: String?]) async throws -> String {
        let kinds = kinds.map(\.rawValue).joined(separator: ",")
        let count = kinds.isEmpty ? 0 : kinds.split(separator: ",").count
        var variables = variables
        if variables["LISTEN_FDS"] == nil { variables["LISTEN_FDS"] = .some("\(count)") }
        let settings = variables.compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: "\n")
        let result = try await #require(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            [kinds = kinds as String, settings = settings as String] in
            Self.run(kinds, settings)
        }
        return Self.text(result.standardErrorContent)
    }

    /// What a process wrote after its heading.
    private static func text(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasPrefix("taken:\n") ? String(text.dropFirst(7)) : "no heading: \(text)"
    }

    private static func run(_ kinds: String, _ settings: String) {
        let made = kinds.split(separator: ",").compactMap { Passed(rawValue: String($0)) }.map(make)
        for (index, descriptor) in made.enumerated() where descriptor >= 0 { dup2(descriptor, first + Int32(index)) }
        for setting in settings.split(separator: "\n") {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            unsafe setenv(parts[0], parts[1].replacing("PID", with: "\(getpid())"), 1)
        }
        var text = "taken:\n"
        do throws(StartError) {
            for listener in try Listeners.takePassed(first: first) {
                let flags = (fcntl(listener.descriptor, F_GETFD), fcntl(listener.descriptor, F_GETFL) & O_NONBLOCK)
                text +=
                    "\(listener.use.rawValue) \(listener.descriptor) \(listener.address) \(flags == (FD_CLOEXEC, O_NONBLOCK))\n"
            }
        } catch {
            text += "error: \(error)\n"
        }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] where unsafe getenv(name) != nil {
            text += "\(name) is left\n"
        }
        _ = unsafe write(2, text, text.utf8.count)
        exit(0)
    }

    @Test func namedSocketsAreTakenWithTheirAddresses() async throws {
        let text = try await take([.tcp, .loopback6], ["LISTEN_PID": "PID", "LISTEN_FDNAMES": "mcp:metrics"])
        let lines = text.split(separator: "\n")
        try #require(lines.count == 2, "\(text)")
        #expect(lines[0].hasPrefix("mcp 200 127.0.0.1:") && lines[0].hasSuffix(" true"))
        #expect(lines[1].hasPrefix("metrics 201 [::1]:") && lines[1].hasSuffix(" true"))
        let swapped = try await take([.tcp, .loopback6], ["LISTEN_PID": "PID", "LISTEN_FDNAMES": "metrics:mcp"])
        #expect(swapped.hasPrefix("metrics 200 127.0.0.1:"))
    }

    @Test(arguments: [nil, "unknown", "", "mcp"])
    func aSingleSocketWithoutAUsefulNameIsTheOneForClients(name: String?) async throws {
        let tcp = try await take([.tcp], ["LISTEN_PID": "PID", "LISTEN_FDNAMES": name])
        #expect(tcp.hasPrefix("mcp 200 127.0.0.1:"), "\(tcp)")
        let unix = try await take([.unix], ["LISTEN_FDNAMES": name])
        #expect(unix.hasPrefix("mcp 200 unix:/"), "\(unix)")
    }

    @Test func socketsOfAnotherProcessAreLeftAlone() async throws {
        #expect(try await take([.tcp], ["LISTEN_PID": "1"]).isEmpty)
        #expect(try await take([.tcp], ["LISTEN_PID": "x"]).isEmpty)
        #expect(try await take([.tcp], ["LISTEN_PID": ""]).isEmpty)
        #expect(try await take([], ["LISTEN_FDS": "junk", "LISTEN_PID": "1"]).isEmpty)
    }

    @Test(arguments: ["", "0", "-1", "17", "1x", " 1", "0x1", "99999999999", "two"])
    func aCountThatIsNoneIsRefused(count: String) async throws {
        let text = try await take([.tcp], ["LISTEN_FDS": count, "LISTEN_PID": "PID"])
        #expect(text == "error: LISTEN_FDS='\(count)' is not a number of sockets from 1 to 16\n")
    }

    @Test(arguments: ["mcp", "mcp:metrics:mcp", "", ":"])
    func namesMustBeAsManyAsSockets(names: String) async throws {
        let kinds: [Passed] = names == ":" ? [.tcp, .tcp, .tcp] : [.tcp, .tcp]
        let text = try await take(kinds, ["LISTEN_FDNAMES": names])
        #expect(
            text.hasPrefix(
                "error: LISTEN_FDNAMES has \(names.split(separator: ":", omittingEmptySubsequences: false).count) names"
            ))
    }

    @Test(arguments: ["mcp:control", "mcp:other", "mcp:", "unknown:unknown", "MCP:metrics", "mcp: metrics"])
    func namesMustBeKnown(names: String) async throws {
        let text = try await take([.tcp, .tcp], ["LISTEN_FDNAMES": names])
        #expect(
            text.hasPrefix("error: LISTEN_FDNAMES names socket ") && text.hasSuffix("known names are mcp and metrics\n")
        )
    }

    @Test func theControlSocketIsNeverTakenFromOutside() async throws {
        #expect(
            try await take([.unix], ["LISTEN_FDNAMES": "control"]).hasPrefix(
                "error: LISTEN_FDNAMES names socket 200 'control'"))
    }

    @Test func aNameStandsOnce() async throws {
        #expect(
            try await take([.tcp, .tcp], ["LISTEN_FDNAMES": "mcp:mcp"])
                == "error: LISTEN_FDNAMES names two sockets 'mcp'\n")
    }

    @Test func whatIsNoListeningStreamSocketIsRefused() async throws {
        for kind in [Passed.packets, .unbound, .connected, .pipe, .file, .closed] {
            let text = try await take([.tcp, kind], ["LISTEN_FDNAMES": "mcp:metrics"])
            #expect(
                text == "error: LISTEN_FDS passes descriptor 201 ('metrics'), which is not a listening stream socket\n",
                "\(kind)")
        }
    }

    @Test func withoutTheVariablesNothingIsTaken() async throws {
        let result = try await #require(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            _ = unsafe unsetenv("LISTEN_FDS")
            Self.run("tcp", "")
        }
        #expect(Self.text(result.standardErrorContent).isEmpty)
    }

    @Test(arguments: ["0.0.0.0:9090", "192.0.2.1:9090", "[::]:9090", "[::ffff:127.0.0.1]:9090", "[fe80::1]:9090"])
    func whatOtherHostsReachNeedsItsOwnCredential(address: String) throws {
        func refusal(_ use: Listener.Use, _ configuration: Configuration) -> String? {
            startError { () throws(StartError) in
                try Listeners.refuseOpen(
                    [
                        Listener(use: .mcp, address: "127.0.0.1:1", descriptor: -1),
                        Listener(use: use, address: address, descriptor: -1),
                    ], configuration)
            }
        }
        var (keyed, managed) = (try configuration(routes: 1), try configuration(routes: 1))
        keyed.authentication.isRequired = true
        managed.metricsKeyDigest = [UInt8](repeating: 1, count: 32)
        #expect(refusal(.mcp, managed)?.contains("add auth.api_keys") == true)
        #expect(refusal(.mcp, keyed) == nil)
        #expect(refusal(.metrics, keyed)?.contains("add metrics.api_key") == true)
        #expect(refusal(.metrics, managed) == nil)
        keyed.metricsKeyDigest = managed.metricsKeyDigest
        #expect(refusal(.control, keyed) != nil)
    }

    @Test(arguments: ["127.0.0.1:9090", "127.8.8.8:1", "[::1]:9090", "unix:/run/mcpgw/mcp", "unix:"])
    func whatOnlyThisHostReachesNeedsNone(address: String) throws {
        let plain = try configuration(routes: 1)
        for use in Listener.Use.allCases {
            #expect(
                startError { () throws(StartError) in
                    try Listeners.refuseOpen([Listener(use: use, address: address, descriptor: -1)], plain)
                } == nil)
        }
    }

    @Test func anAddressInUseOrNotOfThisHostIsNamedWithWhatToDo() throws {
        let first = try Listeners.bind(.mcp, ListenAddress(host: "127.0.0.1", port: 0), option: "--listen")
        defer { close(first.descriptor) }
        let taken = try ListenAddress(parsing: first.address, emptyHost: "", source: "test")
        #expect(taken.port != 0)
        let inUse = startError { () throws(StartError) in _ = try Listeners.bind(.mcp, taken, option: "--listen") }
        #expect(
            try #require(inUse).contains("\(taken) (--listen)") && #require(inUse).contains("choose another address"))
        let foreign = startError { () throws(StartError) in
            _ = try Listeners.bind(.mcp, ListenAddress(host: "192.0.2.1", port: 0), option: "--listen")
        }
        #expect(try #require(foreign).contains("192.0.2.1:0 (--listen)") && #require(foreign).contains("no interface"))
    }

    /// Whether somebody can connect and is accepted.
    private func serves(_ listener: Listener) throws -> Bool {
        let address = try ListenAddress(parsing: listener.address, emptyHost: "", source: "test")
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        var to = sockaddr_in()
        to.sin_family = sa_family_t(AF_INET)
        to.sin_port = address.port.bigEndian
        to.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &to) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { return false }
        let accepted = accept(listener.descriptor, nil, nil)
        close(accepted)
        return accepted >= 0
    }

    @Test(arguments: [SHUT_RD, SHUT_RDWR])
    func aListenerThatWasShutListensAgain(how: Int) throws {
        let listener = try Listeners.bind(.mcp, ListenAddress(host: "127.0.0.1", port: 0), option: "--listen")
        defer { close(listener.descriptor) }
        #expect(try listener.listeningAgain() == nil)
        #expect(try serves(listener))
        #expect(shutdown(listener.descriptor, Int32(how)) == 0)
        #expect(try !serves(listener))
        let again = try #require(try listener.listeningAgain())
        #expect(again.descriptor == listener.descriptor && again.use == .mcp)
        #expect(try serves(again))
        #expect(try again.listeningAgain() == nil)
    }
}
