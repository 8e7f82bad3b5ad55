/// A text in quotation marks for a message: on one line, nothing invisible, not too long.
public func quoted(_ text: String) -> String {
    var result = "\""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == 80 {
            result += "..."
            break
        }
        switch scalar {
        case "\"", "\\": result += "\\\(scalar)"
        case " "..."~": result.unicodeScalars.append(scalar)
        default:
            let isVisible = scalar.properties.isAlphabetic && !scalar.properties.isDefaultIgnorableCodePoint
            result += isVisible ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
    return result + "\""
}

/// The name a user most likely meant; nil when none is near.
public func nearest(to word: String, among names: [String]) -> String? {
    let word = Array(word.lowercased().utf8.prefix(64))
    let distances = names.map { (name: $0, distance: distance(word, Array($0.utf8))) }
    guard let best = distances.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, best.name.utf8.count / 3) ? best.name : nil
}

/// The edits that make one word of another: a letter more, less, or another one; two neighbours swapped count as one.
private func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in left.indices {
        var current = [row + 1]
        for column in right.indices {
            let isSame = left[row] == right[column]
            var best = min(current[column] + 1, last[column + 1] + 1, last[column] + (isSame ? 0 : 1))
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                best = min(best, beforeLast[column - 1] + 1)
            }
            current.append(best)
        }
        (beforeLast, last) = (last, current)
    }
    return last[right.count]
}
