import Roles

extension Sandbox {
    /// The table of `mcpgw sandbox` for what these roles' probes reported: a row per facility, a column per role, legend, allow-lists, what
    /// stays open, and the count. The supervisor needs no probe; another role without a report shows `not probed`.
    public static func describe(_ reports: [Role: ConfinementReport]) -> String {
        var reports = reports
        if reports[.supervisor] == nil { reports[.supervisor] = ConfinementReport(byConstruction: .supervisor) }
        var notes = Notes()
        var rows = [[""] + table.map(\.role.name)]
        for facility in Facility.allCases {
            rows.append([facility.name] + table.map { cell($0, facility, reports[$0.role], &notes) })
        }
        var lines = aligned(rows)
        lines += ["", "enforced: by the kernel, how is below    -: not promised"]
        lines += notes.tests.enumerated().map {
            "test \($0.offset + 1): by construction, shown by the test \"\($0.element)\""
        }
        lines += notes.reasons.enumerated().map { "MISSING \(letter($0.offset)): \($0.element)" }
        lines += ["", "Enforced by:"]
        lines += aligned(Facility.allCases.map { ["  " + $0.name, $0.mechanism] })
        lines += ["", "System calls allowed (groups of the allow-list):"]
        lines += aligned(
            table.filter { !$0.systemCalls.isEmpty }.map {
                ["  " + $0.role.name, $0.groupNames.joined(separator: " + ")]
            })
        lines += ["", "What stays open:"]
        lines += leaks.map { "  " + $0 }
        lines += ["", summary(reports)]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The last line of the table: `enforced n of m on this host (Landlock ABI a)`.
    public static func summary(_ reports: [Role: ConfinementReport]) -> String {
        let enforced = reports.values.reduce(0) { $0 + $1.enforced }
        let promised = reports.values.reduce(0) { $0 + $1.promised }
        let abi = reports.values.map(\.landlockABI).max() ?? 0
        let landlock = abi == 0 ? "no Landlock" : "Landlock ABI \(abi)"
        return "enforced \(enforced) of \(promised) on this host (\(landlock))"
    }

    private var groupNames: [String] { systemCalls.filter { !$0.rules.isEmpty }.map(\.name) }

    private static func cell(
        _ sandbox: Sandbox, _ facility: Facility, _ report: ConfinementReport?, _ notes: inout Notes
    ) -> String {
        guard let report else { return "not probed" }
        switch report[facility] {
        case .enforced: return "enforced"
        case .notPromised: return "-"
        case .missing(let why): return "MISSING \(letter(Notes.index(of: why.description, in: &notes.reasons)))"
        case .byConstruction:
            guard case .byConstruction(let test) = sandbox.promise(facility) else { return "-" }
            return "test \(Notes.index(of: test, in: &notes.tests) + 1)"
        }
    }

    /// Cells in columns, two spaces apart.
    private static func aligned(_ rows: [[String]]) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line
        }
    }

    private static func letter(_ index: Int) -> String {
        String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26)))
    }
}

/// Numbered foot notes, each text once.
private struct Notes {
    var tests: [String] = []
    var reasons: [String] = []

    static func index(of text: String, in list: inout [String]) -> Int {
        if let known = list.firstIndex(of: text) { return known }
        list.append(text)
        return list.count - 1
    }
}
