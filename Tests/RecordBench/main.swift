// What a record costs, on one thread: a worker's part (building it and committing it to the ring) and the recorder's (reading, checking, ending the line, one
// write per batch), to a real file.
//
//     RecordBench [FILE] [RECORDS] [--sign]

import AuditLog
import Crypto
import Glibc
import Link
import Records
import Segment

func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

var arguments = CommandLine.arguments.dropFirst().filter { $0 != "--sign" }
let signs = CommandLine.arguments.contains("--sign")
let path = arguments.first ?? "record-bench.jsonl"
let total = arguments.count > 1 ? Int(arguments[arguments.startIndex + 1]) ?? 400_000 : 400_000

let library = try CryptoLibrary.load()
let builder = try RecordBuilder(library, maximumValue: 16 << 10)
let (data, progress) = try RecordRing.create(ring: 1)
let producer = try RecordRingProducer(data: data, progress: progress)
let consumer = try RecordRingConsumer(data: data, progress: progress)
let chain = try LogChain(
    library, signingKey: signs ? Array("a signing key".utf8) : [], secret: [UInt8](repeating: 1, count: 32))
let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
guard file >= 0 else { fatalError("cannot open \(path)") }
let identity = Identity(subject: "agent-1", method: .apiKey, labels: [.init(name: "project_id", value: "P-42")])
let arguments200 = Array(#"{"path":"/srv/data/report-2026.txt","mode":"r","limit":4096}"#.utf8)
let route = Array("default".utf8)

@MainActor func run() throws {
    var shape = RecordShape()
    var batch: [UInt8] = []
    var record: [UInt8] = []
    var (building, draining, bytes, done) = (UInt64(0), UInt64(0), 0, 0)
    while done < total {
        let start = now()
        for number in 0..<2000 {
            builder.begin(.request, .clientToServer)
            builder.text(.method, "tools/call")
            builder.text(.toolName, "read_file")
            builder.json(.toolArguments, arguments200.span)
            builder.text(.action, "allow")
            builder.text(.rule, "default-allow")
            builder.identity(identity)
            builder.request(UInt64(done + number + 1))
            builder.text(.upstream, "http://127.0.0.1:8080/mcp")
            builder.number(.size, 180)
            record.removeAll(keepingCapacity: true)
            builder.append(to: &record)
            let effect: RecordRing.Effect = number & 1 == 0 ? .forwards : .answers
            let request = UInt64(done + number & ~1) + 1
            guard producer.append(record.span, effect: effect, request: request, blocks: false) != nil else {
                fatalError("the ring is full")
            }
        }
        let middle = now()
        batch.removeAll(keepingCapacity: true)
        while true {
            let begin = batch.count
            guard let entry = try consumer.next(into: &batch) else { break }
            guard entry.effect != .begins else { continue }
            guard shape.fault(batch.span.extracting(begin..<batch.count)) == nil else { fatalError("no record") }
            try chain.seal(&batch, from: begin, route: route, source: RecordSource(ring: 1, position: entry.end))
            consumer.note(entry)
        }
        var written = 0
        while written < batch.count {
            let count = unsafe batch.withUnsafeBytes {
                unsafe write(file, $0.baseAddress.map { unsafe $0 + written }, $0.count - written)
            }
            guard count > 0 else { fatalError("cannot write") }
            written += count
        }
        consumer.storeTail()
        bytes += batch.count
        draining += now() - middle
        building += middle - start
        done += 2000
    }
    let rate = Double(done) * 1e9 / Double(building + draining)
    print(
        "records=\(done) bytes_per_line=\(bytes / done) sig=\(signs) worker_ns=\(building / UInt64(done))"
            + " recorder_ns=\(draining / UInt64(done)) per_second_on_one_core=\(Int(rate))")
}
try run()
close(file)
unsafe unlink(path)
