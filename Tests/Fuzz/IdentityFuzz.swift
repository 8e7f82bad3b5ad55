// libFuzzer target: credentials and labels of request heads. Compiled as one module with Sources/Identity.
//
// For any head: the credential is what a slow reader finds, the subject is the key's owner and nobody is somebody without a key, labels are
// only those allowed, as they stand in the head, and never in place of the key's own.
import Configuration
import Crypto
import HTTP1
import Link

private let alice = "mcpgw_alice-key-0123456789"
private let bob = "bob:key/with+signs=0123456789"
private let labelNames = ["team", "run_id"]

private let library: CryptoLibrary = {
    do { return try CryptoLibrary.load() } catch { fatalError("\(error)") }
}()

private func entry(_ name: String, _ key: String, labels: [Authentication.Label] = []) throws -> Authentication.APIKey {
    var digest: [UInt8] = []
    let bytes = Array(key.utf8)
    try SHA256(library).digest(of: bytes.span).append(to: &digest)
    return Authentication.APIKey(
        name: name, digest: digest, roles: [name], labels: labels, expiry: name == "bob" ? 1000 : 0)
}

private let keys: [Authentication.APIKey] = {
    do { return [try entry("alice", alice, labels: [.init(name: "Team", value: "own")]), try entry("bob", bob)] } catch
    {
        fatalError("\(error)")
    }
}()

private func authenticator(isRequired: Bool, keys: [Authentication.APIKey]) -> Authenticator {
    do { return try Authenticator(library, isRequired: isRequired, keys: keys, labelClaims: labelNames) } catch {
        fatalError("\(error)")
    }
}

/// They keep what they made, so that what was remembered is compared with what is made anew.
nonisolated(unsafe) private let strict = authenticator(isRequired: true, keys: keys)
nonisolated(unsafe) private let open = authenticator(isRequired: false, keys: [])

/// A field as a slow reader sees it: the name in small letters.
private struct PlainField {
    let name: String
    let value: [UInt8]
}

private func plainFields(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) -> [PlainField] {
    head.fields.indices.map { index in
        let field = head.fields[index]
        return PlainField(
            name: String(decoding: field.name.map { bytes[$0] }, as: UTF8.self).lowercased(),
            value: field.value.map { bytes[$0] })
    }
}

/// The key that is shown, an empty one if what is shown is none, nil if nothing is shown or too much.
private func shownKey(_ fields: [PlainField]) -> (count: Int, key: [UInt8]) {
    let shown = fields.filter { $0.name == "x-api-key" || $0.name == "authorization" }
    guard shown.count == 1 else { return (shown.count, []) }
    var key = shown[0].value
    if shown[0].name == "authorization" {
        let scheme = key.prefix(while: { $0 != 0x20 })
        let name = String(decoding: scheme, as: UTF8.self)
        guard scheme.allSatisfy({ $0 < 0x80 }), ["bearer", "apikey"].contains(name.lowercased()) else { return (1, []) }
        key = Array(key.dropFirst(scheme.count).drop(while: { $0 == 0x20 }))
    }
    return (1, (16...1024).contains(key.count) && key.allSatisfy { (0x21...0x7E).contains($0) } ? key : [])
}

private func checkLabels(_ identity: Identity, own: [Identity.Label], _ fields: [PlainField]) {
    precondition(Array(identity.labels.prefix(own.count)) == own, "a key's own label is not there")
    var seen = Set(own.map { $0.name.lowercased() })
    for label in identity.labels.dropFirst(own.count) {
        precondition(
            label.isClaimed && labelNames.contains(label.name) && seen.insert(label.name.lowercased()).inserted)
        let name = "x-mcpgw-label-" + label.name.replacing("_", with: "-")
        let stands = fields.filter { $0.name.replacing("_", with: "-") == name }
        precondition(stands.contains { $0.value == Array(label.value.utf8) }, "a label that does not stand in the head")
        precondition(label.value.utf8.count <= 256, "a long label")
        precondition(
            label.value.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control },
            "a label with a control character")
    }
}

/// What an authenticator says, twice, so that what it remembers is seen too.
private func outcome(
    _ authenticator: Authenticator, _ head: borrowing RequestHead, _ bytes: Span<UInt8>, now: UInt64
) -> Result<Identity, Authenticator.Failure> {
    func once(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) -> Result<Identity, Authenticator.Failure> {
        do throws(Authenticator.Failure) {
            return .success(try authenticator.identity(head, bytes, now: now))
        } catch {
            return .failure(error)
        }
    }
    let (first, second) = (once(head, bytes), once(head, bytes))
    precondition(first == second, "two answers")
    return first
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    // Most of the input is fields; the line before them would cost the fuzzer its time.
    let head = Array("POST /mcp HTTP/1.1\r\nHost: h\r\n".utf8)
    let input = unsafe head + Array(UnsafeBufferPointer(start: start, count: count)) + Array("\r\n\r\n".utf8)
    var parser = RequestParser()
    guard (try? parser.parseHead(input.span)) == true else { return 0 }
    let fields = plainFields(parser.head, input.span)
    let (shown, key) = shownKey(fields)
    let text = String(decoding: key, as: UTF8.self)
    let now: UInt64 = count % 2 == 0 ? 1 : 2000
    let owner = text == alice ? "alice" : text == bob && now < 1000 ? "bob" : nil
    switch outcome(strict, parser.head, input.span, now: now) {
    case .success(let identity):
        precondition(shown == 1 && identity.subject == owner && identity.method == .apiKey, "served to somebody else")
        precondition(identity.roles == [identity.subject] && identity.tenant.isEmpty)
        checkLabels(identity, own: owner == "alice" ? [Identity.Label(name: "Team", value: "own")] : [], fields)
    case .failure(.credentialMissing): precondition(shown == 0)
    case .failure(.credentialAmbiguous): precondition(shown > 1)
    case .failure(.credentialInvalid): precondition(shown == 1 && owner == nil, "a valid key is refused")
    case .failure(.labels): precondition(owner != nil && fields.contains { $0.name.hasPrefix("x-mcpgw-label-") })
    }
    if case .success(let identity) = outcome(open, parser.head, input.span, now: now) {
        precondition(
            identity.method == .anonymous && identity.subject.isEmpty && identity.roles.isEmpty,
            "somebody without a key")
        checkLabels(identity, own: [], fields)
    }
    return 0
}
