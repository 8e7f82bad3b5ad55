import Testing

@testable import Configuration

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("0ms", 0), ("1ms", 1_000_000), ("500ms", 500_000_000), ("30s", 30_000_000_000), ("5m", 300_000_000_000),
            ("1h", 3_600_000_000_000), ("007s", 7_000_000_000), ("8760h", 31_536_000_000_000_000),
            ("31536000000ms", 31_536_000_000_000_000),
        ] as [(String, UInt64)])
    func accepted(text: String, nanoseconds: UInt64) throws {
        #expect(try DurationText.nanoseconds(text, source: "--drain-timeout") == nanoseconds)
    }

    @Test(arguments: [
        "", "5", "s", "ms", "5S", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5s", "1,5s", "1e3s", "0x5s", "5d", "5us", "5ns",
        "5min", "1m30s", "5ss", "٥s", "5ſ", "5s\n", "5\u{301}s", "½s", "²s", "18446744073709551616s",
    ])
    func refusedAsNoTime(text: String) throws {
        let error = try #require(
            configurationError { () throws(ConfigurationError) in
                _ = try DurationText.nanoseconds(text, source: "--drain-timeout")
            }, "'\(text)' is accepted")
        #expect(error.source == "--drain-timeout")
        #expect(error.message == "'\(text)' is not a time; write for example 500ms, 30s, 5m or 1h")
    }

    @Test(arguments: ["8761h", "31536001s", "18446744073709551615h", "18446744073709551615ms", "5124095577h"])
    func refusedAsTooLong(text: String) {
        let error = configurationError { () throws(ConfigurationError) in
            _ = try DurationText.nanoseconds(text, source: "--drain-timeout")
        }
        #expect(error == ConfigurationError("--drain-timeout", "'\(text)' is longer than a year"))
    }
}
