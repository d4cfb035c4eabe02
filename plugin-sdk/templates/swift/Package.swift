// swift-tools-version: 6.2
// swift build -c release   →  .build/release/lib@NAME@.so, with the Swift runtime inside: it loads in every Weir 1.x
// swift test               its tests, on the SDK's test host

import PackageDescription

let package = Package(
    name: "@NAME@",
    products: [
        .library(name: "@NAME@", type: .dynamic, targets: ["@TRANSFORM@Plugin"])
    ],
    dependencies: [
        .package(path: "@SDK@")
    ],
    targets: [
        .target(
            name: "@TRANSFORM@Plugin",
            dependencies: [.product(name: "WeirPlugin", package: "plugin-sdk")],
            path: "Sources",
            linkerSettings: [
                .unsafeFlags(
                    [
                        // The runtime goes in, and nothing but the entry function is seen from outside.
                        "-static-stdlib",
                        "-Xlinker", "--exclude-libs=ALL",
                        "-Xlinker", "--version-script=\(Context.packageDirectory)/plugin.map",
                    ], .when(configuration: .release))
            ]),
        .testTarget(
            name: "@TRANSFORM@Tests",
            dependencies: [
                "@TRANSFORM@Plugin", .product(name: "WeirTesting", package: "plugin-sdk"),
            ],
            path: "Tests"),
    ]
)
