import Link

/// What a worker keeps for each stream of a link, found by its slot: no hashing on the message path.
///
/// Inlinable, since a generic that its users cannot see into is dearer than a dictionary.
public struct StreamMap<Element: AnyObject> {
    @usableFromInline var generations: [UInt32] = []
    @usableFromInline var elements: [Element?] = []
    /// Streams kept.
    @usableFromInline var count = 0

    /// Nothing kept.
    public init() {}

    /// What is kept for a stream; nil for a stream that is over, whoever uses its slot now.
    @inlinable
    public subscript(stream: StreamID) -> Element? {
        let index = Int(stream.slot)
        guard index < generations.count, generations[index] == stream.generation else { return nil }
        return elements[index]
    }

    /// Keeps something for a stream that has just begun.
    @inlinable
    public mutating func insert(_ element: Element, for stream: StreamID) {
        let index = Int(stream.slot)
        while generations.count <= index {
            generations.append(0)
            elements.append(nil)
        }
        if elements[index] == nil { count += 1 }
        generations[index] = stream.generation
        elements[index] = element
    }

    /// Takes out what is kept for a stream.
    @inlinable
    @discardableResult
    public mutating func remove(_ stream: StreamID) -> Element? {
        guard let element = self[stream] else { return nil }
        elements[Int(stream.slot)] = nil
        count -= 1
        return element
    }

    /// Everything that is kept.
    public var all: [(stream: StreamID, element: Element)] {
        elements.indices.compactMap { index in
            guard let element = elements[index] else { return nil }
            return (StreamID(slot: UInt32(index), generation: generations[index]), element)
        }
    }

    /// Forgets everything and returns it.
    public mutating func removeAll() -> [(stream: StreamID, element: Element)] {
        let kept = all
        generations.removeAll()
        elements.removeAll()
        count = 0
        return kept
    }
}
