import Testing

@testable import Ingress

@Suite struct OwnNamesTests {
    @Test func probe() {}
}
