import CKernel
import Glibc
import Link
import Testing

@testable import PollLoop

/// Each test runs in a process of its own, so that what is open there can be counted.
@Suite struct DescriptorSocketTests {
    private static func missing(_ socket: DescriptorSocket, _ ticket: UInt64, count: Int) -> Bool {
        do throws(LinkViolation) {
            for descriptor in try socket.receive(DescriptorTicket(number: ticket), count: count) { close(descriptor) }
            return false
        } catch {
            return error == .missingDescriptor
        }
    }

    /// Something to pass on.
    private static func null() -> Int32 { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }

    @Test func whatIsSentArrivesWithItsTicketAndIsTheReceivers() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            do {
                let ends = Ends.packets()
                let sender = DescriptorSocket(descriptor: ends.ours)
                let receiver = DescriptorSocket(descriptor: ends.peer)
                for count in 1...4 {
                    var pipe: [Int32] = [-1, -1]
                    precondition(unsafe ck_pipe(&pipe) == 0)
                    let ticket = try #require(sender.send([Int32](repeating: pipe[1], count: count)))
                    #expect(ticket == DescriptorTicket(number: UInt64(count)))
                    close(pipe[1])
                    let received = try receiver.receive(ticket, count: count)
                    #expect(received.count == count)
                    for descriptor in received {
                        #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
                        #expect(unsafe write(descriptor, [7], 1) == 1)
                        close(descriptor)
                    }
                    #expect(take(pipe[0]) == [UInt8](repeating: 7, count: count))
                    close(pipe[0])
                }
            }
            #expect(openDescriptors() == before)
        }
    }

    @Test func anotherTicketOrCountIsRefusedAndNothingStaysOpen() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            do {
                let ends = Ends.packets()
                let sender = DescriptorSocket(descriptor: ends.ours)
                let receiver = DescriptorSocket(descriptor: ends.peer)
                let null = Self.null()
                for (ticketOff, countOff) in [(1, 0), (0, 1), (0, -1), (1, 1)] {
                    let ticket = try #require(sender.send([null, null]))
                    #expect(Self.missing(receiver, ticket.number + UInt64(ticketOff), count: 2 + countOff))
                    // The packet is gone: announcing it again does not bring it back.
                    #expect(Self.missing(receiver, ticket.number, count: 2))
                }
                close(null)
            }
            #expect(openDescriptors() == before)
        }
    }

    @Test func anAnnouncedPacketThatDidNotComeIsRefused() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            do {
                let ends = Ends.packets()
                let receiver = DescriptorSocket(descriptor: ends.peer)
                #expect(Self.missing(receiver, 1, count: 1))
                close(ends.ours)
                #expect(Self.missing(receiver, 1, count: 1), "nor from a peer that is gone")
            }
            #expect(openDescriptors() == before)
        }
    }

    @Test func packetsThatAreNoTicketWithDescriptorsAreRefused() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            do {
                let ends = Ends.packets()
                let receiver = DescriptorSocket(descriptor: ends.peer)
                let null = Self.null()
                let ticket: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
                let packets: [(bytes: [UInt8], descriptors: Int)] = [
                    (ticket, 0), (Array(ticket.dropLast()), 1), (ticket + [0], 1), ([], 1), ([1], 0), (ticket, 5),
                    (ticket, 64),
                    (ticket + ticket, 4), (ticket, 253),
                ]
                for packet in packets {
                    #expect(sendRaw(ends.ours, packet.bytes, [Int32](repeating: null, count: packet.descriptors)))
                    #expect(Self.missing(receiver, 1, count: max(1, min(4, packet.descriptors))), "\(packet)")
                }
                // The same way of sending, well-formed, is accepted.
                #expect(sendRaw(ends.ours, ticket, [null, null, null, null]))
                #expect(!Self.missing(receiver, 1, count: 4))
                close(null)
                close(ends.ours)
            }
            #expect(openDescriptors() == before)
        }
    }

    @Test func whatCannotBeSentUsesNoTicket() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            do {
                let ends = Ends.packets()
                let sender = DescriptorSocket(descriptor: ends.ours)
                let receiver = DescriptorSocket(descriptor: ends.peer)
                let null = Self.null()
                #expect(sender.send([]) == nil)
                #expect(sender.send([Int32](repeating: null, count: 5)) == nil)
                #expect(sender.send([-1]) == nil)
                var number: UInt64 = 0
                // A peer that takes nothing: the socket fills, the sender is told.
                while number < 1 << 20, let ticket = sender.send([null]) {
                    number += 1
                    #expect(ticket.number == number)
                }
                #expect(number > 0 && number < 1 << 20)
                for ticket in 1...number { #expect(!Self.missing(receiver, ticket, count: 1)) }
                #expect(sender.send([null]) == DescriptorTicket(number: number + 1))
                close(null)
            }
            #expect(openDescriptors() == before, "what was under way ends with the socket")
        }
    }

    /// Descriptors that nobody takes count against every worker of the user for as long as they lie there.
    @Test func aStreamTakesBytesAndNoDescriptorsWhereTheKernelCanRefuseThem() throws {
        let ends = Ends.stream()
        defer {
            close(ends.ours)
            close(ends.peer)
        }
        var option: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        let passesRights: Int32 = 83  // SO_PASSRIGHTS, Linux 6.16
        guard unsafe getsockopt(ends.ours, SOL_SOCKET, passesRights, &option, &size) == 0 else {
            print("SKIPPED 1: this kernel has no SO_PASSRIGHTS (Linux 6.16)")
            return
        }
        let null = Self.null()
        defer { close(null) }
        for end in [ends.ours, ends.peer] {
            #expect(unsafe ck_send_descriptors(end, 1, [null], 1) == -EPERM)
            put(end, [7])
        }
        #expect(take(ends.ours) == [7] && take(ends.peer) == [7])
    }
}

/// Sends one packet with any number of descriptors, as a hostile peer can: cmsg(3) by hand.
private func sendRaw(_ socket: Int32, _ bytes: [UInt8], _ descriptors: [Int32]) -> Bool {
    var control: [UInt8] = []
    func append<T: FixedWidthInteger>(_ value: T) {
        for shift in 0..<MemoryLayout<T>.size { control.append(UInt8(truncatingIfNeeded: value >> T(shift * 8))) }
    }
    if !descriptors.isEmpty {
        append(UInt64(16 + 4 * descriptors.count))
        append(SOL_SOCKET)
        append(Int32(1))  // SCM_RIGHTS
        for descriptor in descriptors { append(descriptor) }
        while control.count % 8 != 0 { control.append(0) }
    }
    var bytes = bytes
    let sent = unsafe bytes.withUnsafeMutableBytes { data in
        unsafe control.withUnsafeMutableBytes { control in
            var vector = unsafe iovec(iov_base: data.baseAddress, iov_len: data.count)
            return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                var message = unsafe msghdr()
                unsafe message.msg_iov = vector
                unsafe message.msg_iovlen = 1
                unsafe message.msg_control = control.baseAddress
                unsafe message.msg_controllen = control.count
                return unsafe sendmsg(socket, &message, Int32(MSG_NOSIGNAL))
            }
        }
    }
    return sent == bytes.count
}
