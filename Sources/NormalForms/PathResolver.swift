/// Resolves a text as a path, by its letters alone: what is no path loses at most doubled slashes and dots.
///
/// - `file:` URLs become the path they name (RFC 8089);
/// - back slashes are slashes; doubled ones and `.` disappear, except behind a URL's scheme; `..` takes back a name;
/// - a relative path that climbs counts as absolute;
/// - `/proc/self/root`, `/proc/self/cwd` and their like (proc(5)) are `/`; `/dev/fd/..` is `/proc/self`.
struct PathResolver: Sendable {
    /// The path that was resolved last.
    private(set) var result: [UInt8] = []
    private var source: [UInt8] = []
    /// Where the names of the path begin in `result`.
    private var names: [Int] = []
    /// How many names `..` cannot take back: those of a URL's scheme and host.
    private var fixed = 0
    private var isAbsolute = false
    /// Whether the last text is a URL that holds a `..`.
    private(set) var isClimbingURL = false
    /// Whether the last text is a `file:` URL and something was cut off it.
    private(set) var isCut = false
    /// Whether the last text climbs out of a directory that is a link on Linux.
    private(set) var leavesLink = false
    private var followsLinks = false

    /// Whether a text without any slash is a path that does not stay as it is.
    static func isSpecial(_ text: Span<UInt8>) -> Bool {
        text.count == 2 && text[0] == UInt8(ascii: ".") && text[1] == UInt8(ascii: ".") || isFileURL(text)
    }

    /// Whether a text of printable ASCII may change. False only if it stays as it is.
    static func mayChange(_ text: Span<UInt8>) -> Bool {
        var before = UInt8(ascii: "/")
        for index in text.indices {
            let byte = text[index]
            if byte == UInt8(ascii: "\\") { return true }
            if before == UInt8(ascii: "/"), byte == UInt8(ascii: "/") || byte == UInt8(ascii: "."), index > 0 {
                return true
            }
            before = byte
        }
        return text.count > 1 && before == UInt8(ascii: "/") || text.count > 0 && text[0] == UInt8(ascii: ".")
            || text.hasPrefix("/proc/") || text.hasPrefix("/dev/fd") || isFileURL(text)
    }

    private static func isFileURL(_ text: Span<UInt8>) -> Bool {
        let scheme: StaticString = "file:"
        guard text.count >= 5 else { return false }
        for index in 0..<5 where text[index] | 0x20 != byte(of: scheme, index) | 0x20 { return false }
        return true
    }

    /// Resolves a text into ``result``.
    ///
    /// - Parameters:
    ///   - asURL: whether the two slashes behind a scheme that begins the text stay, and its host.
    ///   - isWhole: whether a query and a fragment are part of the path that a `file:` URL names.
    ///   - followsLinks: whether `..` behind a link leads to where that link leads from.
    mutating func resolve(_ text: Span<UInt8>, asURL: Bool, isWhole: Bool = false, followsLinks: Bool = false) {
        isClimbingURL = false
        isCut = false
        leavesLink = false
        self.followsLinks = followsLinks
        source.removeAll(keepingCapacity: source.capacity <= 64 * 1024)
        isAbsolute = false
        if PathResolver.isFileURL(text) {
            readFileURL(text, isWhole: isWhole)
        } else {
            source.append(copying: text)
        }
        for index in source.indices where source[index] == UInt8(ascii: "\\") { source[index] = UInt8(ascii: "/") }
        if source.first == UInt8(ascii: "/") { isAbsolute = true }
        resolveSource(asURL: asURL)
    }

    /// RFC 8089, 2 and appendix: with or without an authority; a query or fragment is no part of the path.
    private mutating func readFileURL(_ text: Span<UInt8>, isWhole: Bool) {
        var end = 5
        while end < text.count, isWhole || text[end] != UInt8(ascii: "?") && text[end] != UInt8(ascii: "#") { end += 1 }
        isCut = end < text.count
        _ = appendPercentDecoded(text.extracting(5..<end), to: &source)
        for index in source.indices where source[index] == UInt8(ascii: "\\") { source[index] = UInt8(ascii: "/") }
        if source.count >= 2, source[0] == UInt8(ascii: "/"), source[1] == UInt8(ascii: "/") {
            source.removeFirst(source[2...].firstIndex(of: UInt8(ascii: "/")) ?? source.count)
        }
        isAbsolute = true
    }

    private mutating func resolveSource(asURL: Bool) {
        result.removeAll(keepingCapacity: result.capacity <= 64 * 1024)
        names.removeAll(keepingCapacity: names.capacity <= 4096)
        fixed = 0
        var start = 0
        while start <= source.count {
            var end = start
            while end < source.count, source[end] != UInt8(ascii: "/") { end += 1 }
            take(start..<end, asURL: asURL)
            start = end + 1
        }
        if isAbsolute {
            result.insert(UInt8(ascii: "/"), at: 0)
        } else if result.isEmpty {
            result.append(UInt8(ascii: "."))
        }
    }

