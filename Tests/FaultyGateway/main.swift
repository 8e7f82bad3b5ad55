// The product with one worker that misbehaves, for tests of what the others do about it. Everything but that worker is the product's own code.
//
// Which worker and how is in the program's file name, `faulty-ROLE-FAULT` (workers inherit no environment). A fault happens while a file of
// the same name with `.armed` exists; the faulty process removes it, so its successor works.

import Commands
import Glibc
import Roles
import Worker

/// What a faulty worker does.
enum Fault: String, CaseIterable {
    /// Never reports ready.
    case neverReady = "never-ready"
    /// Ends as soon as it is ready.
    case exits
    /// Blocks its loop.
    case hangs
    /// Sends bytes that are no frame to the supervisor.
    case badControl = "bad-control"
    /// Sends the supervisor a frame that a worker may not send.
    case forbiddenControl = "forbidden-control"
    /// Sends bytes that are no frame on its first link.
    case malformed
    /// Sends a frame that its side or state does not permit.
    case notPermitted = "not-permitted"
    /// Announces a payload beyond the limit.
    case tooLarge = "too-large"
    /// Grants credit beyond the window.
    case credit
    /// Accepts everything on its links and answers nothing.
    case silent
    /// Reports links lost that it never had, without end.
    case reportsWithoutEnd = "reports-without-end"
    /// Condemns the peer of every link it is given.
    case accuses
    /// Announces a descriptor that does not come (dialer).
    case missingDescriptor = "missing-descriptor"
    /// Announces a body behind a GET (ingress).
    case getWithBody = "get-with-body"
    /// Sends a body with the wish for a connection (route).
    case dataOnDial = "data-on-dial"
    /// Answers everything with events without end, in pieces that each hold the end of one event and the start of the next (route).
    case cutEvents = "cut-events"
    /// Gives items of a list that would end the list they are put into (route).
    case brokenItems = "broken-items"
    /// Lists tools of every route as its own (route).
    case foreignItems = "foreign-items"
    /// Answers twice that it has prepared a generation.
    case preparesTwice = "prepares-twice"
    /// Answers that it has prepared a generation that nobody asked it for.
    case preparesAnother = "prepares-another"
    /// Answers that it serves a generation that it was only asked to prepare.
    case commitsUnasked = "commits-unasked"
    /// Says that nothing is in flight under a generation that is not in force yet, or not its to speak of.
    case releasesUnasked = "releases-unasked"
    /// Asks for a reload (any but the console).
    case reloadsUnasked = "reloads-unasked"
    /// Brings a call of `exec_a` to every route (ingress).
    case misroutes
    /// Commits what is no record (ingress, route).
    case badRecord = "bad-record"
    /// Commits a record with a member that only the recorder writes (ingress, route).
    case forgedRecord = "forged-record"
    /// Puts an entry's head into its ring that no producer writes, and a head position beyond the ring (ingress, route).
    case damagedRing = "damaged-ring"
}

/// The executable's path.
func ownPath() -> String {
    var bytes = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &bytes, bytes.count - 1)
    return String(decoding: bytes.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

var roles = Entry.roles
let path = ownPath()
let parts = (path.split(separator: "/").last ?? "").split(separator: "-", maxSplits: 2).map(String.init)
if parts.count == 3, parts[0] == "faulty", let role = Role(name: parts[1]), let fault = Fault(rawValue: parts[2]) {
    if let worker = WorkerArguments(CommandLine.arguments), worker.role == role, unsafe unlink(path + ".armed") == 0 {
        roles[role] = { FaultyWorker.run(fault, $0) }
    }
} else if parts.first == "faulty" {
    let line = Array("\(path): no such fault; known are \(Fault.allCases.map(\.rawValue))\n".utf8)
    _ = unsafe write(2, line, line.count)
    exit(2)
}
Entry.main(roles: roles)
