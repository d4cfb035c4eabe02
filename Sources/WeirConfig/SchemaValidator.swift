// Checks values against a schema: reports all that is wrong, fills in defaults, turns units into numbers.
//
// What comes out is a tree that fits: integers for units, canonical names for aliases, texts for sub-chains (their
// names), upstreams without credentials. Sub-chains, upstreams and positions are collected on the way.
// Knows nothing of catalogs or of where values go afterwards.

import WeirBase

struct SchemaValidator {
    /// Where a value stands.
    struct Place {
        /// JSON pointer from the root of the options.
        var pointer: String
        /// For messages: 'ttl', or entry 2 of 'tables'.
        var name: String
        /// The key by which the value was written; it may name a unit.
        var key: String
        /// Where a missing field is reported.
        var owner: SourceRange

        static func root(_ name: String, owner: SourceRange) -> Place {
            Place(pointer: "", name: name, key: "", owner: owner)
        }
    }

    var diagnostics: DiagnosticList
    /// Put before the pointer of a sub-chain to make its name.
    var chainNamePrefix = ""
    /// Keys of the root map that belong to the caller.
    var reservedKeys: [String] = []
    private(set) var chains: [(pointer: String, node: ConfigNode)] = []
    /// The fields of each upstream as they fit, credentials included.
    private(set) var upstreams: [(pointer: String, fields: ConfigNode, owner: SourceRange)] = []
    var positions: [String: SourceRange] = [:]

    init(diagnostics: DiagnosticList) {
        self.diagnostics = diagnostics
    }

    /// The value as it is to be used, or nil when it does not fit (which was reported).
    mutating func check(_ value: ConfigNode, _ schema: SchemaNode, _ place: Place) -> ConfigNode? {
        let content = schema.content
        if positions[place.pointer] == nil { positions[place.pointer] = value.map == nil ? value.range : place.owner }
        if let feature = content.notBuilt {
            diagnostics.error(
                .notBuilt, at: place.owner, "\(feature) is not built yet",
                hint: "remove '\(place.key)'; it is refused rather than ignored")
            return nil
        }
        if value.isUnresolved { return nil }
        let value = concrete(value, content)
        if let unit = content.unit { return number(value, unit, content, place) }
        guard content.types.accept(value.value) else {
            wrongType(value, content.types.words, place)
            return nil
        }
        if !content.allowed.isEmpty, !content.allowed.contains(where: { $0.hasSameValue(as: value) }) {
            notAllowed(value, content.allowed, place)
            return nil
        }
        switch value.value {
        case .null, .bool: return value
        case .int, .float: return bounded(value, content, place)
        case .text(let text): return lengthChecked(value, text, content, place)
        case .list(let items): return list(value, items, content, place)
        case .map(let members): return object(value, members, schema, place)
        }
    }

    /// A referenced text where no text is wanted is what an unquoted word of the file would be.
    private func concrete(_ value: ConfigNode, _ content: SchemaNode.Content) -> ConfigNode {
        guard value.reference != nil, let text = value.text, !content.types.isEmpty, !content.types.contains(.string)
        else { return value }
        var value = value
        switch PlainScalar.resolve(text) {
        case .bool(let flag): value.value = .bool(flag)
        case .int(let number): value.value = .int(number)
        case .float(let number): value.value = .float(number)
        case .null, .intOutOfRange, .text: break
        }
        return value
    }

    // MARK: scalars

    private mutating func number(
        _ value: ConfigNode, _ unit: Units.Kind, _ content: SchemaNode.Content, _ place: Place
    ) -> ConfigNode? {
        let noun = unit == .duration ? "a duration" : "a size"
        let example = unit == .duration ? "30s or 250ms" : "64KiB or 16MiB"
        var result = value
        switch value.value {
        case .int(let number):
            let factor = Units.factor(ofKey: place.key) ?? (content.bareFactor > 0 ? content.bareFactor : nil)
            guard let factor = factor ?? (number == 0 ? 1 : nil) else {
                diagnostics.error(
                    .badUnit, at: value.range, "\(place.name) is \(noun) and needs a unit", hint: "write \(example)")
                return nil
            }
            let (product, overflow) = number.multipliedReportingOverflow(by: factor)
            guard !overflow, number >= 0 else {
                let problem = overflow ? "too large" : "negative"
                diagnostics.error(.badUnit, at: value.range, "\(place.name) is \(problem)", hint: content.hint)
                return nil
            }
            result.value = .int(product)
        case .text(let text):
            switch Units.parse(text, unit) {
            case .success(let number): result.value = .int(number)
            case .failure(let failure):
                report(failure, value, noun, example, unit, place)
                return nil
            }
        default:
            wrongType(value, "\(noun) such as \(example)", place)
            return nil
        }
        return bounded(result, content, place)
    }

    private mutating func report(
        _ failure: Units.Failure, _ value: ConfigNode, _ noun: String, _ example: String, _ unit: Units.Kind,
        _ place: Place
    ) {
        switch failure {
        case .notANumber:
            diagnostics.error(.badUnit, at: value.range, "\(place.name) is not \(noun)", hint: "write \(example)")
        case .missingUnit:
            diagnostics.error(.badUnit, at: value.range, "\(place.name) has no unit", hint: "write \(example)")
        case .tooLarge:
            diagnostics.error(.badUnit, at: value.range, "\(place.name) is too large")
        case .unknownUnit(let name):
            let shown = value.reference == nil ? "'\(name)' is no unit" : "\(place.name) has an unknown unit"
            diagnostics.error(.badUnit, at: value.range, shown, hint: "units are \(Units.names(unit))")
        }
    }

