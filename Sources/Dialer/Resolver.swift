import CKernel
import Glibc
import PollLoop
import Synchronization
import Threads

/// Asks the name service on a few threads of its own, because getaddrinfo(3) blocks and cannot be cancelled.
final class Resolver {
    /// Threads; also the questions that can hang at once.
    static let threadCount = 4
    private static let addressLimit: Int32 = 8

    /// What came of a question.
    enum Answer: Sendable {
        case addresses([Address])
        case failed(String)
    }

    /// One socket address.
    struct Address: @unchecked Sendable {
        // Plain bytes without pointers; the compiler cannot know that of an imported C struct.
        let value: ck_address
    }

    private struct Question: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    private struct Finished: Sendable {
        let question: Question
        let answer: Answer
    }

    /// Answers on their way from the threads to the loop.
    private final class Mailbox: Sendable {
        let finished = Mutex<[Finished]>([])
        /// When each question that a thread is busy with was begun.
        let running = Mutex<[Question: UInt64]>([:])
        let bell: Int32

        init(bell: Int32) { self.bell = bell }

        func post(_ item: Finished) {
            running.withLock { $0[item.question] = nil }
            finished.withLock { $0.append(item) }
            var one: UInt64 = 1
            _ = unsafe write(bell, &one, 8)
        }
    }

    private let pool = ThreadPool()
    private let loop: PollLoop
    private let mailbox: Mailbox
    /// Who waits for each question. A question is asked once, however many ask: destinations are few, so the threads' queue stays short.
    private var waiting: [Question: [(Answer) -> Void]] = [:]

    /// Starts the threads; they inherit the process's confinement.
    init?(loop: PollLoop) {
        let bell = ck_event_descriptor()
        guard bell >= 0 else { return nil }
        self.loop = loop
        mailbox = Mailbox(bell: bell)
        guard pool.start(Resolver.threadCount) else { return nil }
        _ = loop.add(bell) { [unowned self] _, _ in deliver() }
    }

    /// Questions not answered for longer than `nanoseconds`.
    func hanging(longerThan nanoseconds: UInt64) -> Int {
        let now = PollLoop.now()
        return mailbox.running.withLock { $0.values.count { now - $0 > nanoseconds } }
    }

    /// Resolves a name; the answer comes on the loop. A numeric address asks nobody.
    func resolve(_ host: String, port: UInt16, _ answer: @escaping (Answer) -> Void) {
        var numeric = ck_address()
        if unsafe ck_numeric_address(host, port, &numeric) {
            let address = Address(value: numeric)
            loop.after(0) { answer(.addresses([address])) }
            return
        }
        let question = Question(host: host, port: port)
        waiting[question, default: []].append(answer)
        guard waiting[question]?.count == 1 else { return }
        let mailbox = mailbox
        pool.submit {
            mailbox.running.withLock { $0[question] = PollLoop.now() }
            mailbox.post(Finished(question: question, answer: Resolver.ask(host, port)))
        }
    }

    private static func ask(_ host: String, _ port: UInt16) -> Answer {
        var addresses = [ck_address](repeating: ck_address(), count: Int(addressLimit))
        let count = unsafe ck_resolve(host, port, &addresses, addressLimit)
        guard count > 0 else {
            return .failed(count == 0 ? "no addresses" : unsafe String(cString: ck_resolve_error(count)))
        }
        return .addresses(addresses[..<Int(count)].map { Address(value: $0) })
    }

    private func deliver() {
        var counter: UInt64 = 0
        _ = unsafe read(mailbox.bell, &counter, 8)
        let items = mailbox.finished.withLock { list in
            defer { list.removeAll() }
            return list
        }
        for item in items {
            for answer in waiting.removeValue(forKey: item.question) ?? [] { answer(item.answer) }
        }
    }
}
