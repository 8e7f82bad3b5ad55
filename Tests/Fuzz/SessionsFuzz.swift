// libFuzzer target: session ids. Compiled as one module with Sources/Sessions. The first byte chooses.
//
// No bytes open but those that were sealed, for whom they were sealed, under a key they were sealed with; no change of
// them opens, not even as somebody else's or as expired.
import Crypto
import Link

private let now: UInt64 = 1_800_000_000

private let library: CryptoLibrary = {
    do { return try CryptoLibrary.load() } catch { fatalError("\(error)") }
}()

private func sealer(_ newest: UInt8, _ older: UInt8? = nil) -> SessionSealer {
    func key(_ byte: UInt8) throws(CryptoError) -> SealingKey {
        try SealingKey(library, key: [UInt8](repeating: byte, count: SealingKey.length).span)
    }
    do {
        return try SessionSealer(library, newest: key(newest), older: older.map(key))
    } catch {
        fatalError("\(error)")
    }
}

/// One value serves one thread, and the fuzzer has one.
private struct Sealers: @unchecked Sendable {
    /// The gateway's, before and after a change of keys, and one that never had the key.
    let own = sealer(1), rotated = sealer(2, 1), foreign = sealer(3, 4)
}

private let sealers = Sealers()

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let rest = Array(input.dropFirst())
    switch (input[0] &- UInt8(ascii: "0")) % 5 {
    case 0: checkStrange(rest)
    case 1:
        // In the form of a sealed id, so that the key decides.
        var token: [UInt8] = []
        Base64URL.encode([1] + rest, to: &token)
        checkStrange(token)
    case 2: checkSealed(rest)
    case 3: checkSpliced(rest)
    default: checkText(rest)
    }
    return 0
}

private func open(_ token: [UInt8], _ owner: Owner, _ sealer: SessionSealer, _ now: UInt64 = now) -> SessionOpening {
    sealer.open(token.span, subject: owner.subject.span, tenant: owner.tenant.span, now: now)
}

/// Bytes that nobody sealed.
private func checkStrange(_ token: [UInt8], _ owner: Owner = Owner()) {
    for sealer in [sealers.own, sealers.rotated, sealers.foreign] {
        switch open(token, owner, sealer) {
        case .malformed, .forged: break
        case .valid, .otherSubject, .expired: preconditionFailure("a strange id opens")
        }
    }
}

private struct Owner: Equatable {
    var subject: [UInt8] = []
    var tenant: [UInt8] = []
}

/// The input as a source of choices; zeros after its end.
private struct Choices {
    var rest: ArraySlice<UInt8>

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number() -> UInt64 { (0..<8).reduce(0) { number, _ in number << 8 | UInt64(byte()) } }

    /// A text as long as a byte says, now and then above the length that is kept as it is.
    mutating func text() -> [UInt8] {
        let count = Int(byte())
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func owner() -> Owner { Owner(subject: text(), tenant: text()) }

    mutating func grant() -> SessionGrant {
        SessionGrant(
            uuid: SessionUUID(low: number(), high: number()), revision: byte(),
            capabilities: SessionCapabilities(rawValue: UInt32(truncatingIfNeeded: number())), created: number(),
            expires: number())
    }
}

private func seal(_ grant: SessionGrant, _ owner: Owner, _ sealer: SessionSealer) -> [UInt8] {
    var token: [UInt8] = []
    do throws(CryptoError) {
        try sealer.seal(grant, subject: owner.subject.span, tenant: owner.tenant.span, to: &token)
    } catch {
        preconditionFailure("\(error)")
    }
    precondition(token.count <= SessionSealer.longestToken && token.allSatisfy { 0x21...0x7E ~= $0 })
    return token
}

private func checkSealed(_ input: [UInt8]) {
    var choices = Choices(rest: input[...])
    let (grant, owner, other) = (choices.grant(), choices.owner(), choices.owner())
    let token = seal(grant, owner, sealers.own)
    let expected: SessionOpening = now < grant.expires ? .valid(grant) : .expired
    precondition(open(token, owner, sealers.own) == expected, "our own id does not open")
    precondition(open(token, owner, sealers.rotated) == expected, "the older key does not open")
    precondition(open(token, owner, sealers.own, grant.expires) == .expired, "an id outlives its end")
    precondition(open(token, owner, sealers.foreign) == .forged, "another's key opens")
    if other != owner { precondition(open(token, other, sealers.own) == .otherSubject, "it opens for another") }

    var changed = token
    while !choices.rest.isEmpty {
        let kind = choices.byte()
        let place = (Int(choices.byte()) << 8 | Int(choices.byte())) % max(changed.count, 1)
        switch kind % 5 {
        case 0 where !changed.isEmpty: changed[place] ^= 1 << (choices.byte() & 7)
        case 1 where !changed.isEmpty: changed[place] = choices.byte()
        case 2 where !changed.isEmpty: changed.remove(at: place)
        case 3: changed.insert(choices.byte(), at: place)
        default: changed.removeLast(changed.count - place)
        }
        if changed != token { checkStrange(changed, owner) }
    }
    checkBits(token, owner, Int(input.first ?? 0))
}

/// A bit of the sealed bytes themselves, so that every change is one of good form.
private func checkBits(_ token: [UInt8], _ owner: Owner, _ seed: Int) {
    var packet: [UInt8] = []
    precondition(Base64URL.decode(token.span, to: &packet))
    for step in 0..<4 {
        let bit = (seed &* 31 &+ step &* 257) % (packet.count * 8)
        packet[bit / 8] ^= 1 << UInt8(bit % 8)
        var changed: [UInt8] = []
        Base64URL.encode(packet, to: &changed)
        checkStrange(changed, owner)
        packet[bit / 8] ^= 1 << UInt8(bit % 8)
    }
}

/// The beginning of one id and the end of another.
private func checkSpliced(_ input: [UInt8]) {
    var choices = Choices(rest: input[...])
    let owner = choices.owner()
    let first = seal(choices.grant(), owner, sealers.own)
    let second = seal(choices.grant(), owner, sealers.rotated)
    for _ in 0..<4 {
        let place = (Int(choices.byte()) << 8 | Int(choices.byte())) % first.count
        let spliced = Array(first.prefix(place) + second.dropFirst(place))
        if spliced != first, spliced != second { checkStrange(spliced, owner) }
    }
}

private func checkText(_ input: [UInt8]) {
    var text: [UInt8] = []
    Base64URL.encode(input, to: &text)
    var back: [UInt8] = []
    precondition(Base64URL.decode(text.span, to: &back) && back == input, "our own text was not read back")
    back = []
    guard Base64URL.decode(input.span, to: &back) else { return }
    text = []
    Base64URL.encode(back, to: &text)
    precondition(text == input, "bytes have two texts")
}
