import Crypto

let library: CryptoLibrary = {
    do { return try CryptoLibrary.load() } catch { fatalError("\(error)") }
}()

func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8($0 <= 57 ? $0 - 48 : $0 - 87) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func sealed(_ key: SealingKey, _ plaintext: [UInt8], context: [UInt8] = []) throws -> [UInt8] {
    var output: [UInt8] = []
    try key.seal(plaintext.span, context: context.span, to: &output)
    return output
}

func opened(_ key: SealingKey, _ message: [UInt8], context: [UInt8] = []) -> [UInt8]? {
    var output: [UInt8] = []
    return key.open(message.span, context: context.span, to: &output) ? output : nil
}

func sealingKey(_ byte: UInt8) throws -> SealingKey {
    try SealingKey(library, key: [UInt8](repeating: byte, count: 32).span)
}

func digestBytes(_ digest: Digest) -> [UInt8] {
    var output: [UInt8] = []
    digest.append(to: &output)
    return output
}

func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { equalInConstantTime(a.span, b.span) }
