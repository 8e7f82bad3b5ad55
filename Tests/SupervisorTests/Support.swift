import Configuration
import Glibc

@testable import Supervisor

/// SplitMix64, so that a printed seed repeats a failure.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// True once in `count` times.
    mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

/// A configuration with so many routes.
func configuration(routes: Int) throws -> Configuration {
    Configuration(
        routes: try (0..<routes).map {
            Configuration.Route(
                name: "route\($0)",
                upstream: try UpstreamURL(parsing: "http://127.0.0.1:\(8000 + $0)/mcp", source: "test"))
        }, stateDirectory: "/state", runtimeDirectory: "/runtime")
}

/// The message of the `StartError` that `body` throws, or nil.
func startError(_ body: () throws(StartError) -> Void) -> String? {
    do throws(StartError) {
        try body()
        return nil
    } catch {
        return error.description
    }
}

/// A new directory of its own for a test, removed with all that is in it.
func withDirectory(_ body: (String) throws -> Void) throws {
    var path = Array("/tmp/mcpgw-test-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&path) != nil else { throw StartError("cannot make a test directory", code: errno) }
    let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { removeTree(name) }
    try body(name)
}

private func removeTree(_ path: String) {
    if unsafe unlink(path) == 0 { return }
    if let directory = unsafe opendir(path) {
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
                unsafe String(decoding: $0.prefix(while: { $0 != 0 }), as: UTF8.self)
            }
            if name != ".", name != ".." { removeTree(path + "/" + name) }
        }
        unsafe closedir(directory)
    }
    _ = unsafe rmdir(path)
}
