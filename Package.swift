// swift-tools-version: 6.2
// The whole of Weir: host, built-in plugins, tests. No package dependencies; what the toolchain
// lacks comes from C libraries of the system, each behind a module map in a systemLibrary target.

import PackageDescription

/// Every Swift target: strict imports, warnings are errors.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// What the host does without: regular expressions and Swift concurrency, 2 MB of libraries in memory that nothing here uses.
let lean: SwiftSetting = .unsafeFlags([
    "-Xfrontend", "-disable-implicit-string-processing-module-import",
    "-Xfrontend", "-disable-implicit-concurrency-module-import",
])

/// The data path: exclusivity is checked in debug builds (and so in all tests) and not in release builds.
let hot: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
    ]

/// A plugin exports its entry point and nothing else.
let exportEntryOnly: [LinkerSetting] = [
    .unsafeFlags([
        "-Xlinker", "--version-script=\(Context.packageDirectory)/plugin-sdk/plugin.map",
        // Nothing of the SDK that the plugin does not use, and no library that it does not call.
        "-Xlinker", "--gc-sections", "-Xlinker", "--as-needed",
    ])
]

/// One module of the host: a folder of Sources/.
func host(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(name)", exclude: ["README.md"] + exclude,
        swiftSettings: hot + [lean])
}

/// The unit tests of one module.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "weir",
    products: [
        .executable(name: "weir", targets: ["weir"]),
        .library(name: "Essentials", type: .dynamic, targets: ["Essentials"]),
    ],
    dependencies: [],
    targets: [
        // 0: C
        .systemLibrary(name: "CWeir", path: "plugin-sdk/CWeir"),
        .systemLibrary(name: "CWeirLinux", path: "Sources/CWeirLinux"),
        .systemLibrary(name: "CYAML", path: "Sources/CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // 1 to 8: the host, each layer importing only from below
        host("WeirBase", ["CWeir", "CWeirLinux"]),
        host("WeirNet", ["WeirBase", "CWeirLinux"]),
        host("WeirWire", ["WeirBase", "CWeir"]),
        host("WeirConfig", ["WeirBase", "CWeir", "CYAML"]),
        host(
            "WeirRESP", ["WeirBase", "WeirWire", "CWeir"],
            exclude: ["commands_added.txt", "generate_commands.py"]),
        host("WeirChain", ["WeirBase", "WeirNet", "WeirWire", "CWeir", "CWeirLinux"]),
        host("WeirUpstream", ["WeirBase", "WeirNet", "WeirWire", "WeirRESP", "WeirChain", "CWeir"]),
        host("WeirPlugins", ["WeirBase", "WeirConfig", "CWeir", "CWeirLinux"]),
        host("WeirTelemetry", ["WeirBase"]),
        host("WeirAdmin", ["WeirBase", "WeirNet", "WeirConfig", "WeirTelemetry", "CWeirLinux"]),
        host(
            "WeirRuntime",
            [
                "WeirBase", "WeirNet", "WeirWire", "WeirConfig", "WeirRESP", "WeirChain", "WeirUpstream", "WeirPlugins",
                "WeirTelemetry", "WeirAdmin", "CWeir", "CWeirLinux",
            ]),
        host(
            "WeirCLI",
            ["WeirBase", "WeirConfig", "WeirPlugins", "WeirRuntime", "WeirTelemetry", "WeirAdmin", "CWeir"]),
        .executableTarget(
            name: "weir", dependencies: ["WeirCLI"], path: "Sources/weir", swiftSettings: strict + [lean]),

        // The SDK and the plugins that stand on it
        .target(name: "WeirPlugin", dependencies: ["CWeir"], path: "plugin-sdk/WeirPlugin", swiftSettings: strict),
        .systemLibrary(name: "CWeirTesting", path: "plugin-sdk/testing"),
        .target(
            name: "WeirTesting", dependencies: ["CWeir", "CWeirTesting"], path: "plugin-sdk/WeirTesting",
            swiftSettings: strict),
        .target(
            name: "Essentials", dependencies: ["WeirPlugin", "CWeir"], path: "Plugins/Essentials/Sources",
            swiftSettings: hot, linkerSettings: exportEntryOnly),

        // Tests, and the benchmark
        .target(name: "WeirTestSupport", path: "Tests/Support", exclude: ["packages.sh"], swiftSettings: strict),
        .executableTarget(
            name: "weir-bench", dependencies: ["WeirTestSupport", "CWeirLinux"], path: "Tests/Benchmarks",
            exclude: ["README.md"], swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests", dependencies: ["WeirTestSupport"], path: "Tests/Integration",
            exclude: ["suites"], swiftSettings: strict),

        tests("SDKTests", ["WeirPlugin", "WeirTesting", "WeirConfig", "CWeir"]),
        .testTarget(
            name: "EssentialsTests", dependencies: ["WeirTesting", "WeirConfig", "WeirRESP", "CWeir"],
            path: "Plugins/Essentials/Tests", exclude: ["kinds.txt"],
            swiftSettings: strict),
        tests("WeirBaseTests", ["WeirBase"]),
        tests("WeirNetTests", ["WeirNet", "WeirBase"]),
        tests("WeirRESPTests", ["WeirRESP", "WeirWire", "WeirBase"]),
        tests("WeirConfigTests", ["WeirConfig", "WeirBase"]),
        tests("WeirTelemetryTests", ["WeirTelemetry", "WeirBase"]),
        tests("WeirAdminTests", ["WeirAdmin", "WeirNet", "WeirTelemetry", "WeirBase"]),
        tests("WeirCLITests", ["WeirCLI", "WeirPlugins", "WeirConfig", "WeirBase"]),
        // A test target, so that it sees internals and a release build leaves it out.
        .testTarget(
            name: "WeirBed",
            dependencies: ["WeirChain", "WeirUpstream", "WeirRESP", "WeirNet", "WeirWire", "WeirBase", "CWeir"],
            path: "Tests/WeirChainTests/Bed", swiftSettings: strict),
        .executableTarget(
            name: "weir-allocations",
            dependencies: ["WeirChain", "WeirUpstream", "WeirRESP", "WeirNet", "WeirBase", "CWeir"],
            path: "Tests/WeirChainTests/Allocations", swiftSettings: strict),
        .testTarget(
            name: "WeirChainTests",
            dependencies: [
                "weir-allocations", "WeirBed", "WeirChain", "WeirUpstream", "WeirRESP", "WeirNet", "WeirWire",
                "WeirBase", "CWeir",
            ],
            path: "Tests/WeirChainTests", exclude: ["Bed", "Allocations", "allocations.json"], swiftSettings: strict),
        tests(
            "WeirUpstreamTests",
            ["WeirBed", "WeirChain", "WeirUpstream", "WeirRESP", "WeirNet", "WeirWire", "WeirBase", "CWeir"]),
        tests("WeirPluginsTests", ["WeirPlugins", "WeirConfig", "WeirBase"]),
    ]
)
