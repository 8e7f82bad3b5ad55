import CKernel
import Glibc

/// The program's own file, held open: what is started from it is this version, even after an upgrade has replaced the file.
public struct ProcessImage: Sendable {
    private let descriptor: Int32

    /// Opens the running program's file; the error number if that fails.
    public static func own() -> Result<ProcessImage, ProcessError> {
        let descriptor = ck_open_own_image()
        guard descriptor >= 0 else { return .failure(ProcessError(code: -descriptor)) }
        return .success(ProcessImage(descriptor: descriptor))
    }

    /// Starts a process that has exactly `descriptors`, numbered from 0.
    /// - Parameter deathSignal: sent to it when this process ends; 0 for none.
    /// - Returns: its pid, or why it could not be executed.
    public func start(
        arguments: [String], environment: [String], descriptors: [Int32], deathSignal: Int32
    ) -> Result<pid_t, ProcessError> {
        let pid = unsafe withCStrings(arguments) { arguments in
            unsafe withCStrings(environment) { environment in
                unsafe ck_spawn(descriptor, arguments, environment, descriptors, Int32(descriptors.count), deathSignal)
            }
        }
        return pid > 0 ? .success(pid) : .failure(ProcessError(code: -pid))
    }
}

/// Why a process could not be started.
public struct ProcessError: Error, Equatable, Sendable {
    /// The error number.
    public let code: Int32
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    // strdup: the strings must stay where they are until exec has copied them.
    var pointers = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer {
        unsafe pointers.forEach { unsafe free($0) }
    }
    return unsafe pointers.withUnsafeBufferPointer { buffer in
        // The array has at least its terminator, so it has a base address.
        guard let base = buffer.baseAddress else { preconditionFailure("empty array") }
        return unsafe body(base)
    }
}