    private mutating func take(_ name: Range<Int>, asURL: Bool) {
        switch name.count {
        case 0: return
        case 1 where source[name.lowerBound] == UInt8(ascii: "."): return
        case 2 where source[name.lowerBound] == UInt8(ascii: ".") && source[name.lowerBound + 1] == UInt8(ascii: "."):
            climb()
        default:
            push(name)
            if asURL, name.lowerBound == 0, isScheme(name) {
                result.append(UInt8(ascii: "/"))
                fixed = 2
            }
            if isAbsolute, isRootOfProcess() {
                result.removeAll(keepingCapacity: true)
                names.removeAll(keepingCapacity: true)
            }
        }
    }

    private mutating func push(_ name: Range<Int>) {
        if !names.isEmpty { result.append(UInt8(ascii: "/")) }
        names.append(result.count)
        result.append(contentsOf: source[name])
    }

    private mutating func climb() {
        if isAbsolute, names.count == 2, nameEquals(0, "dev"), nameEquals(1, "fd") {
            result = Array("proc/self".utf8)
            names = [0, 5]
            return
        }
        if fixed > 0 { isClimbingURL = true }
        guard names.count > fixed else {
            if fixed == 0 { isAbsolute = true }
            return
        }
        if isAbsolute, names.count == 2, climbOutOfLink() { return }
        // A shell puts a whole path in the place of its home or of a variable.
        if !isAbsolute, names.count == 1, fixed == 0, let first = result.first, "~$%".utf8.contains(first) {
            isAbsolute = true
        }
        let start = names.removeLast()
        result.removeLast(result.count - (names.isEmpty ? 0 : start - 1))
    }

    /// Climbs out of a directory that is a link on Debian (`/var/run`, `/var/lock`) or of every Linux (`/proc/net`). False: it is none, or links are not followed.
    private mutating func climbOutOfLink() -> Bool {
        let isOfVar = nameEquals(0, "var") && (nameEquals(1, "run") || nameEquals(1, "lock"))
        let isOfProc = nameEquals(0, "proc") && nameEquals(1, "net")
        guard isOfVar || isOfProc else { return false }
        leavesLink = true
        guard followsLinks else { return false }
        if isOfProc {
            result = Array("proc/self".utf8)
            names = [0, 5]
        } else if nameEquals(1, "lock") {
            result = Array("run".utf8)
            names = [0]
        } else {
            result.removeAll(keepingCapacity: true)
            names.removeAll(keepingCapacity: true)
        }
        return true
    }

    /// Whether a name is `scheme:` and two slashes follow it.
    private func isScheme(_ name: Range<Int>) -> Bool {
        guard name.count >= 3, source[name.upperBound - 1] == UInt8(ascii: ":"), name.upperBound + 1 < source.count,
            source[name.upperBound + 1] == UInt8(ascii: "/")
        else { return false }
        return isLetter(source[name.upperBound - 2]) && isLetter(source[name.upperBound - 3])
    }

    private func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") || byte >= 0x30 && byte <= 0x39
    }

    /// proc(5): `/proc/PID/root` and `cwd`, of `self`, `thread-self`, a number, or one of its threads.
    private func isRootOfProcess() -> Bool {
        guard names.count == 3 || names.count == 5, nameEquals(0, "proc") else { return false }
        let last = names.count - 1
        guard nameEquals(last, "root") || nameEquals(last, "cwd") else { return false }
        guard nameEquals(1, "self") || nameEquals(1, "thread-self") || isNumber(1) else { return false }
        return last == 2 || nameEquals(2, "task") && isNumber(3)
    }

    private func range(_ name: Int) -> Range<Int> {
        names[name]..<(name + 1 < names.count ? names[name + 1] - 1 : result.count)
    }

    private func isNumber(_ name: Int) -> Bool {
        for index in range(name) where result[index] < 0x30 || result[index] > 0x39 { return false }
        return true
    }

    private func nameEquals(_ name: Int, _ text: StaticString) -> Bool {
        let range = range(name)
        guard range.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where result[range.lowerBound + index] != byte(of: text, index) { return false }
        return true
    }
}

/// A byte of a literal.
@inline(__always)
func byte(of literal: StaticString, _ index: Int) -> UInt8 {
    precondition(index < literal.utf8CodeUnitCount)
    // The index was checked.
    return unsafe literal.utf8Start[index]
}

extension Span<UInt8> {
    /// Whether it begins with a literal.
    func hasPrefix(_ literal: StaticString) -> Bool {
        guard count >= literal.utf8CodeUnitCount else { return false }
        for index in 0..<literal.utf8CodeUnitCount where self[index] != byte(of: literal, index) { return false }
        return true
    }
}
