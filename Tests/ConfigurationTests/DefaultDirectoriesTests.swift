import Testing

@testable import Configuration

@Suite struct DefaultDirectoriesTests {
    private func directories(user: UInt32 = 1000, _ variables: [String: String]) -> DefaultDirectories {
        DefaultDirectories(user: user) { variables[$0] }
    }

    private func state(
        _ path: String?, isNamed: Bool
    ) -> DefaultDirectories.State { DefaultDirectories.State(path: path, isNamed: isNamed) }

    private let everything = [
        "STATE_DIRECTORY": "/var/lib/unit", "XDG_STATE_HOME": "/xdg", "HOME": "/home/someone",
        "RUNTIME_DIRECTORY": "/run/unit", "XDG_RUNTIME_DIR": "/run/user/1000",
    ]

    /// The variables, the first of them missing, the first two missing, ...: what is next in line is taken.
    @Test func eachSourceOfTheStateDirectoryYieldsToTheOneBefore() {
        var variables = everything
        #expect(directories(variables).state(named: "/named") == state("/named", isNamed: true))
        #expect(directories(variables).state(named: nil) == state("/var/lib/unit", isNamed: true))
        variables["STATE_DIRECTORY"] = nil
        #expect(directories(variables).state(named: nil) == state("/xdg/mcpgw", isNamed: false))
        variables["XDG_STATE_HOME"] = nil
        #expect(directories(variables).state(named: nil) == state("/home/someone/.local/state/mcpgw", isNamed: false))
        variables["HOME"] = nil
        #expect(directories(variables).state(named: nil) == state(nil, isNamed: false))
    }

    @Test func rootsStateIsTheSystems() {
        var variables = everything
        #expect(directories(user: 0, variables).state(named: nil).path == "/var/lib/unit")
        variables["STATE_DIRECTORY"] = nil
        #expect(directories(user: 0, variables).state(named: nil) == state("/var/lib/mcpgw", isNamed: false))
        #expect(directories(user: 0, variables).state(named: "/named").path == "/named")
    }

    @Test func aRelativeBaseIsIgnored() {
        #expect(directories(["XDG_STATE_HOME": "x", "HOME": "/h"]).state(named: nil).path == "/h/.local/state/mcpgw")
        #expect(directories(["XDG_STATE_HOME": "x", "HOME": "h"]).state(named: nil).path == nil)
        #expect(directories(["XDG_RUNTIME_DIR": "x"]).runtime == "/tmp/mcpgw-1000")
    }

    @Test func ofSeveralDirectoriesOfTheUnitTheFirstIsTaken() {
        let variables = ["STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "RUNTIME_DIRECTORY": "/run/a:/run/b"]
        #expect(directories(variables).state(named: nil).path == "/var/lib/a")
        #expect(directories(variables).runtime == "/run/a")
    }

    @Test func eachSourceOfTheRuntimeDirectoryYieldsToTheOneBefore() {
        var variables = everything
        #expect(directories(variables).runtime == "/run/unit")
        variables["RUNTIME_DIRECTORY"] = nil
        #expect(directories(variables).runtime == "/run/user/1000/mcpgw")
        variables["XDG_RUNTIME_DIR"] = nil
        #expect(directories(variables).runtime == "/tmp/mcpgw-1000")
        #expect(directories(user: 0, variables).runtime == "/run/mcpgw")
    }
}
