import Foundation
import StrictJSON
import Testing

/// The published conformance suite, `../shared/data/json-parsing` beside the checkout: `y_` must be accepted, `n_` refused,
/// `i_` is the parser's choice.
@Suite struct ConformanceTests {
    /// Members of the same name twice: RFC 8259 leaves them open, DESIGN 5 refuses them.
    static let duplicates: Set = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"]

    /// What is left open, and what became of it: numbers are kept as spelt and have no range, all that is no UTF-8 is
    /// refused, and lone surrogates are decided by who sent them.
    static let choices: [String: Outcome] = {
        var choices: [String: Outcome] = [:]
        for name in [
            "number_double_huge_neg_exp", "number_huge_exp", "number_neg_int_huge_exp", "number_pos_double_huge_exp",
            "number_real_neg_overflow", "number_real_pos_overflow", "number_real_underflow", "number_too_big_neg_int",
            "number_too_big_pos_int", "number_very_big_negative_int",
        ] {
            choices[name] = .accepted
        }
        for name in [
            "object_key_lone_2nd_surrogate", "string_1st_surrogate_but_2nd_missing",
            "string_1st_valid_surrogate_2nd_invalid", "string_incomplete_surrogate_and_escape_valid",
            "string_incomplete_surrogate_pair", "string_incomplete_surrogates_escape_valid",
            "string_invalid_lonely_surrogate", "string_invalid_surrogate", "string_inverted_surrogates_U+1D11E",
            "string_lone_second_surrogate",
        ] {
            choices[name] = .surrogate
        }
        for name in [
            "string_UTF-8_invalid_sequence", "string_UTF8_surrogate_U+D800", "string_invalid_utf-8",
            "string_iso_latin_1",
            "string_lone_utf8_continuation_byte", "string_not_in_unicode_range", "string_overlong_sequence_2_bytes",
            "string_overlong_sequence_6_bytes", "string_overlong_sequence_6_bytes_null", "string_truncated-utf-8",
        ] {
            choices[name] = .refused(.invalidUTF8)
        }
        choices["string_UTF-16LE_with_BOM"] = .refused(.unexpectedByte)
        choices["string_utf16BE_no_BOM"] = .refused(.unexpectedByte)
        choices["string_utf16LE_no_BOM"] = .refused(.unexpectedByte)
        choices["structure_500_nested_arrays"] = .refused(.tooDeep)
        choices["structure_UTF-8_BOM_empty_object"] = .refused(.byteOrderMark)
        return choices
    }()

    enum Outcome: Equatable {
        case accepted
        /// Refused from clients, accepted from servers.
        case surrogate
        case refused(JSONError.Kind)
    }

    @Test func everyCaseOfTheSuiteIsDecidedAsItShouldBe() throws {
        guard let folder = Self.folder() else {
            print("SKIPPED 318: no ../shared/data/json-parsing beside the checkout")
            return
        }
        var counts: [Character: Int] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        where name.hasSuffix(".json") {
            let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
            counts[name.first ?? "?", default: 0] += 1
            let strict = read(bytes)
            let lenient = read(bytes, surrogates: .replace)
            switch name.prefix(2) {
            case "y_" where Self.duplicates.contains(name):
                #expect(strict.kind == .duplicateMember && lenient.kind == .duplicateMember, "\(name)")
            case "y_":
                #expect(strict.value != nil && strict == lenient, "\(name)")
            case "n_":
                #expect(strict.value == nil && lenient.value == nil, "\(name)")
            default:
                switch Self.choices[String(name.dropFirst(2).dropLast(5))] {
                case .accepted: #expect(strict.value != nil && strict == lenient, "\(name)")
                case .surrogate: #expect(strict.kind == .loneSurrogate && lenient.value != nil, "\(name)")
                case .refused(let kind): #expect(strict.kind == kind && lenient == strict, "\(name)")
                case nil: Issue.record("no decision is written down for \(name)")
                }
            }
        }
        #expect(counts == ["y": 95, "n": 188, "i": 35])
    }

    private static func folder() -> URL? {
        var place = URL(fileURLWithPath: #filePath)
        while place.pathComponents.count > 1 {
            place.deleteLastPathComponent()
            let folder = place.appendingPathComponent("shared/data/json-parsing")
            if FileManager.default.fileExists(atPath: folder.path) { return folder }
        }
        return nil
    }
}
