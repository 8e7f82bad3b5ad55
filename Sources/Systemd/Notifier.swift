import CSystemd

/// Tells the service manager what the supervisor does: sd_notify(3) through libsystemd.
///
/// Without `NOTIFY_SOCKET` everything here does nothing.
public struct Notifier {
    /// How often `WATCHDOG=1` must come, in microseconds; nil if nobody watches.
    public let watchdogMicroseconds: UInt64?

    /// Reads the environment.
    public init() {
        var microseconds: UInt64 = 0
        let enabled = unsafe cs_watchdog(&microseconds)
        watchdogMicroseconds = enabled > 0 && microseconds > 0 ? microseconds : nil
    }

    /// Sends one state, for example `READY=1` or `STATUS=...`.
    /// - Returns: an error number if there is a manager and it could not be told, else nil.
    @discardableResult
    public func send(_ state: String) -> Int32? {
        let result = unsafe cs_notify(state)
        return result < 0 ? -result : nil
    }
}
