import Crypto
import Glibc
import Testing

@Suite struct KeyLifetimeTests {
    /// Looks for a key in all memory of a process that used it and let it go. AES keeps the key itself at the start of its schedule, so it is there before.
    @Test func aKeyIsGoneFromMemoryWithItsOwner() async {
        await #expect(processExitsWith: .success) {
            // Only a masked copy of the key outlives its use, to know what to look for.
            var masked: [UInt8] = []
            SecureRandom.append(32, to: &masked)
            var sealing: SealingKey? = try withKey(masked) { try SealingKey(library, key: $0.span) }
            var hmac: HMACSHA256? = try withKey(masked) { try HMACSHA256(library, key: $0.span) }
            var output: [UInt8] = []
            for _ in 0..<10 {
                try sealing?.seal([1, 2, 3].span, context: Span(), to: &output)
                _ = try hmac?.code(of: output.span)
            }
            let before = try occurrences(masked)
            sealing = nil
            hmac = nil
            let after = try occurrences(masked)
            if before == 0 || after != 0 {
                print("the key was found \(before) times before its end and \(after) times after")
                exit(1)
            }
            exit(0)
        }
    }
}

private let mask: UInt8 = 0xA5

private func withKey<R>(_ masked: [UInt8], _ body: ([UInt8]) throws -> R) rethrows -> R {
    var key = masked
    for index in key.indices { key[index] ^= mask }
    defer { wipe(&key) }
    return try body(key)
}

/// How often the first half of a key lies in this process's writable memory, read with pread(2) from /proc/self/mem.
private func occurrences(_ masked: [UInt8]) throws -> Int {
    let memory = unsafe open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
    guard memory >= 0 else { throw CryptoError.failed("open /proc/self/mem") }
    defer { close(memory) }
    var window = [UInt8](repeating: 0, count: 1 << 16)
    var count = 0
    for range in try writableRanges() {
        var address = range.lowerBound
        while address < range.upperBound {
            // Windows overlap by less than what is looked for.
            let wanted = min(window.count, range.upperBound - address)
            let got = unsafe pread(memory, &window, wanted, address)
            if got > 16 { count += matches(window, got, masked) }
            address += wanted < window.count ? wanted : window.count - 15
        }
    }
    // The window holds copies of its own making: it was not there when its content was read, but is itself writable memory.
    wipe(&window)
    return count
}

private func matches(_ window: [UInt8], _ length: Int, _ masked: [UInt8]) -> Int {
    var count = 0
    for start in 0...(length - 16) where window[start] ^ mask == masked[0] {
        if (0..<16).allSatisfy({ window[start + $0] ^ mask == masked[$0] }) { count += 1 }
    }
    return count
}

private func writableRanges() throws -> [Range<Int>] {
    guard let file = unsafe fopen("/proc/self/maps", "re") else { throw CryptoError.failed("open /proc/self/maps") }
    defer { unsafe fclose(file) }
    var ranges: [Range<Int>] = []
    var line = [CChar](repeating: 0, count: 4096)
    while unsafe fgets(&line, 4096, file) != nil {
        let fields = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self).split(separator: " ")
        let bounds = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
        guard bounds.count == 2, fields[1].hasPrefix("rw") else { continue }
        ranges.append(bounds[0]..<bounds[1])
    }
    return ranges
}
