import Testing

@testable import Link

/// The session and the identity that a request carries.
@Suite struct RequesterTests {
    private func message(
        _ identity: Identity = .anonymous, _ session: SessionReference? = nil, revision: UInt8 = 0
    ) -> RequestOpen {
        RequestOpen(
            generation: 1, requestID: 2, identity: identity, session: session, revision: revision, method: .get,
            acceptsJSON: false, acceptsEvents: true, isModern: false, bodyLength: 0)
    }

    private func decoded(_ message: RequestOpen) throws -> RequestOpen {
        let bytes = Sample.encoded(message)
        #expect(bytes == Unchecked.encoded(message))
        return try RequestOpen(decoding: bytes.span)
    }

    // MARK: Sessions

    @Test func aSessionReferenceArrivesAsItWasSent() throws {
        let numbers: [UInt64] = [0, 1, 0x0123_4567_89AB_CDEF, .max]
        for use in [SessionReference.Use.member, .opening] {
            for low in numbers {
                for high in numbers {
                    for expires in numbers {
                        let capabilities = UInt32(truncatingIfNeeded: low ^ high)
                        let session = SessionReference(
                            use: use, uuid: SessionUUID(low: low, high: high), capabilities: capabilities,
                            expires: expires)
                        let read = try decoded(message(.anonymous, session, revision: UInt8(truncatingIfNeeded: high)))
                        #expect(read.session == session)
                        #expect(read.revision == UInt8(truncatingIfNeeded: high))
                    }
                }
            }
        }
        #expect(try decoded(message()).session == nil)
    }

    @Test func referencesDifferInEveryPart() {
        let one = SessionReference(use: .member, uuid: SessionUUID(low: 1, high: 2), capabilities: 3, expires: 4)
        let others = [
            SessionReference(use: .opening, uuid: one.uuid, capabilities: 3, expires: 4),
            SessionReference(use: .member, uuid: SessionUUID(low: 0, high: 2), capabilities: 3, expires: 4),
            SessionReference(use: .member, uuid: SessionUUID(low: 1, high: 0), capabilities: 3, expires: 4),
            SessionReference(use: .member, uuid: one.uuid, capabilities: 0, expires: 4),
            SessionReference(use: .member, uuid: one.uuid, capabilities: 3, expires: 0),
        ]
        for other in others {
            #expect(other != one)
            #expect(Sample.encoded(message(.anonymous, other)) != Sample.encoded(message(.anonymous, one)))
        }
    }

    @Test func noOtherUseOfASessionIsTaken() throws {
        let uuid = SessionUUID(low: .max, high: .max)
        let member = SessionReference(use: .member, uuid: uuid, capabilities: .max, expires: .max)
        var opening = member
        opening.use = .opening
        let bytes = Sample.encoded(message(.anonymous, member))
        let other = Sample.encoded(message(.anonymous, opening))
        // The one byte in which the two differ says what the session is to the request.
        let places = bytes.indices.filter { bytes[$0] != other[$0] }
        #expect(places.count == 1)
        let place = try #require(places.first)
        for use in UInt8.min...UInt8.max {
            var changed = bytes
            changed[place] = use
            #expect(Unchecked.refusesOpen(changed) == (use != 1 && use != 2), "\(use)")
        }
        // A use without a session.
        let none = Sample.encoded(message())
        for use in 1...UInt8.max {
            var changed = none
            changed[place] = use
            #expect(Unchecked.refusesOpen(changed), "\(use)")
        }
    }

    @Test func theRevisionOfANewSessionArrives() throws {
        for revision in UInt8.min...UInt8.max {
            let head = ReplyHead(status: 200, kind: .json, bodyLength: 2, sessionRevision: revision)
            let bytes = Sample.encoded(head)
            #expect(bytes == Unchecked.encoded(head))
            #expect(try ReplyHead(decoding: bytes.span).sessionRevision == revision)
        }
    }

    // MARK: Identities

    private static let nobodies: [Identity] = [
        Identity(subject: "a", method: .anonymous), Identity(subject: "", method: .peer),
        Identity(subject: "", method: .anonymous, roles: [""]), Identity(subject: "", method: .anonymous, tenant: "t"),
        Identity(subject: "", method: .anonymous, labels: [Identity.Label(name: "", value: "")]),
        Identity(subject: "", method: .anonymous, expiry: 1),
    ]

    @Test func everyAnonymousRequestSharesOneIdentity() throws {
        #expect(try decoded(message()).identity === Identity.anonymous)
        let another = Identity(subject: "", method: .anonymous)
        #expect(another !== Identity.anonymous)
        #expect(another == Identity.anonymous)
        #expect(try decoded(message(another)).identity === Identity.anonymous)
    }

    @Test func whoeverDiffersFromNobodyInAnythingIsSomebody() throws {
        for identity in Self.nobodies {
            #expect(identity != .anonymous)
            let read = try decoded(message(identity)).identity
            #expect(read !== Identity.anonymous)
            #expect(read == identity)
        }
        for one in Self.nobodies.indices {
            for other in Self.nobodies.indices where one != other {
                #expect(Self.nobodies[one] != Self.nobodies[other])
            }
        }
    }

    @Test func identitiesAreEqualByWhatTheySayAndByAllOfIt() throws {
        let label = Identity.Label(name: "team", value: "a")
        func identity(
            _ subject: String = "s", _ method: Identity.Method = .jwt, roles: [String] = ["r", "q"],
            tenant: String = "t",
            labels: [Identity.Label]? = nil, expiry: UInt64 = 9
        ) -> Identity {
            Identity(
                subject: subject, method: method, roles: roles, tenant: tenant, labels: labels ?? [label],
                expiry: expiry)
        }
        #expect(identity() == identity())
        #expect(try decoded(message(identity())).identity == identity())
        let others = [
            identity("S"), identity(roles: ["q", "r"]), identity(roles: ["r"]), identity(tenant: ""),
            identity(labels: []),
            identity(labels: [Identity.Label(name: "team", value: "b")]),
            identity(labels: [Identity.Label(name: "Team", value: "a")]), identity(labels: [label, label]),
            identity("s", .oauth), identity(expiry: 8),
        ]
        for other in others {
            #expect(other != identity())
            #expect(try decoded(message(other)).identity == other)
        }
    }
}
