import Glibc
import Roles
import Testing

@testable import Telemetry

@Suite struct LogTests {
    private static func isLine(_ line: Substring, level: String, origin: String) -> Bool {
        // 2026-11-22T14:24:39.811Z level origin[pid]: message
        let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].utf8.count == 24, parts[0].hasSuffix("Z"), parts[1] == level else {
            return false
        }
        guard parts[2].hasPrefix("\(origin)["), parts[2].hasSuffix("]:") else { return false }
        return Int32(parts[2].dropFirst(origin.count + 1).dropLast(2)) != nil
    }

    @Test func aLineNamesTimeLevelRoleAndProcess() async throws {
        let result = try await #require(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            Log(role: .supervisor).info("one")
            Log(role: .route, name: "files").warning("two")
            Log(role: .dialer).error("three")
            exit(0)
        }
        let lines = String(decoding: result.standardErrorContent, as: UTF8.self).split(separator: "\n")
        try #require(lines.count == 3)
        #expect(Self.isLine(lines[0], level: "info", origin: "supervisor") && lines[0].hasSuffix("]: one"))
        #expect(Self.isLine(lines[1], level: "warning", origin: "route/files") && lines[1].hasSuffix("]: two"))
        #expect(Self.isLine(lines[2], level: "error", origin: "dialer") && lines[2].hasSuffix("]: three"))
    }

    /// What comes from outside can neither begin a line of its own nor command the terminal of whoever reads the log.
    @Test func nothingInAMessageEndsItsLineOrCommandsATerminal() async throws {
        let result = try await #require(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            let log = Log(role: .ingress)
            for value in Array(0...0xA0) + [0x2028, 0x2029] {
                guard let scalar = Unicode.Scalar(UInt32(value)) else { continue }
                log.info("a\(scalar)2026-01-01T00:00:00.000Z error supervisor[1]: forged")
            }
            log.info("a\r\nforged")
            exit(0)
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        let messages = 0xA1 + 2 + 1
        try #require(lines.count == messages + 1)
        #expect(lines.last?.isEmpty == true)
        for line in lines.dropLast() {
            #expect(Self.isLine(Substring(String(line)), level: "info", origin: "ingress"))
            for scalar in line {
                let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                #expect(!isControl && scalar != "\u{2028}" && scalar != "\u{2029}")
            }
        }
    }

    @Test func aLongMessageIsCutAndItsLineStillEnds() async throws {
        let result = try await #require(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            let log = Log(role: .recorder)
            log.info(String(repeating: "x", count: 100_000))
            log.info(String(repeating: "é", count: 4000))
            log.info("after")
            exit(0)
        }
        let lines = result.standardErrorContent.split(separator: 0x0A)
        try #require(lines.count == 3)
        for line in lines.dropLast() {
            #expect(line.count == 4095 || line.count == 4094)
            #expect(line.suffix(3).elementsEqual("...".utf8))
            #expect(String(validating: line, as: UTF8.self) != nil, "a character is not cut in two")
        }
        #expect(lines[2].suffix(5).elementsEqual("after".utf8))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.000Z"), (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"), (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_078_012_800, "2004-02-29T00:00:00.000Z"), (1_709_164_800, "2024-02-29T00:00:00.000Z"),
        (1_735_689_599, "2024-12-31T23:59:59.000Z"), (2_147_483_648, "2038-01-19T03:14:08.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"), (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        (-2_208_988_800, "1900-01-01T00:00:00.000Z"),
    ])
    func knownTimes(seconds: Int, text: String) {
        #expect(Log.timestamp(of: timespec(tv_sec: seconds, tv_nsec: 0)) == text)
    }

    @Test(arguments: [(0, "000"), (999_999, "000"), (1_000_000, "001"), (999_999_999, "999")])
    func fractionsAreCutToMilliseconds(nanoseconds: Int, text: String) {
        #expect(Log.timestamp(of: timespec(tv_sec: 0, tv_nsec: nanoseconds)) == "1970-01-01T00:00:00.\(text)Z")
    }

    /// Against the C library, over every day of three centuries.
    @Test func everyDayIsThatOfTheCLibrary() {
        for day in -40_000..<80_000 {
            let seconds = day * 86_400 + (day &* 7919) % 43_200 + 43_200
            var time = time_t(seconds)
            var parts = unsafe tm()
            guard unsafe gmtime_r(&time, &parts) != nil else {
                Issue.record("gmtime_r")
                return
            }
            let text = Log.timestamp(of: timespec(tv_sec: seconds, tv_nsec: 0))
            let digits = text.split { !$0.isNumber }.compactMap { Int($0) }.map(Int32.init)
            let expected = unsafe [
                parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, 0,
            ]
            guard digits == expected else {
                Issue.record("day \(day): \(text)")
                return
            }
        }
    }

    @Test func theTimestampIsThePresentTime() {
        var before = timespec()
        var after = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &before)
        let text = Log.timestamp()
        unsafe clock_gettime(CLOCK_REALTIME, &after)
        // Texts of one width order as their times do.
        #expect(Log.timestamp(of: before) <= text)
        #expect(text <= Log.timestamp(of: after))
    }
}
