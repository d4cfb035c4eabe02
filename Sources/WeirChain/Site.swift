// A site is one place in the topology where a transform is configured. `Site` is what the workers share (plugins
// know it as `weir_site`); `SiteState` is what one worker keeps of it, laid out flat for the request path.

public import CWeir
import WeirBase
import WeirWire

/// One configured transform. Made on the main thread, not changed once workers run.
public final class Site: @unchecked Sendable {
    /// "redis/counter": chain and site, for messages and metrics.
    public let name: String
    public let transform: UnsafePointer<weir_transform>
    /// "plugin Essentials, site redis/counter (QueryCounter 1.0.0)".
    public let crumb: UnsafePointer<CChar>
    /// What `configure` made.
    public var state: UnsafeMutableRawPointer?
    /// Verbs that the hooks are called for, as bits by verb number; nil: all.
    public var requestInterest: UnsafeMutablePointer<UInt64>?
    public var responseInterest: UnsafeMutablePointer<UInt64>?
    /// Sub-chains of this site by JSON pointer.
    public var subchains: [(pointer: String, chain: ChainPlan)] = []
    /// Upstreams of this site by JSON pointer; the value is for whoever opens them.
    public var upstreams: [(pointer: String, plan: AnyObject)] = []

    public init(name: String, transform: UnsafePointer<weir_transform>, pluginName: String) {
        self.name = name
        self.transform = transform
        crumb = immortalCString(
            "plugin \(pluginName), site \(name) (\(String(cString: transform.pointee.id)) "
                + "\(String(cString: transform.pointee.version)))")
    }

    /// The pointer that plugins know it by.
    public var handle: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    /// The site behind a plugin's pointer.
    static func from(_ handle: OpaquePointer) -> Site {
        Unmanaged<Site>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

/// An ordered list of sites with the protocol that enters it.
public final class ChainPlan: @unchecked Sendable {
    public let name: String
    /// The same, as plugins see it.
    let nameText: weir_str
    public let protocolNumber: UInt16
    public var sites: [Site]

    public init(name: String, protocolNumber: UInt16, sites: [Site]) {
        self.name = name
        nameText = immortalText(name)
        self.protocolNumber = protocolNumber
        self.sites = sites
    }
}

public typealias RequestHook = @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<weir_batch>) -> Void

/// One site on one worker.
struct SiteState {
    var onRequests: RequestHook?
    var onResponses: RequestHook?
    var workerState: UnsafeMutableRawPointer?
    var requestInterest: UnsafeMutablePointer<UInt64>?
    var responseInterest: UnsafeMutablePointer<UInt64>?
    var crumb: UnsafePointer<CChar>
    var requestTime: UnsafeMutablePointer<HistogramCells>?
    var responseTime: UnsafeMutablePointer<HistogramCells>?
    var transform: UnsafePointer<weir_transform>
    var site: Unmanaged<Site>
    var wantsTags: Bool
}

public typealias ChainRef = UnsafeMutablePointer<Chain>

/// A chain on one worker.
public struct Chain {
    let sites: UnsafeMutablePointer<SiteState>
    let siteCount: Int
    let worker: WorkerRef
    let codec: Unmanaged<WireCodec>
    let plan: Unmanaged<ChainPlan>
    /// The states of connections, where no site has a state per connection.
    let sharedStates: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    let hasConnectionStates: Bool
    let hasResponseHooks: Bool
    let hasEventHooks: Bool
    let keepsRequests: Bool
    let wantsTags: Bool
}

extension Chain {
    /// Where a site stands in it; behind the last when it is of another chain.
    func index(of site: Site) -> Int {
        for index in 0..<siteCount where sites[index].site.toOpaque() == Unmanaged.passUnretained(site).toOpaque() {
            return index
        }
        return siteCount
    }

    /// Starts every site of `plan` on a worker.
    /// - Returns: the chain, or the site that refused and its status.
    static func start(_ plan: ChainPlan, codec: WireCodec, on worker: WorkerRef) -> Result<ChainRef, ChainStartError> {
        let count = plan.sites.count
        let sites = UnsafeMutablePointer<SiteState>.allocate(capacity: max(count, 1))
        let states = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: max(count, 1))
        var flags: UInt32 = 0
        var hasStates = false
        var hasResponses = false
        var hasEvents = false
        for (index, site) in plan.sites.enumerated() {
            let transform = site.transform.pointee
            var workerState = site.state
            if let start = transform.worker_start {
                workerState = nil
                let status = worker.withCrumb(site.crumb, "worker_start") {
                    start(site.state, site.handle, worker.handle, &workerState)
                }
                if status != WEIR_OK { return .failure(ChainStartError(site: site.name, status: status)) }
            }
            let worker = worker.pointee
            let metrics = worker.metrics
            let labels = [("site", site.name)]
            (sites + index).initialize(
                to: SiteState(
                    onRequests: transform.on_requests, onResponses: transform.on_responses, workerState: workerState,
                    requestInterest: site.requestInterest, responseInterest: site.responseInterest, crumb: site.crumb,
                    requestTime: metrics.histogram(
                        "weir_transform_seconds", help: "Time that a batch spends in a hook of a site.",
                        labels: labels + [("direction", "request")], worker: Int(worker.head.index)),
                    responseTime: transform.on_responses == nil
                        ? nil
                        : metrics.histogram(
                            "weir_transform_seconds", help: "Time that a batch spends in a hook of a site.",
                            labels: labels + [("direction", "response")], worker: Int(worker.head.index)),
                    transform: site.transform, site: Unmanaged.passRetained(site),
                    wantsTags: transform.flags & UInt32(WEIR_F_TAGS) != 0))
            states[index] = workerState
            flags |= transform.flags
            hasStates = hasStates || transform.conn_open != nil
            hasResponses = hasResponses || transform.on_responses != nil
            hasEvents = hasEvents || transform.on_event != nil
        }
        let chain = ChainRef.allocate(capacity: 1)
        chain.initialize(
            to: Chain(
                sites: sites, siteCount: count, worker: worker, codec: Unmanaged.passRetained(codec),
                plan: Unmanaged.passRetained(plan), sharedStates: states, hasConnectionStates: hasStates,
                hasResponseHooks: hasResponses, hasEventHooks: hasEvents,
                keepsRequests: flags & UInt32(WEIR_F_KEEP_REQUESTS) != 0,
                wantsTags: flags & UInt32(WEIR_F_TAGS) != 0))
        return .success(chain)
    }

    /// Stops every site; no message may be in the chain.
    func stop() {
        for index in 0..<siteCount {
            let site = sites + index
            guard let stop = site.pointee.transform.pointee.worker_stop else { continue }
            worker.withCrumb(site.pointee.crumb, "worker_stop") { stop(site.pointee.workerState) }
        }
    }
}

/// A site that did not start on a worker.
public struct ChainStartError: Error {
    public var site: String
    public var status: weir_status
}
