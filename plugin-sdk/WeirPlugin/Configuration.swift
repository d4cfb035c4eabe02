// The options of one site, as `settings` reads them (weir_config in weir.h): a tape that is already valid against
// the transform's schema, with defaults filled in. It is lent until `settings` returns; what is kept is copied.

import CWeir

/// The options of a site.
public struct Configuration {
    let raw: UnsafePointer<weir_config>
    private let items: Items

    init(_ raw: UnsafePointer<weir_config>) {
        self.raw = raw
        items = Items(raw.pointee.values)
    }

    private var host: UnsafePointer<weir_host> { raw.pointee.host }

    /// "redis/counter", for messages.
    public var name: String { Bytes(raw.pointee.name).string }
    /// All options as JSON text.
    public var json: String { Bytes(raw.pointee.json).string }
    /// Of the requests that this site will get.
    public var protocolNumber: UInt16 { raw.pointee.protocol }
    /// `weir check`: no worker will start.
    public var isCheckOnly: Bool { raw.pointee.flags & UInt32(WEIR_CFG_CHECK_ONLY) != 0 }

    /// All options.
    public var root: Option { Option(items: items, item: items.root, path: "") }
    /// The option of that name; nil when it is not given and has no default.
    public subscript(_ name: String) -> Option? { root[name] }

    /// Says what is wrong, or worth a remark, at a JSON pointer like "/prefix". An error refuses the site; so does
    /// throwing a `Problem`, which is the same for one.
    public func report(_ level: LogLevel, at path: String, _ text: String) {
        path.withCString { path in
            text.withBytes { host.pointee.report(raw, level.rawValue, path, $0.raw) }
        }
    }

    /// Call the hooks for these commands only; the rest goes by without a call but never overtakes.
    public func callOnly(for verbs: [UInt32], kinds: [MessageKind] = [.request, .response]) {
        let bits = kinds.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue & 31) }
        verbs.withUnsafeBufferPointer { list in
            guard let base = list.baseAddress else { return }
            _ = host.pointee.interest(raw, bits, base, UInt32(clamping: list.count))
        }
    }

    /// The number of a command, by its name in capitals; 0: unknown.
    public func verb(_ name: String, of protocolName: String) -> UInt32 {
        protocolName.withCString { p in name.withCString { host.pointee.verb(host, p, $0) } }
    }
}

/// The value of an option, and where it stands. One of another kind than asked for reads as nil.
public struct Option {
    private let items: Items
    private let item: Item
    /// JSON pointer, for `report` and `Problem`.
    public let path: String

    init(items: Items, item: Item, path: String) {
        self.items = items
        self.item = item
        self.path = path
    }

    public var text: String? {
        item.kind == .text || item.kind == .bytes ? item.bytes.string : nil
    }
    /// Lent until `settings` returns.
    public var bytes: Bytes? { item.kind == .text || item.kind == .bytes ? item.bytes : nil }
    /// With "x-unit" in the schema: nanoseconds or bytes.
    public var integer: Int? { item.kind == .integer ? item.integer : nil }
    public var number: Double? {
        item.kind == .float ? item.float : integer.map(Double.init)
    }
    public var bool: Bool? { item.kind == .bool ? item.bool : nil }
    public var duration: Duration? { integer.map { .nanoseconds($0) } }

    /// The elements of a list.
    public var list: [Option]? {
        guard item.kind == .list else { return nil }
        return items.children(of: item).enumerated().map { index, child in
            Option(items: items, item: child, path: "\(path)/\(index)")
        }
    }

    /// The names of an object.
    public var names: [String] {
        guard item.kind == .map else { return [] }
        return items.children(of: item).enumerated().filter { $0.offset % 2 == 0 }.map { $0.element.bytes.string }
    }

    /// A member of an object.
    public subscript(_ name: String) -> Option? {
        guard let value = items.member(name, of: item), value.kind != .null else { return nil }
        return Option(items: items, item: value, path: "\(path)/\(Self.escaped(name))")
    }

    /// A name as a part of a JSON pointer (RFC 6901).
    private static func escaped(_ name: String) -> String {
        var text = ""
        for character in name {
            switch character {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.append(character)
            }
        }
        return text
    }
}
