// What an author writes: a class that says what it is (`about`), reads its options once (`settings`), and is made
// once per worker. What it conforms to says which hooks the host calls: RequestHook, ResponseHook, EventHook.
// State per connection is for those who ask (PerConnection): then a session, made per connection, has the hooks.
//
//   settings(from:)  [main]   once per place in the topology; the result is shared by all workers
//     └ init         [worker] once per worker; from here on no locks
//         └ open     [worker] once per connection, only with PerConnection
//             └ requests, responses, event

/// One kind of transform.
public protocol Transform: AnyObject {
    /// What `settings` makes of the options; all workers read it.
    associatedtype Settings: Sendable

    static var about: About { get }

    /// Reads the options, which are valid against the schema. What it throws is reported at its place in the file.
    static func settings(from configuration: Configuration) throws -> Settings

    init(settings: Settings, worker: Worker) throws
}

/// The settings of a transform that has none.
public struct NoSettings: Sendable {
    public init() {}
}

extension Transform where Settings == NoSettings {
    public static func settings(from configuration: Configuration) throws -> NoSettings { NoSettings() }
}

/// Requests on their way up: what the hook does not dispose of or take moves on when it returns.
public protocol RequestHook: AnyObject {
    func requests(_ batch: Batch)
}

/// Responses, and pushes, on their way down; likewise.
public protocol ResponseHook: AnyObject {
    func responses(_ batch: Batch)
}

/// What happens to a connection besides messages.
public protocol EventHook: AnyObject {
    func event(_ event: ConnectionEvent, on connection: Connection)
}

/// State per connection. The session has the hooks then; those of the transform itself are not called.
public protocol PerConnection: Transform {
    /// Conforms to the hooks that it wants. It is released after the last completion of its connection.
    associatedtype Session: AnyObject

    /// What it throws refuses the client.
    func open(_ connection: Connection) throws -> Session
}

/// WEIR_EV_* of weir.h; numbers that are not listed may come.
public struct ConnectionEvent: RawRepresentable, Equatable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// This site is on its way out: finish what is owed.
    public static var drain: ConnectionEvent { ConnectionEvent(rawValue: 1) }
    /// The client will send no more; it may still read.
    public static var clientEnd: ConnectionEvent { ConnectionEvent(rawValue: 2) }
    /// The client does not read.
    public static var clientFull: ConnectionEvent { ConnectionEvent(rawValue: 3) }
    public static var clientWritable: ConnectionEvent { ConnectionEvent(rawValue: 4) }
}

/// What the host and its users know of a transform before it runs.
public struct About: Sendable {
    /// "acme.key-prefix": what stands in the topology; never changes, never reused.
    public let id: String
    public let version: String
    public let summary: String
    /// Protocols of its requests: "resp cql", or "*".
    public let accepts: String
    /// What it sends on: "=" the same, "" nothing (a sink).
    public let emits: String
    /// Extensions without which it cannot run: "weir.resp/1 weir.metrics/1".
    public let requires: String
    /// The JSON Schema of its options, in the subset of docs/schema.md.
    public let schema: String
    /// Responses come with their requests, and may be retried.
    public let keepsRequests: Bool
    /// A word per message: `batch[tag: index]`.
    public let usesTags: Bool

    public init(
        id: String, version: String, summary: String, accepts: String = "*", emits: String = "=", requires: String = "",
        schema: String = #"{"type":"object"}"#, keepsRequests: Bool = false, usesTags: Bool = false
    ) {
        self.id = id
        self.version = version
        self.summary = summary
        self.accepts = accepts
        self.emits = emits
        self.requires = requires
        self.schema = schema
        self.keepsRequests = keepsRequests
        self.usesTags = usesTags
    }
}
