// The plugins that are loaded and the transforms that they offer, by id. Grows only.
//
// Belongs to the main thread while plugins are loaded; read by anybody afterwards.

public import CWeir
public import WeirConfig

/// What is there to build chains from.
public struct PluginCatalog: Sendable {
    public private(set) var plugins: [LoadedPlugin] = []
    private var transforms: [LoadedTransform] = []
    private var indexOfID: [String: Int] = [:]

    public init() {}

    /// Finds, inspects and loads; every refusal is told, the other plugins go on.
    public static func load(_ search: PluginSearch, host: UnsafePointer<weir_host>)
        -> (catalog: PluginCatalog, errors: [PluginError])
    {
        var catalog = PluginCatalog()
        var (found, errors) = search.find()
        for candidate in found {
            switch PluginFile.inspect(candidate.path) {
            case .failure(let error):
                if candidate.isCertain || error.code != .pluginNoEntry { errors.append(error) }
            case .success(let file):
                if let error = catalog.load(file, candidate.path, host) { errors.append(error) }
            }
        }
        return (catalog, errors)
    }

    /// Loads one file, unless it is loaded already (under whatever path).
    public mutating func load(path: String, host: UnsafePointer<weir_host>) -> PluginError? {
        switch PluginFile.inspect(path) {
        case .failure(let error): error
        case .success(let file): load(file, path, host)
        }
    }

    private mutating func load(_ file: PluginFile, _ path: String, _ host: UnsafePointer<weir_host>) -> PluginError? {
        if plugins.contains(where: { $0.file.device == file.device && $0.file.inode == file.inode }) { return nil }
        switch PluginLoader.load(file, path, host) {
        case .failure(let error): return error
        case .success(let plugin): return add(plugin, path: path)
        }
    }

    /// Takes a plugin in as a whole, or refuses it because of an id that another one offers.
    public mutating func add(_ plugin: LoadedPlugin, path: String) -> PluginError? {
        for transform in plugin.transforms {
            guard let index = indexOfID[transform.description.id] else { continue }
            let other = transforms[index].description
            return PluginError(
                .pluginDuplicateID, path: path,
                "'\(other.id)' of \(plugin.name) \(plugin.version) is already offered by "
                    + "\(other.pluginName) \(other.pluginVersion) (\(other.pluginPath))",
                hint: "remove one of the two files")
        }
        plugins.append(plugin)
        for transform in plugin.transforms {
            indexOfID[transform.description.id] = transforms.count
            transforms.append(transform)
        }
        return nil
    }

    /// What TopologyReader needs to know; SiteSpec.descriptionIndex counts in this order.
    public var descriptions: [TransformDescription] { transforms.map(\.description) }

    public func description(of id: String) -> TransformDescription? {
        indexOfID[id].map { transforms[$0].description }
    }

    /// The plugin's table of a transform.
    public func table(of id: String) -> UnsafePointer<weir_transform>? {
        indexOfID[id].map { transforms[$0].table }
    }
}
