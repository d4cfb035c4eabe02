// A checked topology and the loaded plugins become chains of configured sites.
//
// Every transform is configured here, on the main thread; what it complains about is reported at the place in the file
// that it names. Nothing is opened yet.

import CWeir
import WeirBase
import WeirChain
import WeirConfig
import WeirNet
import WeirPlugins
import WeirUpstream
import WeirWire

/// Builds the sites of a topology and collects what plugins say against their options.
final class Assembly {
    private let topology: Topology
    private let catalog: PluginCatalog
    private let host: UnsafePointer<weir_host>
    private let isCheck: Bool
    private let codecs: [WireCodec]
    private(set) var diagnostics: [Diagnostic] = []
    private(set) var sites: [Site] = []
    private var current: SiteSpec?

    /// The assembly whose `configure` runs, for `weir_host.report`.
    nonisolated(unsafe) private static var running: Assembly?

    init(
        _ topology: Topology, _ catalog: PluginCatalog, host: UnsafePointer<weir_host>, codecs: [WireCodec],
        isCheck: Bool
    ) {
        self.topology = topology
        self.catalog = catalog
        self.host = host
        self.codecs = codecs
        self.isCheck = isCheck
    }

    /// The sources, ready to be opened by workers.
    func build() -> [SourcePlan] {
        topology.sources.compactMap { source in
            guard let address = SocketAddress(source.listenAddress) else { return nil }
            return SourcePlan(
                name: source.name, address: address, chain: chain(source.chain),
                connections: ConnectionCount(maximum: source.connectionLimit),
                refusesAboveLimit: source.hardConnectionLimit, idleNanoseconds: source.idleTimeoutNanoseconds)
        }
    }

    private func chain(_ spec: ChainSpec) -> ChainPlan {
        let number = codecs.first { "\($0.name)" == spec.protocolName }?.number ?? 0
        return ChainPlan(
            name: spec.name, protocolNumber: number, sites: spec.sites.compactMap { site($0, in: spec.name) })
    }

    private func site(_ spec: SiteSpec, in chainName: String) -> Site? {
        guard let table = catalog.table(of: spec.transformID),
            let description = catalog.description(of: spec.transformID)
        else { return nil }
        let site = Site(name: "\(chainName)/\(spec.name)", transform: table, pluginName: description.pluginName)
        site.subchains = spec.subchains.map { ($0.pointer, chain($0.chain)) }
        site.upstreams = spec.upstreams.map { ($0.pointer, Assembly.plan($0.upstream)) }
        configure(site, spec)
        sites.append(site)
        return site
    }

    private static func plan(_ spec: UpstreamSpec) -> UpstreamPlan {
        UpstreamPlan(
            addresses: spec.addresses, connectNanoseconds: spec.connectTimeoutNanoseconds,
            requestNanoseconds: spec.requestTimeoutNanoseconds, connectionCount: spec.connectionCount, user: spec.user,
            password: spec.password, maximumPinnedCount: spec.maximumPinnedConnections)
    }

    private func configure(_ site: Site, _ spec: SiteSpec) {
        guard let configure = site.transform.pointee.configure else { return }
        current = spec
        Assembly.running = self
        let before = diagnostics.count
        let number = codecs.first { "\($0.name)" == spec.protocolName }?.number ?? 0
        let status = withText(site.name) { name in
            withText(spec.optionsJSON) { json in
                var config = weir_config(
                    size: UInt32(MemoryLayout<weir_config>.size), flags: isCheck ? UInt32(WEIR_CFG_CHECK_ONLY) : 0,
                    host: host, site: site.handle, name: name, values: spec.options.pointer, json: json,
                    protocol: number, reserved: (0, 0, 0))
                let crumb = Breadcrumbs.slot()
                crumb.pointee.enter(site.crumb, hook: "configure")
                defer { crumb.pointee.leave() }
                return configure(&config, &site.state)
            }
        }
        Assembly.running = nil
        if status != WEIR_OK, diagnostics.count == before {
            diagnostics.append(
                topology.source.diagnostic(
                    .pluginRefusesOptions, at: spec.position,
                    "\(spec.transformID) refuses its options and does not say why (status \(status))"))
        }
    }

    /// A complaint of the transform that is being configured.
    static func report(level: Int32, pointer: String, text: String) {
        guard let assembly = running, let spec = assembly.current else { return }
        assembly.diagnostics.append(
            assembly.topology.source.diagnostic(
                .pluginRefusesOptions, level >= Int32(WEIR_LOG_ERROR) ? .error : .warning,
                at: spec.position(of: pointer), "\(spec.transformID): \(text)"))
    }

    /// Undoes `configure` for every site.
    func unconfigure() {
        for site in sites {
            if let unconfigure = site.transform.pointee.unconfigure { unconfigure(site.state) }
        }
    }
}
