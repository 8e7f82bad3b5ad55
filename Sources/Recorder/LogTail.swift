import AuditLog
import Crypto
import Records
import StrictJSON

/// What the end of a log says when a recorder starts: where the chain stands, and what of the rings is there already. A value made from bytes.
struct LogTail {
    /// What is wrong with it; nil if the chain holds.
    private(set) var fault: LogFault?
    /// The last whole line's number; 0 if there is none.
    private(set) var sequence: UInt64 = 0
    /// The number of the last checkpoint that was read; 0 if none was.
    private(set) var checkpoint: UInt64 = 0
    /// The SHA-256 of the last whole line.
    private(set) var head = LogChain.none
    /// How far each ring's records are there.
    private(set) var positions: [UInt64: UInt64] = [:]
    /// Requests that were closed as aborted, by the ring.
    private(set) var aborted: [UInt64: Set<UInt64>] = [:]
    /// Bytes behind the last whole line: a line that was not written to its end.
    private(set) var torn = 0
    /// The hash of each line that was read, by its number.
    private var hashes: [UInt64: [UInt8]] = [:]

    /// Bytes of a log's end that are read: more than one batch.
    static let window = 8 << 20

    /// Reads the last bytes of a log; `isWhole`: they are all of it.
    init(_ bytes: [UInt8], isWhole: Bool, library: CryptoLibrary, signingKey: [UInt8]) throws(CryptoError) {
        let digests = try SHA256(library)
        let code = signingKey.isEmpty ? nil : try HMACSHA256(library, key: signingKey.span)
        var tape = JSONTape()
        let parser = JSONParser(surrogates: .replace)
        var start = 0
        if !isWhole {
            while start < bytes.count, bytes[start] != 0x0a { start += 1 }
            start += 1
        }
        var isFirst = true
        while start < bytes.count {
            guard let end = bytes[start...].firstIndex(of: 0x0a) else { break }
            let span = bytes.span.extracting(start..<end)
            do throws(LogFault) {
                let line = try LogLine(span, &tape, parser)
                guard RecordKind(rawValue: line.kind) != nil else {
                    throw LogFault("line \(line.sequence) is none that a recorder writes")
                }
                if isFirst ? isWhole && line.sequence == 1 && line.previous != LogChain.none : line.previous != head {
                    throw LogFault("line \(line.sequence) does not follow the one before")
                }
                if !isFirst, line.sequence != sequence + 1 { throw LogFault("line \(line.sequence) is out of order") }
                if let code {
                    guard let tag = line.code, let own = try? code.code(of: span.extracting(0..<tag.of)) else {
                        throw LogFault("line \(line.sequence) has no sig")
                    }
                    var bytes: [UInt8] = []
                    own.append(to: &bytes)
                    guard equalInConstantTime(bytes.span, tag.bytes.span) else {
                        throw LogFault("the sig of line \(line.sequence) is not that of audit.signing_key")
                    }
                }
                isFirst = false
                sequence = line.sequence
                note(line, span, tape)
            } catch {
                fault = error
                return
            }
            head = []
            try digests.digest(of: span).appendHex(to: &head)
            hashes[sequence] = head
            start = end + 1
        }
        if !isWhole, sequence == 0 {
            fault = LogFault("its end holds no line")
            return
        }
        torn = max(0, bytes.count - start)
        if torn > 0 {
            let lead = Array("{\"timestamp\":\"".utf8)
            let rest = bytes[start...]
            if torn > LogLine.maximum || !rest.prefix(lead.count).elementsEqual(lead.prefix(torn)) {
                fault = LogFault("what stands behind the last line is no beginning of one")
            }
        }
    }

    /// The hash of a line, if it was read.
    func hash(of sequence: UInt64) -> [UInt8]? { hashes[sequence] }

    private mutating func note(_ line: LogLine, _ span: Span<UInt8>, _ tape: borrowing JSONTape) {
        if line.kind == "checkpoint" { checkpoint = line.sequence }
        guard let source = line.source else { return }
        if line.kind == "aborted" {
            guard let member = tape.member("request_id", of: .root, in: span), let text = tape.string(member, in: span),
                let id = UInt64(text, radix: 16)
            else { return }
            aborted[source.ring, default: []].insert(id)
        } else {
            positions[source.ring] = max(positions[source.ring] ?? 0, source.position)
        }
    }
}
