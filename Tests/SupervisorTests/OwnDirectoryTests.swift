import Glibc
import Testing

@testable import Supervisor

@Suite struct OwnDirectoryTests {
    private func refusal(_ path: String) -> String? {
        startError { () throws(StartError) in
            _ = try OwnDirectory(path, purpose: "state directory", option: "--state-dir")
        }
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func missingDirectoriesAreMadeForTheOwnerAlone() throws {
        try withDirectory { base in
            let path = base + "/a/b/c"
            try OwnDirectory.prepare(path, purpose: "state directory", owner: nil)
            for part in ["/a", "/a/b", "/a/b/c"] { #expect(mode(base + part) == 0o700) }
            try OwnDirectory.prepare(path, purpose: "state directory", owner: nil)
            #expect(refusal(path) == nil)
            #expect(mode(path + "/lock") == 0o600)
        }
    }

    @Test func asRootNewDirectoriesBecomeTheUsersAndOldOnesStayTheirs() throws {
        guard geteuid() == 0 else { return print("SKIPPED 1: giving directories away needs root") }
        try withDirectory { base in
            let old = base + "/old"
            try OwnDirectory.prepare(old, purpose: "state directory", owner: nil)
            try OwnDirectory.prepare(old + "/new", purpose: "state directory", owner: (4711, 4712))
            var status = stat()
            #expect(unsafe stat(old + "/new", &status) == 0)
            #expect(status.st_uid == 4711 && status.st_gid == 4712)
            #expect(unsafe stat(old, &status) == 0)
            #expect(status.st_uid == 0)
        }
    }

    @Test(arguments: ["", "relative", "./x", "../x", "~/x"])
    func aRelativePathIsRefused(path: String) throws {
        let message = try #require(
            startError { () throws(StartError) in
                try OwnDirectory.prepare(path, purpose: "runtime directory", owner: nil)
            })
        #expect(message.contains("runtime directory '\(path)'") && message.contains("absolute"))
    }

    @Test func whatIsNoDirectoryIsRefused() throws {
        try withDirectory { base in
            let file = base + "/file"
            let descriptor = unsafe open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
            close(descriptor)
            try OwnDirectory.prepare(file, purpose: "state directory", owner: nil)
            #expect(try #require(refusal(file)).contains("\(file) is not a directory"))
            let below = startError { () throws(StartError) in
                try OwnDirectory.prepare(file + "/x", purpose: "state directory", owner: nil)
            }
            #expect(try #require(below).contains(file + "/x"))
            #expect(try #require(refusal(base + "/missing")).contains(base + "/missing"))
        }
    }

    @Test func aDirectoryOfAnotherUserIsRefused() throws {
        guard geteuid() == 0 else { return print("SKIPPED 1: giving directories away needs root") }
        try withDirectory { base in
            let path = base + "/foreign"
            try OwnDirectory.prepare(path, purpose: "state directory", owner: (4711, 4711))
            let message = try #require(refusal(path))
            #expect(message.contains(path) && message.contains("4711"))
            #expect(unsafe access(path + "/lock", F_OK) != 0, "nothing is made there")
        }
    }

    @Test(arguments: [0o777, 0o770, 0o707, 0o720, 0o702, 0o1777] as [mode_t])
    func aDirectoryThatOthersCanWriteIsRefused(mode: mode_t) throws {
        try withDirectory { base in
            #expect(unsafe chmod(base, mode) == 0)
            let message = try #require(refusal(base))
            #expect(message.contains("chmod go-w \(base)"))
            #expect(unsafe chmod(base, 0o755) == 0)
            #expect(refusal(base) == nil)
        }
    }

    @Test func aLockThatIsASymbolicLinkIsNotFollowed() throws {
        try withDirectory { base in
            let target = base + "/elsewhere"
            #expect(unsafe symlink(target, base + "/lock") == 0)
            let message = try #require(refusal(base))
            #expect(message.contains(base) && message.contains("--state-dir"))
            #expect(unsafe access(target, F_OK) != 0, "the target is not made")
        }
    }

    @Test func aSecondDaemonIsRefusedAndTheFirstIsNamed() throws {
        try withDirectory { base in
            let first = try OwnDirectory(base, purpose: "state directory", option: "--state-dir")
            #expect(first.path == base)
            let message = try #require(refusal(base))
            #expect(message.contains("in use") && message.contains("(process \(getpid()))"))
            #expect(message.contains("--state-dir"))
            #expect(refusal(base) == message, "a refused attempt does not disturb the holder's mark")
        }
    }

    @Test func theLockEndsWithTheProcessThatHeldIt() async throws {
        var path = Array("/tmp/mcpgw-test-XXXXXX".utf8CString)
        try #require(unsafe mkdtemp(&path) != nil)
        let base = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        await #expect(processExitsWith: .signal(SIGKILL)) { [base = base as String] in
            _ = try OwnDirectory(base, purpose: "state directory", option: "--state-dir")
            kill(getpid(), SIGKILL)
        }
        #expect(refusal(base) == nil)
        #expect(unsafe unlink(base + "/lock") == 0)
        #expect(unsafe rmdir(base) == 0)
    }
}
