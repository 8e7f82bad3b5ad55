import Policy
import StrictJSON
import Testing

/// Who owns a tool, by the globs of the routes.
@Suite struct ToolOwnersTests {
    private func owner(_ name: String, _ globs: [String]...) -> Int? {
        let bytes = Array(name.utf8)
        return ToolOwners(globs, library).owner(of: bytes.span)
    }

    @Test func theFirstRouteThatMatchesOwns() {
        #expect(owner("exec_a", ["exec_*", "run_*"], ["*"]) == 0)
        #expect(owner("run_a", ["exec_*", "run_*"], ["*"]) == 0)
        #expect(owner("read", ["exec_*", "run_*"], ["*"]) == 1)
        #expect(owner("exec_a", ["*"], ["exec_*"]) == 0)
        #expect(owner("a/b", ["?/?"], ["*"]) == 0)
        #expect(owner("ä", ["?"], ["*"]) == 0)
    }

    @Test func whatNoRouteMatchesIsNobodys() {
        #expect(owner("read", ["exec_*"], ["run_*"]) == nil)
        #expect(owner("", ["exec_*"], ["?*"]) == nil)
        #expect(owner("Exec_a", ["exec_*"], []) == nil)
    }

    @Test(arguments: [
        "\u{FF45}xec_a", "exec\u{200B}_a", "\u{2060}exec_a", "e\u{AD}xec_a", "\u{202E}exec_a", " exec_a",
        "exec\u{FF3F}a", "\u{1D41E}xec_a",
        "exec\u{FE0F}_a", "\u{E0001}exec_a",
    ])
    func aNameWhoseFormsHaveDifferentOwnersIsNobodys(name: String) {
        #expect(owner(name, ["exec_*"], ["*"]) == nil)
        #expect(owner(name, ["*"], ["exec_*"]) == 0)
    }

    @Test(arguments: ["exec_\u{FF41}", "exec_a\u{200B}", "exec_a ", "exec_\u{0}"])
    func aNameAllOfWhoseFormsHaveOneOwnerIsIts(name: String) {
        #expect(owner(name, ["exec_*"], ["*"]) == 0)
    }

    @Test func aNameThatEndsAtANullIsReadAsTheShorterOneToo() {
        #expect(owner("exec_a\u{0}b", ["exec_?"], ["*"]) == nil)
        #expect(owner("read\u{0}", ["read"], ["*"]) == nil)
    }

    @Test func aGlobIsComparedInItsNormalFormToo() {
        #expect(owner("\u{FB01}le", ["\u{FB01}l?"], ["*"]) == 0)
        #expect(owner("file", ["\u{FB01}l?"], ["*"]) == 0)
        #expect(owner("cafe\u{301}", ["caf\u{E9}"], ["*"]) == nil)
        #expect(owner("caf\u{E9}", ["caf\u{E9}"], ["*"]) == 0)
    }

    @Test func anEscapedNameIsTheSameName() throws {
        let owners = ToolOwners([["exec_*"], ["*"]], library)
        for (text, expected) in [(#""\u0065xec_a""#, 0), (#""exec_a""#, 0), (#""r\u0065ad""#, 1)] as [(String, Int)] {
            let bytes = Array(text.utf8)
            var tape = JSONTape()
            try JSONParser().parse(bytes.span, into: &tape)
            #expect(owners.owner(of: .root, tape, bytes.span) == expected)
        }
        let bytes = Array("7".utf8)
        var tape = JSONTape()
        try JSONParser().parse(bytes.span, into: &tape)
        #expect(owners.owner(of: .root, tape, bytes.span) == nil)
    }

    @Test func theHomeIsTheFirstRouteThatTakesAnyTool() {
        #expect(ToolOwners([["exec_*"], ["*"], ["*"]], library).home == 1)
        #expect(ToolOwners([["exec_*"], ["a", "*"]], library).home == 1)
        #expect(ToolOwners([["exec_*"], ["run_*"]], library).home == 0)
    }
}
