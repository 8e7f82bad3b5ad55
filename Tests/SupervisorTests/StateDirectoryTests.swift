import Configuration
import Glibc
import Testing

@testable import Supervisor

@Suite struct StateDirectoryTests {
    /// What comes of a start with this state directory.
    private func start(
        _ path: String?, isRequired: Bool
    ) throws -> (state: StateDirectory, keys: [[UInt8]]) {
        var configuration = try configuration(routes: 1)
        configuration.stateDirectory = path
        configuration.stateIsRequired = isRequired
        var state = StateDirectory(configuration)
        try state.prepare(owner: nil)
        try state.open()
        let keys = try state.sessionKeys()
        return (state, keys)
    }

    /// No file can be made below it, even by root.
    private func unusable(_ base: String) -> String {
        let file = base + "/file"
        close(unsafe open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
        return file + "/mcpgw"
    }

    @Test(arguments: [true, false])
    func aStateDirectoryKeepsItsKeyFromRunToRun(isRequired: Bool) throws {
        try withDirectory { base in
            let first = try start(base + "/a/b", isRequired: isRequired)
            #expect(first.state.problem == nil)
            // A second run would be refused while this process holds the lock.
            let again = try KeyFile.session.load(in: try #require(first.state.directory))
            #expect(again == first.keys)
        }
    }

    @Test func withoutAnyPlaceTheKeyEndsWithTheProcessAndItSaysSo() throws {
        let (one, two) = (try start(nil, isRequired: false), try start(nil, isRequired: false))
        #expect(try #require(one.state.problem).contains("--state-dir"))
        #expect(one.keys.map(\.count) == [32] && two.keys.map(\.count) == [32])
        #expect(one.keys != two.keys)
        #expect(one.state.directory == nil)
    }

    @Test func aUsualPlaceThatCannotBeUsedIsDoneWithoutAndNamed() throws {
        try withDirectory { base in
            let path = unusable(base)
            let (state, keys) = try start(path, isRequired: false)
            #expect(try #require(state.problem).contains(path))
            #expect(keys.map(\.count) == [32] && state.directory == nil)
        }
    }

    @Test func aNamedPlaceThatCannotBeUsedIsAnError() throws {
        try withDirectory { base in
            let path = unusable(base)
            #expect(throws: StartError.self) { try start(path, isRequired: true) }
        }
    }

    @Test func aDirectoryThatCanBeReadButNotWrittenIsDoneWithout() async throws {
        guard geteuid() == 0 else { return print("SKIPPED 1: becoming another user needs root") }
        await #expect(processExitsWith: .success) {
            var path = Array("/tmp/mcpgw-test-XXXXXX".utf8CString)
            guard unsafe mkdtemp(&path) != nil else { exit(10) }
            let base = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // One that root made and locked up, as a package's directory with the wrong owner is.
            guard unsafe chmod(base, 0o755) == 0, unsafe mkdir(base + "/locked", 0o755) == 0 else { exit(11) }
            guard seteuid(65534) == 0 else { exit(12) }
            var configuration = try configuration(routes: 1)
            configuration.stateDirectory = base + "/locked"
            configuration.stateIsRequired = false
            var state = StateDirectory(configuration)
            try state.prepare(owner: nil)
            try state.open()
            let keys = try state.sessionKeys()
            guard keys.map(\.count) == [32], state.problem?.contains(base + "/locked") == true else { exit(13) }
            guard seteuid(0) == 0, unsafe rmdir(base + "/locked") == 0, unsafe rmdir(base) == 0 else { exit(14) }
        }
    }

    /// Doing without is for places that cannot be written; what somebody else prepared or holds is an error at every place.
    @Test func whatIsUnsafeOrInUseIsNeverPassedOver() throws {
        try withDirectory { base in
            #expect(unsafe chmod(base, 0o777) == 0)
            #expect(throws: StartError.self) { try start(base, isRequired: false) }
            #expect(unsafe chmod(base, 0o700) == 0)
            let holder = try start(base, isRequired: false)
            #expect(throws: StartError.self) { try start(base, isRequired: false) }
            #expect(holder.state.problem == nil)
        }
        try withDirectory { base in
            #expect(unsafe symlink("/dev/null", base + "/session.key") == 0)
            #expect(throws: StartError.self) { try start(base, isRequired: false) }
        }
    }
}
