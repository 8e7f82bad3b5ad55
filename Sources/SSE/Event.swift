/// One block of an event stream: a view of its fields, which lie elsewhere.
///
/// The data, the id and the name are UTF-8.
public struct Event: ~Escapable {
    /// The values of the `data` lines, joined by line feeds.
    public let data: Span<UInt8>
    /// Whether there was a `data` line, if only an empty one. Without, a client takes note of the id and of `retry` but
    /// sees no event (HTML, 9.2.6).
    public let hasData: Bool
    /// The value of the last `id` line.
    public let id: Span<UInt8>
    /// Whether there was an `id` line. An empty id makes the client forget the one it had.
    public let hasID: Bool
    /// The value of the last `event` line. Empty means the default, `message`.
    public let name: Span<UInt8>
    /// The time to wait before a reconnection, in milliseconds.
    public let retry: UInt64?

    /// An event of these fields; an absent one is nil.
    ///
    /// - Parameters:
    ///   - data: lines separated by LF, CR or CRLF.
    ///   - id: the empty id makes the client forget the one it had.
    ///   - name: empty means the default, `message`.
    ///   - retry: in milliseconds.
    @_lifetime(copy data, copy id, copy name)
    public init(data: Span<UInt8>?, id: Span<UInt8>? = nil, name: Span<UInt8> = Span(), retry: UInt64? = nil) {
        if let data {
            self.data = data
            hasData = true
        } else {
            self.data = Span()
            hasData = false
        }
        if let id {
            self.id = id
            hasID = true
        } else {
            self.id = Span()
            hasID = false
        }
        self.name = name
        self.retry = retry
    }
}
