import ArgumentParser
import Crypto
import Glibc
import Identity
import Sessions
import StrictJSON

/// `mcpgw keys`: makes static keys for clients, and their digests for the configuration.
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Make API keys for clients, and the digests of keys for the configuration.",
        discussion: """
            A configuration needs no key, only its SHA-256. A client shows its key as X-API-Key: KEY, as \
            Authorization: Bearer KEY, or as Authorization: ApiKey KEY.
            """,
        subcommands: [KeysNewCommand.self, KeysHashCommand.self])
}

/// `mcpgw keys new`.
struct KeysNewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Make a key of 256 random bits, print it once, and what the configuration needs of it.",
        discussion: "Nothing is stored: a key that is lost is replaced by another. Exit status 2 if no key can be made."
    )

    @Option(
        help: ArgumentHelp("Who shows the key: the subject in policy and records (default client).", valueName: "name"))
    var name = "client"

    /// Bytes of a name at most, as in the configuration.
    private static let longestName = 1024

    func validate() throws {
        guard (1...KeysNewCommand.longestName).contains(name.utf8.count) else {
            throw ValidationError("--name has 1 to \(KeysNewCommand.longestName) bytes")
        }
        guard name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw ValidationError("--name holds a control character")
        }
    }

    func run() {
        var random: [UInt8] = []
        SecureRandom.append(APIKeyText.randomLength, to: &random)
        var key = Array(APIKeyText.prefix.utf8)
        Base64URL.encode(random, to: &key)
        let digest = KeysCommand.digest(of: key)
        var quoted: [UInt8] = []
        // A JSON string is a YAML string too.
        JSONText.appendString(name, to: &quoted)
        print(
            """
            # The key. It is shown this once; give it to the client and keep no copy.
            \(String(decoding: key, as: UTF8.self))

            # For the configuration:
            auth:
              api_keys:
                - name: \(String(decoding: quoted, as: UTF8.self))
                  hash: "\(digest)"
            """)
    }
}

/// `mcpgw keys hash`.
struct KeysHashCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hash",
        abstract: "Read a key from standard input, or from the terminal without showing it, and print its digest.",
        discussion: """
            Prints sha256: and 64 hexadecimal digits, for hash: in auth.api_keys. A key is never an argument: arguments are \
            visible to every process of the host and stay in the shell's history. Exit status 2 if what is read is no key.

              mcpgw keys hash < key-file
            """)

    func run() {
        var key = isatty(STDIN_FILENO) == 1 ? readTerminal() : readInput()
        if key.last == UInt8(ascii: "\n") { key.removeLast() }
        if key.last == UInt8(ascii: "\r") { key.removeLast() }
        guard Credential.isKey(key.span) else {
            fail(
                "what was read is no key: a key is \(Credential.shortestKey) to \(Credential.longestKey) visible ASCII characters on one line"
            )
        }
        print(KeysCommand.digest(of: key))
        wipe(&key)
    }

    /// The first line that is typed.
    private func readTerminal() -> [UInt8] {
        // Safe: the C library's own buffer, read and wiped before it is used again; there is one thread.
        guard let typed = unsafe getpass("Key: ") else { fail("the terminal cannot be read") }
        let count = unsafe strlen(typed)
        let bytes = unsafe UnsafeRawBufferPointer(start: typed, count: count)
        let key = unsafe [UInt8](bytes)
        unsafe explicit_bzero(typed, count)
        return key
    }

    /// All of standard input, up to a little more than the longest key.
    private func readInput() -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Credential.longestKey + 3)
        while bytes.count < chunk.count {
            let count = unsafe read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { fail("standard input cannot be read") }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}

extension KeysCommand {
    /// The digest of a key as the configuration has it; ends the program if the host has no libcrypto.
    fileprivate static func digest(of key: [UInt8]) -> String {
        do throws(CryptoError) {
            return try APIKeyText.digest(of: key.span, try CryptoLibrary.load())
        } catch {
            fail("no digest can be made: \(error)")
        }
    }
}
