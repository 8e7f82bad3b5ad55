import Glibc

@testable import Sandbox

/// A compiled seccomp filter and an interpreter for it, so that what libseccomp made of the table can be asked about any call on any
/// architecture without loading it.
struct FilterProgram {
    private struct Instruction {
        let code: UInt16
        let ifTrue: UInt8
        let ifFalse: UInt8
        let operand: UInt32
    }

    enum Fault: Error { case export, unknownInstruction(UInt16), runaway }

    /// What seccomp is asked (struct seccomp_data).
    struct Call {
        var number: UInt32
        var architecture: UInt32
        var arguments: [UInt64]
    }

    private let instructions: [Instruction]
    var count: Int { instructions.count }

    init(_ sandbox: Sandbox, architecture: FilterArchitecture) throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Fault.export }
        defer { close(ends[0]) }
        do {
            defer { close(ends[1]) }
            try exportFilter(
                sandbox.systemCalls.flatMap(\.rules), unlisted: sandbox.unlisted, architecture: architecture,
                to: ends[1])
        }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let length = unsafe read(ends[0], &bytes, bytes.count)
        guard length > 0, length % 8 == 0 else { throw Fault.export }
        instructions = stride(from: 0, to: length, by: 8).map { at in
            Instruction(
                code: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8, ifTrue: bytes[at + 2], ifFalse: bytes[at + 3],
                operand: (0..<4).reduce(0) { $0 | UInt32(bytes[at + 4 + $1]) << (8 * $1) })
        }
    }

    /// The filter's answer (SECCOMP_RET_*), and how many instructions it took.
    func answer(_ call: Call) throws -> (action: UInt32, steps: Int) {
        var accumulator: UInt32 = 0
        var at = 0
        for steps in 1...instructions.count {
            guard instructions.indices.contains(at) else { throw Fault.runaway }
            let instruction = instructions[at]
            at += 1
            switch instruction.code {
            case 0x20: accumulator = word(call, instruction.operand)
            case 0x54: accumulator &= instruction.operand
            case 0x05: at += Int(instruction.operand)
            case 0x15: at += Int(accumulator == instruction.operand ? instruction.ifTrue : instruction.ifFalse)
            case 0x25: at += Int(accumulator > instruction.operand ? instruction.ifTrue : instruction.ifFalse)
            case 0x35: at += Int(accumulator >= instruction.operand ? instruction.ifTrue : instruction.ifFalse)
            case 0x45: at += Int(accumulator & instruction.operand != 0 ? instruction.ifTrue : instruction.ifFalse)
            case 0x06: return (instruction.operand, steps)
            default: throw Fault.unknownInstruction(instruction.code)
            }
        }
        throw Fault.runaway
    }

    private func word(_ call: Call, _ offset: UInt32) -> UInt32 {
        switch offset {
        case 0: return call.number
        case 4: return call.architecture
        case 16..<64:
            let argument = call.arguments[Int(offset - 16) / 8]
            return UInt32(truncatingIfNeeded: offset % 8 == 0 ? argument : argument >> 32)
        default: return 0
        }
    }
}

/// The same numbers in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
