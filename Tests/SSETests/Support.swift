import SSE

/// What a stream holds, copied out of its parser, to be compared.
enum Item: Equatable {
    case event(data: [UInt8]?, id: [UInt8]? = nil, name: [UInt8] = [], retry: UInt64? = nil)
    case comment([UInt8])

    /// An event in text.
    static func event(_ data: String?, id: String? = nil, name: String = "", retry: UInt64? = nil) -> Item {
        .event(data: data.map { Array($0.utf8) }, id: id.map { Array($0.utf8) }, name: Array(name.utf8), retry: retry)
    }

    static func comment(_ text: String) -> Item { .comment(Array(text.utf8)) }

    var isEvent: Bool {
        if case .event = self { true } else { false }
    }
}

/// What a parser made of a stream.
struct Reading: Equatable {
    var items: [Item] = []
    var error: SSEError?
    var isPartial = false
}

/// The parser as a connection's handler holds it: in an object, fed with what arrives.
final class Reader {
    private var parser: EventParser
    private(set) var reading = Reading()
    /// Calls of the parser, and the bytes it was shown.
    private(set) var steps = 0
    private(set) var shown = 0
    /// Events whose data lay in the bytes shown, so that nothing was copied.
    private(set) var inPlace = 0
    var keepsItems = true

    init(limits: EventLimits = EventLimits()) {
        parser = EventParser(limits: limits)
    }

    var bufferedCapacity: Int { parser.bufferedCapacity }

    func read(_ bytes: Span<UInt8>) {
        var position = 0
        do {
            while true {
                let rest = bytes.extracting(position..<bytes.count)
                let step = try parser.next(rest)
                steps += 1
                switch step {
                case .needMore(let consumed):
                    precondition(consumed == rest.count, "a byte would be shown twice")
                    shown += consumed
                    reading.isPartial = parser.hasPartialEvent
                    return
                case .event(let consumed):
                    let event = parser.event(in: rest)
                    if parser.dataRange != nil { inPlace += 1 }
                    if keepsItems { reading.items.append(item(event)) }
                    position += consumed
                    shown += consumed
                case .comment(let consumed):
                    if keepsItems { reading.items.append(.comment(copy(parser.comment(in: rest)))) }
                    position += consumed
                    shown += consumed
                }
            }
        } catch {
            reading.error = error
            reading.isPartial = false
        }
    }
}

func copy(_ bytes: Span<UInt8>) -> [UInt8] {
    bytes.indices.map { bytes[$0] }
}

func item(_ event: Event) -> Item {
    .event(
        data: event.hasData ? copy(event.data) : nil, id: event.hasID ? copy(event.id) : nil, name: copy(event.name),
        retry: event.retry)
}

/// Reads a stream that arrives in pieces that end at `cuts`.
func read(_ bytes: [UInt8], cuts: [Int] = [], limits: EventLimits = EventLimits()) -> Reading {
    let reader = Reader(limits: limits)
    var start = 0
    for cut in cuts + [bytes.count] where reader.reading.error == nil {
        // A copy of its own, as a network buffer is: what is kept must not lie in the piece before.
        let piece = Array(bytes[start..<cut])
        reader.read(piece.span)
        start = cut
    }
    return reader.reading
}

func read(_ stream: String, limits: EventLimits = EventLimits()) -> Reading {
    read(Array(stream.utf8), limits: limits)
}

/// An item in canonical form; nil when it is refused.
func encoded(_ item: Item, data form: DataForm = .json) -> [UInt8]? {
    var output: [UInt8] = []
    do {
        switch item {
        case .comment(let text):
            try EventEncoding.appendComment(text.span, to: &output)
            precondition(output.count == EventEncoding.commentCount(text.span))
        case .event(let data, let id, let name, let retry):
            let dataBytes = data ?? []
            let idBytes = id ?? []
            let event = Event(
                data: data == nil ? nil : dataBytes.span, id: id == nil ? nil : idBytes.span, name: name.span,
                retry: retry)
            let encoded = try EncodedEvent(event, data: form)
            encoded.append(to: &output)
            precondition(output.count == encoded.count)
            if encoded.isVerbatim {
                var pieces: [UInt8] = []
                encoded.appendHead(to: &pieces)
                precondition(pieces + dataBytes + Array("\n\n".utf8) == output)
            }
        }
    } catch {
        return nil
    }
    return output
}

/// A reproducible source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Some ascending offsets up to `count`, sometimes all of them.
func randomCuts(_ count: Int, _ random: inout SeededGenerator) -> [Int] {
    guard Int.random(in: 0..<4, using: &random) > 0 else { return Array(0...count) }
    return (0..<Int.random(in: 0..<6, using: &random)).map { _ in Int.random(in: 0...count, using: &random) }.sorted()
}

/// The bytes with a few random changes.
func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    let special: [UInt8] = [0, 10, 13, 32, 58, 100, 0x80, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF4, 0xFF]
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let byte =
            Bool.random(using: &random)
            ? special.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...127, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[place] = byte
        case 1: bytes.insert(byte, at: place)
        case 2: bytes.remove(at: place)
        case 3: bytes.insert(contentsOf: Array("é\u{2028}日😀".utf8), at: place)
        default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 12)], at: place)
        }
    }
    return bytes
}
