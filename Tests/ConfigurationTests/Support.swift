import Glibc
import Testing

@testable import Configuration

/// A directory of its own with a configuration file, and what a loader makes of it.
final class ConfigurationDirectory {
    let path: String
    var environment: [String: String] = ["HOME": "/home/somebody"]

    init() throws {
        var template = Array("/tmp/mcpgw-configuration-XXXXXX".utf8CString)
        try #require(unsafe mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unsafe unlink("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    private var names: Set<String> = []

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        names.insert(name)
        unsafe unlink(file)
        let descriptor = unsafe open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            try #require(count > 0)
            bytes = bytes.dropFirst(count)
        }
        try #require(fchmod(descriptor, mode) == 0)
        return file
    }

    /// What flags, the environment and this file make. An upstream is there unless the file names one.
    func read(_ yaml: String? = nil, flags: [String: String] = [:], mode: mode_t = 0o600) throws -> ConfigurationReading
    {
        let file = try yaml.map { try write("mcpgw.yaml", $0, mode: mode) }
        return ConfigurationLoader(flags: flags, file: file, environment: environment).read()
    }

    /// The configuration; fails where there are mistakes.
    func configuration(_ yaml: String, flags: [String: String] = [:]) throws -> Configuration {
        let reading = try read("upstream: http://127.0.0.1:1/\n" + yaml, flags: flags)
        #expect(reading.errors.map(\.description) == [])
        return try #require(reading.configuration)
    }

    /// The mistakes in a file, without its directory.
    func mistakes(_ yaml: String, mode: mode_t = 0o600) throws -> [String] {
        let file = try write("mcpgw.yaml", yaml, mode: mode)
        let reading = ConfigurationLoader(checking: file, environment: environment).read()
        return reading.errors.map { $0.description.replacing(path + "/", with: "") }
    }
}
