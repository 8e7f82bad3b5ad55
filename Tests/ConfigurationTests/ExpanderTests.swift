import Glibc
import Testing

@testable import Configuration

@Suite struct ExpanderTests {
    private let secret = "s3cr3t-of-20-letters"

    /// What a file with `user:` so written makes of it; the mistake if it makes none.
    private func user(_ written: String, _ directory: ConfigurationDirectory) throws -> (
        user: String?, mistakes: [String]
    ) {
        let reading = try directory.read("upstream: http://127.0.0.1:1/\nuser: \(written)\n")
        return (
            reading.configuration?.user, reading.errors.map { $0.description.replacing(directory.path + "/", with: "") }
        )
    }

    @Test(arguments: [
        ("$", "$"), ("a$b", "a$b"), ("$HOME", "$HOME"), ("'$$'", "$$"), ("'$(x)'", "$(x)"), ("'{x}'", "{x}"),
        ("a}", "a}"),
        ("${NAME}", "value"), ("a${NAME}b${NAME}", "avaluebvalue"), ("\"${NAME}\"", "value"), ("$${NAME}", "$value"),
        ("${_9a}", "nine"), ("${TRICK}", "x: [1]\n# ${NAME} ${file:/x}"),
    ])
    func onlyWhatIsWrittenSoIsExpandedAndOnlyOnce(written: String, expected: String) throws {
        let directory = try ConfigurationDirectory()
        directory.environment = ["NAME": "value", "_9a": "nine", "TRICK": "x: [1]\n# ${NAME} ${file:/x}"]
        let result = try user(written, directory)
        #expect(result.mistakes == [] && result.user == expected)
    }

    @Test(arguments: [
        ("${NOPE}", "the environment has no NOPE, which ${NOPE} asks for"),
        ("${EMPTY}", "the environment has no EMPTY, which ${EMPTY} asks for"),
        ("'a${NAME'", "${ stands without }"), ("'${}'", "what stands in ${} is no variable"),
        ("'${9}'", "what stands in ${} is no variable"),
        ("'${a-b}'", "what stands in ${} is no variable"), ("'${NAME:-x}'", "what stands in ${} is no variable"),
        ("'${file:}'", "${file:} names no file"),
        ("'${file:nowhere}'", "cannot read nowhere: No such file or directory"),
        ("'${credential:x}'", "$CREDENTIALS_DIRECTORY is not set"),
        ("'${credential:../x}'", "is no name of a credential"),
        ("'${credential:}'", "is no name of a credential"),
    ])
    func whatCannotBeExpandedIsNamedWithItsPlace(written: String, message: String) throws {
        let directory = try ConfigurationDirectory()
        directory.environment = ["NAME": "value", "EMPTY": ""]
        let result = try user(written, directory)
        #expect(result.user == nil && result.mistakes.count == 1)
        #expect(
            result.mistakes[0].hasPrefix("mcpgw.yaml:2:7: user: ") && result.mistakes[0].contains(message),
            "\(result.mistakes)")
    }

    @Test(arguments: [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x ", " x ")])
    func theEndOfAFilesLastLineIsCut(content: String, expected: String) throws {
        let directory = try ConfigurationDirectory()
        try directory.write("secret", content)
        #expect(try user("'${file:secret}'", directory).user == expected)
        #expect(try user("'${file:\(directory.path)/secret}'", directory).user == expected)
        directory.environment["CREDENTIALS_DIRECTORY"] = directory.path
        #expect(try user("'${credential:secret}'", directory).user == expected)
    }

    @Test(arguments: [(0o604, "others can read"), (0o622, "others can write"), (0o000, "")])
    func aSecretsFileIsForItsOwnerAlone(mode: Int, message: String) throws {
        if mode == 0 && geteuid() == 0 { return }  // root may read everything
        let directory = try ConfigurationDirectory()
        try directory.write("secret", secret, mode: mode_t(mode))
        let result = try user("'${file:secret}'", directory)
        #expect(result.mistakes.count == 1 && result.mistakes[0].contains(message), "\(result.mistakes)")
    }

    @Test func aFileThatIsNotUTF8OrTooLargeIsNamed() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("secret", String(repeating: "x", count: 65537))
        #expect(try user("'${file:secret}'", directory).mistakes[0].contains("larger than 64KiB"))
    }

    @Test(arguments: [
        "listen", "upstream", "session.ttl", "transport.queue", "denials", "rate_limit.requests_per_second",
        "disclose_rules",
    ])
    func whatWasPutInIsNeverTold(path: String) throws {
        let directory = try ConfigurationDirectory()
        directory.environment["SECRET"] = secret
        let parts = path.split(separator: ".")
        let yaml = parts.count == 1 ? "\(path): ${SECRET}" : "\(parts[0]):\n  \(parts[1]): ${SECRET}"
        let reading = try directory.read(yaml + (path == "upstream" ? "" : "\nupstream: http://127.0.0.1:1/"))
        #expect(reading.errors.count == 1 && reading.errors[0].description.contains("${SECRET}"))
        #expect(!reading.errors[0].description.contains(secret))
    }

    @Test func whatIsShownHoldsNoSecret() throws {
        let directory = try ConfigurationDirectory()
        directory.environment["SECRET"] = secret
        let reading = try directory.read(
            """
            upstream: http://127.0.0.1:1/?token=${SECRET}
            audit: {signing_key: "\(secret)"}
            metrics: {api_key: "${SECRET}"}
            auth: {api_keys: [{name: a, key: "\(secret)"}]}
            """)
        #expect(reading.errors == [])
        let digest = try sha256(Array(secret.utf8))
        let shown = reading.effective.map { "\($0.value ?? "") \($0.origin ?? "")" }.joined(separator: "\n")
        #expect(!shown.contains(secret) && !shown.contains(hexadecimal(digest)))
        #expect(shown.contains("http://127.0.0.1:1/?token=${SECRET}") && shown.contains("{name: a, hash: (secret)}"))
        #expect(reading.configuration?.routes[0].upstream.target == "/?token=\(secret)")
        #expect(reading.configuration?.audit.signingKey == Array(secret.utf8))
        #expect(reading.configuration?.metricsKeyDigest == digest)
    }
}
