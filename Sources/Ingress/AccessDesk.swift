import Configuration
import HTTP1
import Identity
import Link
import MCP
import NIOCore
import Telemetry

/// Who may ask, and how much (DESIGN 9). The keys live in `IngressSettings` and nowhere else; no message, log line or record gets one.
final class AccessDesk {
    /// Nil: everybody may ask as much as they like.
    private var limiter: RateLimiter?
    private let counters: Counters

    /// Nobody has used anything of what a generation allows.
    init(_ generation: IngressGeneration, _ counters: Counters) {
        limiter = generation.rateLimit.map { RateLimiter($0, now: AccessDesk.now) }
        self.counters = counters
    }

    /// Another generation is in force. Who has used up a limit has used it up under the next one too.
    func adopt(_ generation: IngressGeneration) {
        guard let limit = generation.rateLimit else { return limiter = nil }
        guard limiter != nil else { return limiter = RateLimiter(limit, now: AccessDesk.now) }
        limiter?.limit = limit
    }

    /// The phase `authenticate`: who sends a request with this head, by the keys of the generation that admits it.
    /// - Throws: `Refusal`.
    func authenticate(
        _ head: borrowing RequestHead, _ bytes: Span<UInt8>, _ authenticator: Authenticator
    ) throws(Refusal) -> Identity {
        do throws(Authenticator.Failure) {
            return try authenticator.identity(head, bytes, now: SessionDesk.now)
        } catch {
            let refusal = Refusal(error)
            if refusal.error == .unauthenticated { counters.add(.unauthenticated) }
            throw refusal
        }
    }

    /// Charges one message to its subject. An answer to a request of the server is charged too but never refused: the server would wait for it,
    /// and one that it did not ask for ends in the gateway.
    /// - Throws: `GatewayError.rateLimited`.
    func charge(_ identity: Identity, _ listener: UInt32, isResponse: Bool) throws(GatewayError) {
        guard limiter != nil else { return }
        let outcome = limiter?.take(RateLimiter.Subject(identity, listener: listener), now: AccessDesk.now)
        guard !isResponse, case .empty(let wait)? = outcome else { return }
        counters.add(.rateLimited)
        throw .rateLimited(retryAfterMilliseconds: wait)
    }

    /// Charges a message that is refused for another reason.
    func note(_ identity: Identity, _ listener: UInt32) {
        guard limiter != nil else { return }
        _ = limiter?.take(RateLimiter.Subject(identity, listener: listener), now: AccessDesk.now)
    }

    private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }
}

extension Refusal {
    /// What a client is told that is not served (RFC 6750, 3: an error is named only to one who showed a credential).
    fileprivate init(_ failure: Authenticator.Failure) {
        switch failure {
        case .credentialMissing:
            self.init(401, "a credential is missing", field: Refusal.challenge, error: .unauthenticated)
        case .credentialInvalid:
            self.init(
                401, "the credential is not valid", field: Refusal.challenge + #", error="invalid_token""#,
                error: .unauthenticated)
        case .credentialAmbiguous:
            self.init(
                401, "there is more than one credential", field: Refusal.challenge + #", error="invalid_request""#,
                error: .unauthenticated)
        case .labels(let fault):
            let why =
                switch fault {
                case .tooMany: "there are at most \(LabelClaims.limit)"
                case .repeated: "one stands twice"
                case .tooLong: "a value has at most \(LabelClaims.longestValue) bytes"
                case .badCharacters: "a value is UTF-8 without control characters"
                }
            self.init(400, "the X-MCPGW-Label fields cannot be read: \(why)")
        }
    }

    private static let challenge = #"WWW-Authenticate: Bearer realm="mcpgw""#
}
