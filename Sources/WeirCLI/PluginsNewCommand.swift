// `weir plugins new`: a package for a transform, from the templates of the SDK.
//
// The templates and their placeholders: plugin-sdk/templates/README.md.

import Glibc

enum PluginsNewCommand {
    private static let language = Option.choice(
        "lang", of: ["c", "swift"], help: "the language of the plugin; default swift")
    private static let sdk = Option.text(
        "sdk", placeholder: "PATH",
        help: "the folder plugin-sdk; by default it is looked for beside the program and in /usr/share/weir")
    private static let into = Option.text(
        "into", placeholder: "DIR", help: "the folder to make; by default one named NAME in the current folder")

    static let command: Command = Command(
        name: "new",
        summary: "Start a plugin: a package that builds with one command against the SDK alone.",
        options: [language.spec, sdk.spec, into.spec],
        positionals: [
            Positional(
                name: "NAME", help: "its name, such as my-transform: letters, digits and hyphens, a letter first",
                isRequired: true)
        ],
        examples: [
            ("weir plugins new my-transform --lang swift", "makes the folder my-transform"),
            ("weir plugins new audit --lang c --into /src/audit", "makes /src/audit"),
        ],
        run: { arguments, terminal in
            guard let name = arguments.positionals.first, let names = PluginNames(name) else {
                let text =
                    "'\(arguments.positionals.first ?? "")' is no name: letters, digits and hyphens, a letter first"
                terminal.say("weir plugins new: \(text)")
                return .usage
            }
            do throws(FileError) {
                let language = arguments[language] ?? "swift"
                let folder = try findSDK(arguments[sdk], language: language)
                if names.isTaken(sdk: folder) {
                    terminal.say("weir plugins new: \(names.transform) is a name of the SDK itself: choose another")
                    return .usage
                }
                let destination = arguments[into] ?? name
                try make(names, language: language, sdk: folder, destination: destination, terminal)
                return .done
            } catch {
                terminal.say("weir plugins new: \(error.text)")
                return error.exitCode
            }
        })

    private static func make(
        _ names: PluginNames, language: String, sdk: String, destination: String, _ terminal: borrowing Terminal
    ) throws(FileError) {
        var copy = TemplateCopy(words: names.words(sdk: sdk))
        try copy.copy("\(sdk)/templates/\(language)", to: destination)
        terminal.output(destination + "\n")
        let library = "lib\(names.package).so"
        let build = language == "c" ? ("make", library) : ("swift build -c release", ".build/release/\(library)")
        terminal.sayText(
            """
            Made \(destination): the transform \(names.transform), \(copy.writtenCount) files.
            Next:
              cd \(destination)
              \(build.0)
              \(language == "c" ? "make test" : "swift test")
              weir plugins info \(build.1)
            README.md there says what is where, and how to run it in a chain.

            """)
    }

    /// The SDK that was named, or the first one found.
    private static func findSDK(_ named: String?, language: String) throws(FileError) -> String {
        func isSDK(_ path: String) -> Bool {
            Files.kind(of: "\(path)/templates/\(language)") == .folder
                && Files.kind(of: "\(path)/CWeir/include/weir.h") == .file
        }
        if let named {
            guard isSDK(named), let path = Files.resolved(named) else {
                throw FileError(
                    "use", named, because: "it is no plugin-sdk with a template for \(language)", number: ENOENT)
            }
            // A Swift package that depends on it knows it by the folder's name.
            guard path.hasSuffix("/plugin-sdk") else {
                throw FileError("use", path, because: "the folder must be named plugin-sdk", number: ENOENT)
            }
            return path
        }
        for candidate in candidates() where isSDK(candidate) {
            if let path = Files.resolved(candidate) { return path }
        }
        throw FileError(
            "find", "plugin-sdk", because: "it is not beside the program or in /usr/share/weir; name it with --sdk",
            number: ENOENT)
    }

    private static func candidates() -> [String] {
        var candidates: [String] = []
        var folder = Files.programFolder() ?? ""
        while !folder.isEmpty {
            candidates.append(folder + "/plugin-sdk")
            guard let slash = folder.lastIndex(of: "/") else { break }
            folder = String(folder[..<slash])
        }
        return candidates + ["/usr/share/weir/plugin-sdk"]
    }
}

/// The forms of a plugin's name.
struct PluginNames {
    /// As given: "my-transform".
    let package: String
    /// "MyTransform": the transform in a topology and the Swift module.
    let transform: String

    /// nil when the text is no name.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count <= 64, text.first?.isLetter == true, parts.allSatisfy({ !$0.isEmpty }),
            text.utf8.allSatisfy({ $0.isPartOfName })
        else { return nil }
        package = text
        transform = parts.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// Whether the transform's module or class would have a name that its own code needs for something else.
    func isTaken(sdk: String) -> Bool {
        ["Swift", "Glibc", "Foundation", "Testing", "CWeir", "WeirPlugin", "WeirTesting"].contains(transform)
            || Files.kind(of: "\(sdk)/WeirPlugin/\(transform).swift") != nil
    }

    func words(sdk: String) -> [String: String] {
        ["NAME": package, "TRANSFORM": transform, "SDK": sdk]
    }
}

extension UInt8 {
    fileprivate var isPartOfName: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
