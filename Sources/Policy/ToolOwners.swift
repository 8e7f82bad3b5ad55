import MCP
import NormalForms
import StrictJSON

/// Which route owns which tool (DESIGN 7): the first one of whose `match_tools` globs matches the tool's name. Ingress and routes ask the same value, so that a
/// call is carried where it is taken.
public struct ToolOwners: Sendable {
    private let table: GlobTable
    /// The globs of each route.
    private let routes: [GlobList]
    private let library: UnicodeLibrary

    /// The route that everything goes to that is no call of a tool: the first that takes any tool, else the first.
    public let home: Int

    /// The owners that `match_tools` of all routes make, in the order of the configuration.
    public init(_ globs: [[String]], _ library: UnicodeLibrary) {
        var forms = NormalForms(library)
        var table = GlobTable()
        routes = globs.map { texts in
            var variants: [[UInt8]] = []
            for text in texts {
                let written = Array(text.utf8)
                var normal: [UInt8] = []
                forms.appendNormal(written.span, to: &normal)
                variants.append(written)
                // A name is compared in its normal form too: what the glob says of its own spelling, it says of that.
                if normal != written, GlobVariant.isFaithful(normal, to: written) { variants.append(normal) }
            }
            return table.add(variants)
        }
        self.table = table
        self.library = library
        home = globs.firstIndex { $0.contains("*") } ?? 0
    }

    /// How many routes there are.
    public var count: Int { routes.count }

    /// The route that owns a tool; nil if none does, or if readers of the name could differ in which tool it names and these belong to different routes.
    ///
    /// - Parameter name: the name as it was given, unescaped.
    public func owner(of name: Span<UInt8>) -> Int? {
        let owner = first(name)
        if NormalForms.isPlain(name, []) { return owner }
        var forms = NormalForms(library)
        var list = FormList()
        forms.append(name, [], to: &list)
        for index in 0..<list.count where first(list[index]) != owner { return nil }
        return owner
    }

    /// The same for a string of a message.
    public func owner(of node: JSONNode, _ tape: borrowing JSONTape, _ text: Span<UInt8>) -> Int? {
        guard tape.kind(node) == .string else { return nil }
        guard tape.isEscaped(node) else { return owner(of: text.extracting(tape.contentRange(node))) }
        var name: [UInt8] = []
        tape.appendString(node, in: text, to: &name)
        return owner(of: name.span)
    }

    private func first(_ name: Span<UInt8>) -> Int? {
        routes.firstIndex { table.matches($0, name) }
    }
}
