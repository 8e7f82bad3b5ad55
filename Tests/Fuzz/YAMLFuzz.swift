// libFuzzer target: YAML as policies and configurations are read. Compiled as one module with Sources/YAML.
//
// Any bytes end in a tree or in one mistake with a place inside the text; a tree has no name twice and its places ascend;
// the same bytes give the same tree.

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let lines = input.split(separator: 0x0A, omittingEmptySubsequences: false).count
    do throws(YAMLError) {
        guard let root = try YAMLParser.parse(input) else { return 0 }
        var last = YAMLPosition(line: 1, column: 1)
        check(root, &last, input.count)
        guard let again = try? YAMLParser.parse(input) else { preconditionFailure("read once, and not again") }
        precondition("\(again)" == "\(root)", "two trees of one text")
        var mistakes: [YAMLError] = []
        _ = YAMLMappingReader(root, "a file", known: ["version", "rules"], &mistakes)
        for mistake in mistakes { precondition(!mistake.description(file: "f").utf8.contains(0x0A)) }
    } catch {
        precondition(error.position.line >= 1 && error.position.column >= 1, "\(error)")
        // Other line ends than LF count, too.
        precondition(error.position.line <= max(lines, input.count + 1) + 1, "\(error)")
    }
    return 0
}

private func check(_ node: YAMLNode, _ last: inout YAMLPosition, _ size: Int) {
    precondition(node.position >= last, "places do not ascend")
    last = node.position
    switch node.value {
    case .scalar(let text, _): precondition(text.utf8.count <= 3 * size + 3, "a text out of nothing")
    case .sequence(let elements): for element in elements { check(element, &last, size) }
    case .mapping(let entries):
        precondition(Set(entries.map(\.key)).count == entries.count, "a name twice")
        for entry in entries {
            precondition(entry.position >= last, "places do not ascend")
            last = entry.position
            check(entry.value, &last, size)
        }
    }
}
