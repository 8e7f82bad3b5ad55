import Testing

@testable import Configuration

/// Where `mcpgw status` and `mcpgw reload` look for the daemon.
@Suite struct RuntimeDirectoryTests {
    private func found(_ directory: ConfigurationDirectory, _ yaml: String?) throws -> String {
        let file = try yaml.map { try directory.write("mcpgw.yaml", $0) }
        return try ConfigurationLoader(flags: [:], file: file, environment: directory.environment).runtimeDirectory()
    }

    @Test func itIsWhatTheFileSays() throws {
        let directory = try ConfigurationDirectory()
        directory.environment["XDG_RUNTIME_DIR"] = "/xdg"
        directory.environment["PLACE"] = "there"
        #expect(try found(directory, "runtime_dir: /somewhere\n") == "/somewhere")
        #expect(try found(directory, "runtime_dir: run\n") == "\(directory.path)/run")
        #expect(try found(directory, "runtime_dir: /over/${PLACE}\n") == "/over/there")
        #expect(try found(directory, "listen: 127.0.0.1:1\n") == "/xdg/mcpgw")
        #expect(try found(directory, nil) == "/xdg/mcpgw")
        directory.environment["MCPGW_RUNTIME_DIR"] = "/variable"
        #expect(try found(directory, "runtime_dir: /somewhere\n") == "/variable")
    }

    /// The usual reason to ask: the file has just become wrong, and the daemon is to say so.
    @Test func whatElseIsWrongWithTheFileDoesNotMatter() throws {
        let directory = try ConfigurationDirectory()
        let yaml = "runtime_dir: /somewhere\nlisten: nonsense\nunknown: 1\nauth: []\npolicy: /no/such/file\n"
        #expect(try found(directory, yaml) == "/somewhere")
    }

    @Test(arguments: ["runtime_dir: /a\n\tx: 1\n", "runtime_di: /a\n", ""])
    func whereTheFileDoesNotSayItNobodyGuesses(_ yaml: String) throws {
        let directory = try ConfigurationDirectory()
        #expect {
            _ = try found(directory, yaml)
        } throws: { error in
            "\(error)".contains("mcpgw.yaml:") && "\(error)".hasSuffix("give --runtime-dir")
        }
    }

    @Test func aBadValueIsRefused() throws {
        let directory = try ConfigurationDirectory()
        #expect(throws: ConfigurationError.self) { _ = try found(directory, "runtime_dir: [a]\n") }
        #expect(throws: ConfigurationError.self) { _ = try found(directory, "runtime_dir: ${NO_SUCH_VARIABLE}\n") }
    }
}
