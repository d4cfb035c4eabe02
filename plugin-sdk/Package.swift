// swift-tools-version: 6.2
// The SDK as a package of its own: all that the author of a transform needs.
//   .package(path: "…/plugin-sdk")  →  .product(name: "WeirPlugin", package: "plugin-sdk")
// Authors in C need CWeir/include only, and testing/ for their tests.

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "plugin-sdk",
    products: [
        .library(name: "WeirPlugin", targets: ["WeirPlugin"]),
        .library(name: "WeirTesting", targets: ["WeirTesting"]),
    ],
    dependencies: [],
    targets: [
        .systemLibrary(name: "CWeir", path: "CWeir"),
        .systemLibrary(name: "CWeirTesting", path: "testing"),
        .target(name: "WeirPlugin", dependencies: ["CWeir"], path: "WeirPlugin", swiftSettings: strict),
        .target(
            name: "WeirTesting", dependencies: ["CWeir", "CWeirTesting"], path: "WeirTesting", swiftSettings: strict),
    ]
)
