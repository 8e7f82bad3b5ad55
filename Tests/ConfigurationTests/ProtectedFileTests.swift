import Glibc
import Testing

@testable import Configuration

@Suite struct ProtectedFileTests {
    /// Why a file of another user is not read by this one.
    private func refusal(readBy user: UInt32, of owner: UInt32) throws -> String? {
        let directory = try ConfigurationDirectory()
        let path = try directory.write("mcpgw.yaml", "x")
        if geteuid() == 0 { try #require(unsafe chown(path, owner, owner) == 0) }
        do throws(ProtectedFile.Refusal) {
            _ = try ProtectedFile(path, user: user)
            return nil
        } catch {
            return error.message
        }
    }

    /// Only root owns what root reads before it becomes the user that `user` names: that one could change it.
    @Test func theOwnersThatWouldDoAreNamed() throws {
        let owner = geteuid() == 0 ? 65_534 : geteuid()
        #expect(try refusal(readBy: owner, of: owner) == nil)
        let asRoot = try #require(try refusal(readBy: 0, of: owner))
        #expect(asRoot.contains("belongs to user \(owner)") && asRoot.hasSuffix("chown it to root"))
        let another = try #require(try refusal(readBy: owner + 1, of: owner))
        #expect(another.hasSuffix("chown it to root or to user \(owner + 1), who runs this"))
    }
}
