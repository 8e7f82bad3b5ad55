import CKernel
import Configuration
import Glibc
import Link

/// Why a role cannot serve a generation: what the administrator reads, without secrets.
public struct GenerationRefusal: Error, Equatable, Sendable {
    /// The reason.
    public let text: String

    /// Refuses with a reason.
    public init(_ text: String) { self.text = text }

    /// The role's part of a generation.
    /// - Throws: `GenerationRefusal` if it is not what the type reads.
    public static func decoding<Generation: RoleGeneration>(
        _ type: Generation.Type, _ bytes: [UInt8]
    ) throws(GenerationRefusal) -> Generation {
        do throws(LinkViolation) {
            return try Generation(decoding: bytes)
        } catch {
            throw GenerationRefusal("its part cannot be read (\(error.text))")
        }
    }
}

/// Which frames about generations the supervisor may send next: a value, so that every order can be tested.
struct PreparedGeneration: Equatable {
    private enum State: Equatable {
        /// Nothing is prepared.
        case none
        /// Commit or abandon comes next.
        case prepared(UInt64)
        /// Its refusal may have crossed an `abandon`.
        case refused(UInt64)
    }

    private var state = State.none
    /// The newest number seen: numbers only rise.
    private var newest: UInt64

    /// `generation` is the one that the worker was started under.
    init(serving generation: UInt64) { newest = generation }

    /// `prepare` came; throws `LinkViolation.notPermitted`.
    mutating func prepare(_ number: UInt64) throws(LinkViolation) {
        if case .prepared = state { throw .notPermitted }
        guard number > newest else { throw .notPermitted }
        newest = number
        state = .refused(number)
    }

    /// The role has prepared it.
    mutating func succeeded() { state = .prepared(newest) }

    /// `commit` came; throws `LinkViolation.notPermitted`.
    mutating func commit(_ number: UInt64) throws(LinkViolation) {
        guard state == .prepared(number) else { throw .notPermitted }
        state = .none
    }

    /// `abandon` came; throws `LinkViolation.notPermitted`.
    mutating func abandon(_ number: UInt64) throws(LinkViolation) {
        guard state == .prepared(number) || state == .refused(number) else { throw .notPermitted }
        state = .none
    }
}

/// Reads a sealed memfd that the supervisor handed over.
enum SealedContent {
    /// Bytes of a generation at most.
    private static let limit: Int64 = 64 << 20

    /// The content; the descriptor stays open. Throws `LinkViolation.badPayload`.
    static func read(_ descriptor: Int32) throws(LinkViolation) -> [UInt8] {
        let size = ck_sealed_size(descriptor)
        guard size > 0, size <= limit else { throw .badPayload }
        // Not pread, which confined workers do not have.
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw .badPayload }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
            }
            guard count > 0 else { throw .badPayload }
            done += count
        }
        return bytes
    }
}
