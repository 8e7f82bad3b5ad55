// Measures a link alone: the product's own link code on both ends, in two processes joined by one socket pair. Prints one JSON object.

import CKernel
import EpollLoop
import Glibc
import Link
import NIOCore
import PollLoop
import Processes
import Roles
import Telemetry
import Worker

/// One measurement: so many streams at once, each a request and an answer of so many bytes.
struct Load {
    let name: String
    let streams: Int
    let bytes: Int
    let rounds: Int
}

let loads = [
    Load(name: "200 B, 1 stream", streams: 1, bytes: 200, rounds: 20_000),
    Load(name: "200 B, 16 streams", streams: 16, bytes: 200, rounds: 100_000),
    Load(name: "200 B, 64 streams", streams: 64, bytes: 200, rounds: 200_000),
    Load(name: "64 KB, 16 streams", streams: 16, bytes: 65_536, rounds: 20_000),
]

if CommandLine.arguments.count == 2, CommandLine.arguments[1] == "echo" {
    Echo.serve(descriptor: 3)
}
var results: [String] = []
for load in loads { results.append(Driver.measure(load)) }
print("[" + results.joined(separator: ",") + "]")
