import Glibc
import StrictJSON

/// The daemon's status for people.
struct StatusText: ~Copyable {
    let tape: JSONTape
    let bytes: [UInt8]

    /// Every worker runs and every listener is served.
    var isReady: Bool { flag("ready", .root) }

    /// The table.
    var text: String {
        let state = flag("draining", .root) ? "draining" : isReady ? "ready" : "not ready"
        var lines = [
            "mcpgw \(string("version", .root)): \(state), process \(number("pid", .root)), generation \(number("generation", .root)),"
                + " up \(number("uptime_seconds", .root)) s"
        ]
        if let reloads = member("reloads", .root) {
            lines.append("loaded \(time("loaded_at", reloads)), reloads failed: \(number("failures", reloads))")
            let failure = string("last_failure", reloads)
            if !failure.isEmpty { lines.append("last failure \(time("last_failure_at", reloads)): \(failure)") }
        }
        lines.append("")
        var rows = [["WORKER", "PID", "STATE", "RESTARTS", "CONFINED", "LAST EXIT", "NOTE"]]
        for worker in items("workers") {
            let role = string("role", worker)
            let name = string("name", worker)
            rows.append([
                role == name ? role : "\(role)/\(name)", number("pid", worker), string("state", worker),
                number("restarts", worker),
                confinement(worker), string("last_exit", worker), string("note", worker),
            ])
        }
        lines += StatusText.aligned(rows) + [""]
        rows = [["ROUTE", "STATE", "UPSTREAM"]]
        for route in items("routes") {
            rows.append([string("name", route), string("state", route), string("upstream", route)])
        }
        lines += StatusText.aligned(rows) + [""]
        rows = [["LISTENER", "SERVED", "ADDRESS"]]
        for listener in items("listeners") {
            rows.append([
                string("name", listener), flag("served", listener) ? "yes" : "no", string("address", listener),
            ])
        }
        lines += StatusText.aligned(rows)
        let degraded = items("degraded")
        if !degraded.isEmpty {
            lines +=
                ["", "DEGRADED"] + degraded.map { "  " + StatusText.visible(tape.string($0, in: bytes.span) ?? "") }
        }
        return lines.joined(separator: "\n")
    }

    private func confinement(_ worker: JSONNode) -> String {
        guard let report = tape.member("confinement", of: worker, in: bytes.span) else { return "-" }
        return "\(number("enforced", report)) of \(number("promised", report))"
    }

    private func member(_ name: String, _ node: JSONNode) -> JSONNode? {
        tape.member(named: name, of: node, in: bytes.span)
    }

    private func items(_ name: String) -> [JSONNode] {
        guard let list = member(name, .root), tape.kind(list) == .array else { return [] }
        return Array(tape.elements(of: list))
    }

    /// Text of the daemon, without anything that a terminal would obey.
    private func string(_ name: String, _ node: JSONNode) -> String {
        StatusText.visible(member(name, node).flatMap { tape.string($0, in: bytes.span) } ?? "")
    }

    /// A text without what moves a terminal, whoever it is that answers on the socket.
    private static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }))
    }

    private func number(_ name: String, _ node: JSONNode) -> String {
        member(name, node).flatMap { tape.integer($0, in: bytes.span) }.map(String.init) ?? "-"
    }

    /// Seconds since 1970 as a UTC time.
    private func time(_ name: String, _ node: JSONNode) -> String {
        guard let seconds = member(name, node).flatMap({ tape.integer($0, in: bytes.span) }) else { return "-" }
        var instant = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe gmtime_r(&instant, &parts) != nil else { return "-" }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = unsafe "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return unsafe date + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    private func flag(_ name: String, _ node: JSONNode) -> Bool {
        member(name, node).map { tape.kind($0) == .true } ?? false
    }

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
                line += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
