import Glibc
import Testing

@testable import Supervisor

@Suite struct SessionKeyFileTests {
    /// Runs `body` with a locked state directory of its own.
    private func withState(_ body: (OwnDirectory) throws -> Void) throws {
        try withDirectory { base in
            try body(OwnDirectory(base, purpose: "state directory", option: "--state-dir"))
        }
    }

    private func write(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o600) {
        let descriptor = unsafe open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
        #expect(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        #expect(fchmod(descriptor, mode) == 0)
        close(descriptor)
    }

    private func refusal(_ directory: OwnDirectory) -> StartError? {
        do throws(StartError) {
            _ = try KeyFile.session.load(in: directory)
            return nil
        } catch {
            return error
        }
    }

    private func names(in path: String) -> Set<String> {
        var result: Set<String> = []
        guard let directory = unsafe opendir(path) else { return result }
        while let entry = unsafe readdir(directory) {
            result.insert(
                unsafe withUnsafeBytes(of: entry.pointee.d_name) {
                    unsafe String(decoding: $0.prefix(while: { $0 != 0 }), as: UTF8.self)
                })
        }
        unsafe closedir(directory)
        return result.subtracting([".", ".."])
    }

    private let one = [UInt8](repeating: 1, count: 32)
    private let two = [UInt8](repeating: 2, count: 32)

    @Test func theFirstStartMakesAKeyForTheOwnerAloneAndLaterOnesKeepIt() throws {
        try withState { directory in
            let old = umask(0o777)
            let keys = try KeyFile.session.load(in: directory)
            umask(old)
            #expect(keys.map(\.count) == [32])
            var status = stat()
            #expect(unsafe lstat(directory.path + "/session.key", &status) == 0)
            #expect(status.st_mode == S_IFREG | 0o600 && status.st_size == 32 && status.st_nlink == 1)
            #expect(names(in: directory.path) == ["lock", "session.key"], "nothing is left over")
            #expect(try KeyFile.session.load(in: directory) == keys)
        }
    }

    @Test func everyInstallationHasAKeyOfItsOwn() throws {
        var keys: Set<[UInt8]> = []
        for _ in 0..<8 { try withState { keys.insert(try KeyFile.session.load(in: $0)[0]) } }
        #expect(keys.count == 8)
    }

    @Test func aRotatedKeyIsTheSecondAndIsNeverMade() throws {
        try withState { directory in
            let first = try KeyFile.session.load(in: directory)
            #expect(unsafe rename(directory.path + "/session.key", directory.path + "/session.key.old") == 0)
            let rotated = try KeyFile.session.load(in: directory)
            #expect(rotated.count == 2 && rotated[1] == first[0] && rotated[0] != first[0])
            #expect(try KeyFile.session.load(in: directory) == rotated)
            #expect(unsafe unlink(directory.path + "/session.key.old") == 0)
            #expect(try KeyFile.session.load(in: directory) == [rotated[0]])
        }
    }

    @Test func aKeyThatIsItsOwnPredecessorCountsOnce() throws {
        try withState { directory in
            write(directory.path + "/session.key", one)
            write(directory.path + "/session.key.old", one)
            let keys = try KeyFile.session.load(in: directory)
            #expect(keys == [one])
        }
    }

    @Test func aKeyThatACrashLeftUnfinishedIsThrownAway() throws {
        try withState { directory in
            let unfinished = directory.path + "/session.key.new"
            write(unfinished, [1, 2, 3], mode: 0o666)
            let keys = try KeyFile.session.load(in: directory)
            #expect(keys.map(\.count) == [32])
            #expect(unsafe access(unfinished, F_OK) != 0)
        }
    }

    @Test(arguments: ["session.key", "session.key.old"])
    func aKeyOthersCouldHaveReadIsRefusedAndKept(name: String) throws {
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610, 0o777] as [mode_t] {
            try withState { directory in
                write(directory.path + "/" + name, one, mode: mode)
                let error = try #require(refusal(directory))
                #expect(error.description.contains("\(directory.path)/\(name)") && error.description.contains("others"))
                #expect(error.code == nil, "nothing to do without")
                #expect(unsafe access(directory.path + "/" + name, F_OK) == 0)
            }
        }
    }

    @Test(arguments: [0, 1, 31, 33, 64, 4096])
    func aFileThatIsNotAKeyIsRefusedAndKept(length: Int) throws {
        for name in ["session.key", "session.key.old"] {
            try withState { directory in
                write(directory.path + "/" + name, [UInt8](repeating: 7, count: length))
                let error = try #require(refusal(directory))
                #expect(
                    error.description.contains("\(directory.path)/\(name)") && error.description.contains("32 bytes"))
                #expect(error.code == nil)
            }
        }
    }

    @Test(arguments: ["session.key", "session.key.old"])
    func aSymbolicLinkIsNotFollowed(name: String) throws {
        try withState { directory in
            let target = directory.path + "/elsewhere"
            write(target, one)
            for destination in [target, directory.path + "/nowhere"] {
                #expect(unsafe symlink(destination, directory.path + "/" + name) == 0)
                let error = try #require(refusal(directory))
                #expect(error.description.contains("symbolic link") && error.code == nil)
                #expect(unsafe access(directory.path + "/nowhere", F_OK) != 0, "the target is not made")
                #expect(unsafe unlink(directory.path + "/" + name) == 0)
            }
        }
    }

    @Test(arguments: ["session.key", "session.key.old"])
    func whatIsNoFileIsRefusedWithoutWaiting(name: String) throws {
        try withState { directory in
            let path = directory.path + "/" + name
            #expect(unsafe mkdir(path, 0o700) == 0)
            #expect(refusal(directory)?.description.contains("not a file") == true)
            #expect(unsafe rmdir(path) == 0)
            #expect(unsafe mkfifo(path, 0o600) == 0)
            #expect(refusal(directory)?.description.contains("not a file") == true)
        }
    }

    @Test func aKeyOfAnotherUserIsRefused() throws {
        guard geteuid() == 0 else { return print("SKIPPED 1: giving files away needs root") }
        try withState { directory in
            write(directory.path + "/session.key", one)
            #expect(unsafe chown(directory.path + "/session.key", 4711, 4711) == 0)
            #expect(refusal(directory)?.description.contains("4711") == true)
        }
    }

    /// A link planted where the new key is written must not be written through.
    @Test func aNewKeyIsNotWrittenThroughALink() throws {
        try withState { directory in
            let target = directory.path + "/elsewhere"
            write(target, two)
            #expect(unsafe symlink(target, directory.path + "/session.key.new") == 0)
            let keys = try KeyFile.session.load(in: directory)
            var kept = [UInt8](repeating: 0, count: 64)
            let descriptor = unsafe open(target, O_RDONLY | O_CLOEXEC)
            #expect(unsafe read(descriptor, &kept, 64) == 32)
            close(descriptor)
            #expect(Array(kept[..<32]) == two && keys[0] != two)
        }
    }
}
