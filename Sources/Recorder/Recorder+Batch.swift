import AuditLog
import Crypto
import Records
import Segment
import Telemetry

/// From the rings to the file.
extension Recorder {
    /// Bytes that are written at once, about.
    private static let batchSize = 1 << 20
    /// Bytes of one ring in a batch, about: a flood of one worker does not hold up the others.
    private static let share = 256 << 10

    /// Writes some of what is committed. False: there is nothing, or it could not be written.
    func writeBatch() -> Bool {
        // As a local value: it is read while this object changes.
        var batch: [UInt8] = []
        swap(&batch, &self.batch)
        defer { swap(&batch, &self.batch) }
        batch.removeAll(keepingCapacity: true)
        let (sequence, head) = (log.chain.sequence, log.chain.head)
        var notes: [(producer: Producer, entry: RecordRingConsumer.Entry)] = []
        var blocks: UInt64 = 0
        var isAnyRead = false
        do throws(CryptoError) {
            firstProducer = producers.isEmpty ? 0 : (firstProducer + 1) % producers.count
            for offset in producers.indices where batch.count < Recorder.batchSize {
                let producer = producers[(firstProducer + offset) % producers.count]
                isAnyRead = try read(producer, &batch, &notes, &blocks) || isAnyRead
            }
        } catch {
            bringBack(sequence, head)
            failed(error)
            return false
        }
        guard isAnyRead || producers.contains(where: { $0.fault != nil }) else { return false }
        if !batch.isEmpty {
            do throws(FileError) {
                try log.append(batch, lines: Int(log.chain.sequence - sequence))
            } catch {
                bringBack(sequence, head)
                failed(error)
                return false
            }
            isDirty = true
            unsyncedBlocks += blocks
        }
        // In this order: a successor that finds an entry noted and not passed notes it once more, which changes nothing.
        for (producer, entry) in notes {
            if entry.effect == .begins {
                for request in producer.ring.openRequests { producer.ring.close(request) }
            } else {
                producer.ring.note(entry)
            }
        }
        for producer in producers where producer.ring.position != producer.ring.tail { producer.ring.storeTail() }
        for producer in producers where producer.fault != nil { condemn(producer) }
        do {
            try log.checkpointIfDue()
        } catch {
            failed(error)
        }
        return true
    }

    private func bringBack(_ sequence: UInt64, _ head: [UInt8]) {
        log.chain.resume(after: sequence, head: head)
        for producer in producers {
            producer.ring.rewind()
            producer.fault = nil
        }
    }

    /// Takes records of one ring into the batch. False: it has none.
    private func read(
        _ producer: Producer, _ batch: inout [UInt8],
        _ notes: inout [(producer: Producer, entry: RecordRingConsumer.Entry)],
        _ blocks: inout UInt64
    ) throws(CryptoError) -> Bool {
        let limit = batch.count + Recorder.share
        let ring = producer.ring
        var isAny = false
        while batch.count < limit, producer.fault == nil {
            let start = batch.count
            let entry: RecordRingConsumer.Entry
            do throws(RingFault) {
                guard let next = try ring.next(into: &batch) else { break }
                entry = next
            } catch {
                batch.removeSubrange(start...)
                producer.fault = error
                break
            }
            isAny = true
            if entry.end <= producer.written {
                // A predecessor wrote it, and ended before it could say so.
                batch.removeSubrange(start...)
                notes.append((producer, entry))
                continue
            }
            if entry.effect == .begins {
                try closeOpen(producer, entry, notes, &batch)
                notes.append((producer, entry))
                continue
            }
            if let fault = shape.fault(batch.span.extracting(start..<batch.count)) {
                batch.removeSubrange(start...)
                ring.unread(entry)
                producer.fault = RingFault("a record is none: \(fault.reason)")
                break
            }
            try log.chain.seal(
                &batch, from: start, route: producer.route,
                source: RecordSource(ring: ring.ring, position: entry.end))
            if entry.blocks { blocks += 1 }
            if entry.effect != .none { notes.append((producer, entry)) }
        }
        return isAny
    }

    /// A new producer begins: what its predecessor forwarded will not be answered.
    private func closeOpen(
        _ producer: Producer, _ entry: RecordRingConsumer.Entry,
        _ notes: [(producer: Producer, entry: RecordRingConsumer.Entry)], _ batch: inout [UInt8]
    ) throws(CryptoError) {
        var open = Set(producer.ring.openRequests)
        for note in notes where note.producer === producer {
            switch note.entry.effect {
            case .forwards: open.insert(note.entry.request)
            case .answers: open.remove(note.entry.request)
            case .begins: open.removeAll()
            case .none: break
            }
        }
        open.remove(0)
        try appendAborted(open.sorted(), of: producer, position: entry.end, to: &batch)
    }

    private func appendAborted(
        _ requests: [UInt64], of producer: Producer, position: UInt64, to batch: inout [UInt8]
    ) throws(CryptoError) {
        for request in requests {
            try log.appendOwn(
                .aborted, "the worker ended before the answer", request: request, route: producer.route,
                source: RecordSource(ring: producer.ring.ring, position: position), to: &batch)
        }
    }

    /// The daemon ends: what was forwarded and not answered never will be, and the rings end with this process.
    func closeRemaining() {
        let (sequence, head) = (log.chain.sequence, log.chain.head)
        var batch: [UInt8] = []
        do {
            for producer in producers {
                try appendAborted(
                    producer.ring.openRequests, of: producer, position: producer.ring.tail, to: &batch)
            }
            if !batch.isEmpty { try log.append(batch, lines: Int(log.chain.sequence - sequence)) }
        } catch {
            log.chain.resume(after: sequence, head: head)
            log.note(error)
        }
    }

    /// What it wrote is no record: it is restarted, and what it left is thrown away and said to be.
    private func condemn(_ producer: Producer) {
        guard let fault = producer.fault else { return }
        producer.fault = nil
        let name = producer.route.isEmpty ? "the ingress" : "route \(String(decoding: producer.route, as: UTF8.self))"
        context.log.error("\(name) committed what is no record (\(fault.reason)); it is reported")
        context.counters.add(.producersCondemned)
        let bytes = producer.ring.backlog
        producer.ring.condemn()
        supervision.condemnProducer(producer.descriptors)
        do {
            try log.write(
                .recovery, "\(name) committed what is no record: \(fault.reason)", detail: "{\"bytes\":\(bytes)}")
            isDirty = true
        } catch {
            failed(error)
        }
    }
}
