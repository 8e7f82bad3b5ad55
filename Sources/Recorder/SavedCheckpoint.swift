import AuditLog
import Crypto
import StrictJSON

/// The last checkpoint as the state file has it: what the log must contain at least.
struct SavedCheckpoint {
    /// The number of its line; 0 if there is none that can be believed.
    private(set) var sequence: UInt64 = 0
    /// The SHA-256 of its line.
    private(set) var hash = LogChain.none

    /// Reads the file's content. Only a checkpoint that this installation's key signed is believed.
    init(_ bytes: [UInt8], _ library: CryptoLibrary, _ publicKey: String) {
        guard bytes.last == 0x0a, let key = Hexadecimal.bytes(publicKey) else { return }
        var tape = JSONTape()
        let span = bytes.span.extracting(0..<bytes.count - 1)
        guard let line = try? LogLine(span, &tape, JSONParser(surrogates: .replace)), let signature = line.signature,
            let verifier = try? VerificationKey(library, publicKey: key.span),
            verifier.verifies(signature.bytes.span, of: span.extracting(0..<signature.of)),
            let digest = try? SHA256(library).digest(of: span)
        else { return }
        sequence = line.sequence
        hash = []
        digest.appendHex(to: &hash)
    }

    /// How the end of a log contradicts it; nil if it does not.
    func contradicts(_ tail: LogTail) -> String? {
        guard sequence > 0, tail.sequence > 0 else { return nil }
        if tail.sequence < sequence {
            return "it ends at line \(tail.sequence), and its last checkpoint was line \(sequence)"
        }
        if let found = tail.hash(of: sequence), found != hash {
            return "line \(sequence) is not the checkpoint that it was"
        }
        return nil
    }
}