    private mutating func bounded(_ value: ConfigNode, _ content: SchemaNode.Content, _ place: Place) -> ConfigNode? {
        var value = value
        if case .float(let number) = value.value, !number.isFinite {
            diagnostics.error(.valueNotAllowed, at: value.range, "\(place.name) must be a finite number")
            return nil
        }
        if let minimum = content.minimum, Self.isLess(value.value, minimum) {
            outOfBounds(value, "at least \(Self.words(minimum, content.unit))", content, place)
            return nil
        }
        if let maximum = content.maximum, Self.isLess(maximum, value.value) {
            outOfBounds(value, "at most \(Self.words(maximum, content.unit))", content, place)
            return nil
        }
        // A plugin that asks for a number gets one kind of it.
        if case .int(let number) = value.value, content.types.contains(.number), !content.types.contains(.integer) {
            value.value = .float(Double(number))
        }
        return value
    }

    private mutating func outOfBounds(
        _ value: ConfigNode, _ bound: String, _ content: SchemaNode.Content, _ place: Place
    ) {
        diagnostics.error(.valueNotAllowed, at: value.range, "\(place.name) must be \(bound)", hint: content.hint)
    }

    private static func isLess(_ a: ConfigNode.Value, _ b: ConfigNode.Value) -> Bool {
        switch (a, b) {
        case (.int(let a), .int(let b)): a < b
        case (.int(let a), .float(let b)): Double(a) < b
        case (.float(let a), .int(let b)): a < Double(b)
        case (.float(let a), .float(let b)): a < b
        default: false
        }
    }

    private static func words(_ bound: ConfigNode.Value, _ unit: Units.Kind?) -> String {
        switch bound {
        case .int(let number): unit.map { Units.text(number, $0) } ?? String(number)
        case .float(let number): "\(number)"
        default: ""
        }
    }

    private mutating func lengthChecked(
        _ value: ConfigNode, _ text: String, _ content: SchemaNode.Content, _ place: Place
    ) -> ConfigNode? {
        let length = text.unicodeScalars.count
        if length < content.minLength {
            let message =
                length == 0
                ? "\(place.name) must not be empty" : "\(place.name) must have at least \(content.minLength) characters"
            diagnostics.error(.valueNotAllowed, at: value.range, message, hint: content.hint)
            return nil
        }
        if length > content.maxLength {
            diagnostics.error(
                .valueNotAllowed, at: value.range,
                "\(place.name) has \(length) characters; at most \(content.maxLength) are allowed", hint: content.hint)
            return nil
        }
        return value
    }

    private mutating func wrongType(_ value: ConfigNode, _ expected: String, _ place: Place) {
        let at = value.map == nil && value.list == nil && !value.isEmpty ? value.range : place.owner
        if value.isEmpty {
            diagnostics.error(.wrongType, at: at, "\(place.name) has no value; it must be \(expected)")
            return
        }
        var hint: String?
        if value.reference == nil {
            switch value.value {
            case .text(let text) where expected.holds("number"):
                if case .int = PlainScalar.resolve(text) { hint = "write it without quotes" }
            case .text(let text) where expected == "true or false":
                let word = text.lowercased()
                if word == "yes" || word == "on" { hint = "write true" }
                if word == "no" || word == "off" { hint = "write false" }
            case .int, .float, .bool: if expected == "text" { hint = "put it in quotes" }
            default: break
            }
        }
        diagnostics.error(
            .wrongType, at: at, "\(place.name) must be \(expected), but is \(value.kindInWords)", hint: hint)
    }

    private mutating func notAllowed(_ value: ConfigNode, _ allowed: [ConfigNode], _ place: Place) {
        let words = allowed.map { node -> String in
            if let text = node.text { return "'\(text)'" }
            var json = JSONText()
            json.value(node)
            return json.text
        }
        let list = words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")
        let hint =
            value.reference == nil ? value.text.flatMap { NearestWord.hint($0, in: allowed.compactMap(\.text)) } : nil
        diagnostics.error(.valueNotAllowed, at: value.range, "\(place.name) must be \(list)", hint: hint)
    }

    // MARK: collections

    private mutating func list(
        _ value: ConfigNode, _ items: [ConfigNode], _ content: SchemaNode.Content, _ place: Place
    ) -> ConfigNode? {
        var result = value
        if content.role == .chain {
            chains.append((place.pointer, value))
            result.value = .text(chainNamePrefix + place.pointer)
            return result
        }
        if items.count < content.minItems || items.count > content.maxItems {
            let isFew = items.count < content.minItems
            let message =
                items.isEmpty
                ? "\(place.name) must not be empty"
                : "\(place.name) has \(items.count) entries; "
                    + (isFew ? "at least \(content.minItems) are needed" : "at most \(content.maxItems) are allowed")
            diagnostics.error(.valueNotAllowed, at: place.owner, message)
            return nil
        }
        guard let schema = content.items else { return value }
        var checked: [ConfigNode] = []
        for (i, item) in items.enumerated() {
            let here = Place(
                pointer: "\(place.pointer)/\(i)", name: "entry \(i + 1) of \(place.name)", key: place.key,
                owner: item.range)
            if let item = check(item, schema, here) { checked.append(item) }
        }
        result.value = .list(checked)
        return checked.count == items.count ? result : nil
    }

    mutating func noteUpstream(_ fields: ConfigNode, _ place: Place) {
        upstreams.append((place.pointer, fields, place.owner))
    }

    /// Why a schema's default does not fit the schema, in words, or nil.
    static func misfit(of value: ConfigNode, to node: SchemaNode, key: String) -> String? {
        var validator = SchemaValidator(diagnostics: DiagnosticList(source: SourceText(file: "schema", bytes: [])))
        _ = validator.check(value, node, Place(pointer: "", name: "the value", key: key, owner: value.range))
        return validator.diagnostics.sorted.first?.message
    }
}
