import Link
import Testing

/// Numbers that say which route made them.
@Suite struct RouteNumberTests {
    @Test(arguments: [0, 1, 7, 1023] as [UInt16])
    func everyNumberNamesItsRouteAndIsExactInADouble(route: UInt16) {
        for _ in 0..<100 {
            var numbers = RouteNumber(route: route)
            var last: UInt64 = 0
            for _ in 0..<1000 {
                let number = numbers.next()
                #expect(number > last && number < 1 << 53 && RouteNumber.route(of: number) == Int(route))
                last = number
            }
        }
    }
}
