import CKernel
import Glibc
import Link
import Roles

/// Links between workers and the handing over of listeners.
extension Supervisor {
    /// Makes every link of the topology that this worker is an end of and whose other end runs too.
    func makeLinks(for worker: WorkerProcess) {
        for (place, link) in topology.links.enumerated()
        where (link.opener == worker.id || link.acceptor == worker.id) && links[place] == nil {
            guard let opener = workers[link.opener], let acceptor = workers[link.acceptor],
                opener.state == .running, acceptor.state == .running
            else { continue }
            make(link, place, opener, acceptor)
        }
    }

    private func make(_ link: Topology.Link, _ place: Int, _ opener: WorkerProcess, _ acceptor: WorkerProcess) {
        var stream: [Int32] = [-1, -1]
        var packets: [Int32] = [-1, -1]
        // Large buffers: what fits is written in one call (DESIGN 14).
        var result = unsafe ck_stream_pair(&stream, 4 << 20)
        if result == 0, link.kind.carriesDescriptors {
            result = unsafe ck_packet_pair(&packets)
            // Descriptors go one way only: the opener's end can receive and nothing else.
            if result == 0 { shutdown(packets[0], Int32(SHUT_WR)) }
        }
        defer { for descriptor in stream + packets where descriptor >= 0 { close(descriptor) } }
        guard result == 0 else {
            log.error(
                "cannot make the link \(opener.label) - \(acceptor.label): \(unsafe String(cString: strerror(-result)))"
            )
            return
        }
        let number = nextLink
        nextLink += 1
        links[place] = LiveLink(number: number, opener: link.opener, acceptor: link.acceptor)
        for (end, side) in [(0, LinkSide.opener), (1, LinkSide.acceptor)] {
            let (here, peer) = side == .opener ? (opener, acceptor) : (acceptor, opener)
            let descriptors = link.kind.carriesDescriptors ? [stream[end], packets[end]] : [stream[end]]
            let sent = here.send(.attach, descriptors: descriptors) { ticket in
                AttachMessage(
                    link: number, kind: link.kind, side: side, peerRole: peer.id.role.rawValue,
                    peerIndex: peer.id.index,
                    ticket: ticket
                ).encode()
            }
            here.reportsLeft += 1
            if !sent {
                log.error("\(here.label) takes no descriptors; killed")
                here.killReason = "takes no descriptors"
                handle(.hung, here)
                return
            }
        }
    }

    /// A link ended at one end. Nearly always the other end's process did too, and its successor gets a new one; if after a
    /// while both still run, the socket alone was lost, and the link is made again.
    func linkLost(_ number: UInt64, reporter: WorkerProcess) {
        // One wait a link, and only for a link the reporter has: a flood of these frames must cost nothing.
        guard
            links.values.contains(where: {
                UInt64($0.number) == number && ($0.opener == reporter.id || $0.acceptor == reporter.id)
            }), lostLinks.insert(number).inserted
        else { return }
        loop.after(1_000_000_000) { [unowned self] in
            lostLinks.remove(number)
            guard let (place, link) = links.first(where: { UInt64($0.value.number) == number }),
                link.opener == reporter.id || link.acceptor == reporter.id
            else { return }
            log.warning("the link of \(reporter.label) was lost without a process ending; making it again")
            links[place] = nil
            makeLinks(for: reporter)
        }
    }

    /// Forgets the links of a worker that is gone; the other ends see end of file.
    func forgetLinks(of worker: WorkerProcess) {
        for (place, link) in links where link.opener == worker.id || link.acceptor == worker.id { links[place] = nil }
    }

    /// The role that accepts on a listener.
    func server(of use: Listener.Use) -> Role {
        use == .mcp ? .ingress : .console
    }

    /// The number of a listener in frames.
    func listenerNumber(_ use: Listener.Use) -> UInt64 {
        switch use {
        case .mcp: 1
        case .metrics: 2
        case .control: 3
        }
    }

    /// Hands a worker the listeners it serves. They outlive it: while it restarts, connections wait in the backlog.
    func handOverListeners(to worker: WorkerProcess) {
        for (place, held) in listeners.enumerated() where server(of: held.use) == worker.id.role {
            let listener = reopened(held)
            listeners[place] = listener
            let number = UInt32(listenerNumber(listener.use))
            let sent = worker.send(.listener, descriptors: [listener.descriptor]) {
                ListenerMessage(id: number, name: listener.use.rawValue, address: listener.address, ticket: $0).encode()
            }
            if !sent { log.error("\(worker.label) takes no descriptors") }
        }
    }

    /// The listener, which listens again if somebody made it stop.
    private func reopened(_ listener: Listener) -> Listener {
        do throws(StartError) {
            guard let again = try listener.listeningAgain() else { return listener }
            log.warning(
                "the listener \(listener.use.rawValue) on \(listener.address) had been shut; it listens again on \(again.address)"
            )
            return again
        } catch {
            log.error("the listener \(listener.use.rawValue) on \(listener.address) was shut: \(error)")
            return listener
        }
    }
}
