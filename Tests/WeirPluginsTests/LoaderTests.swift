// What loads, and every refusal in its words.

import CWeir
import Foundation
import Testing
import WeirConfig
import WeirPlugins

@Suite(.enabled(if: Compiler.isAvailable, "no C compiler on this machine"))
struct LoaderTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    private func load(_ path: String) -> Result<LoadedPlugin, PluginError> {
        PluginLoader.load(path, host: TestHost.table)
    }

    private func refusal(_ source: String, flags: [String] = []) throws -> PluginError? {
        // A name of its own each time: dlopen gives the old library for a path that it knows.
        load(try Compiler.library(source, "x\(UUID().uuidString)", in: folder, flags: flags)).error
    }

    @Test func `a good plugin loads with all it says of itself`() throws {
        let note = #"__attribute__((section(".note.weir"), used)) static const char note[] = "weir 1.0 tiny 0.9.0\n";"#
        let path = try Compiler.library(
            Source.plugin(
                schema: #"{"properties":{"ttl":{"x-unit":"duration"}}}"#, requires: "weir.metrics/1", before: note),
            "good", in: folder)
        let plugin = try load(path).get()
        #expect(plugin.name == "tiny")
        #expect(plugin.version == "0.9.0")
        #expect(plugin.builtWith == "C")
        #expect(plugin.file.note == PluginFile.inspectedNote(path))
        #expect(plugin.file.note?.name == "tiny")
        #expect(plugin.file.note?.abiMajor == 1)
        let transform = try #require(plugin.transforms.first)
        #expect(transform.description.id == "Tiny")
        #expect(transform.description.version == "1.2.3")
        #expect(transform.description.summary == "does nothing")
        #expect(transform.description.accepts == "*")
        #expect(transform.description.emits == "=")
        #expect(transform.description.pluginName == "tiny")
        #expect(String(cString: transform.table.pointee.id) == "Tiny")
    }

    @Test func `texts that the plugin leaves NULL are empty, where that means something`() throws {
        let source = Source.plugin(transform: ".config_schema = 0, .requires_ext = 0, .summary = 0,")
        let plugin = try load(try Compiler.library(source, "x", in: folder, flags: ["-w"])).get()
        #expect(plugin.transforms[0].description.schemaText == "")
        #expect(plugin.transforms[0].description.summary == "")
    }

    @Test func `a file that is not there is refused`() {
        let error = load("\(folder.path)/none.so").error
        #expect(error?.code == .pluginNotFound)
        #expect(error?.message == "it cannot be opened: No such file or directory")
    }

    @Test func `a folder, an empty file and a text are refused before anything runs`() throws {
        #expect(load(folder.path).error?.message == "it is not a regular file")
        let empty = load(try folder.write("empty.so", "")).error
        #expect(empty?.code == .pluginNotElf)
        #expect(empty?.message == "it is not an ELF file: the file has 0 bytes")
        let text = load(try folder.write("text.so", "<html>404 not found</html>\n")).error
        #expect(text?.message == "it is not an ELF file: it is a text file")
        let junk = load(try folder.write("junk.so", Data([0, 1, 2, 3, 200, 201]))).error
        #expect(junk?.message == "it is not an ELF file: it does not begin as an ELF file does")
    }

    @Test func `another machine, word size or byte order is refused and both are named`() throws {
        let good = try Data(contentsOf: URL(fileURLWithPath: try Compiler.library(Source.plugin(), "g", in: folder)))
        func changed(_ at: Int, _ value: UInt8) throws -> PluginError? {
            var data = good
            data[at] = value
            return load(try folder.write("changed.so", data)).error
        }
        let machine = try changed(18, 243)
        #expect(machine?.code == .pluginWrongMachine)
        #expect(machine?.message.hasPrefix("it was built for RISC-V; this machine is ") == true)
        #expect(try changed(4, 1)?.message.hasPrefix("it is a 32-bit file for ") == true)
        #expect(try changed(5, 2)?.message.hasPrefix("it is big-endian; this machine is ") == true)
    }

    @Test func `an object file is refused as one`() throws {
        let source = try folder.write("o.c", Source.plugin())
        try Compiler.run(["-c", "-fPIC", "-I", Compiler.include, "-o", "\(folder.path)/o.so", source])
        let error = load("\(folder.path)/o.so").error
        #expect(error?.code == .pluginNotLibrary)
        #expect(error?.message == "it is an object file (.o), not a shared library")
    }

    @Test func `a library without the entry point is refused before its constructors run`() throws {
        let mark = "\(folder.path)/ran"
        let source = """
            #include <fcntl.h>
            __attribute__((constructor)) static void run(void) { open("\(mark)", O_CREAT | O_WRONLY, 0644); }
            static int weir_plugin_v1(void) { return 0; }
            int other(void) { return weir_plugin_v1(); }
            """
        let error = try refusal(source)
        #expect(error?.code == .pluginNoEntry)
        #expect(error?.message == "it does not export weir_plugin_v1, the entry point of the plugin ABI 1.x")
        #expect(!FileManager.default.fileExists(atPath: mark))
    }

    @Test func `a plugin of another major version is refused by its entry point or its note`() throws {
        let entry = try refusal("int weir_plugin_v2(void) { return 0; }")
        #expect(entry?.code == .pluginNewerABI)
        #expect(entry?.message == "it exports weir_plugin_v2, this host calls weir_plugin_v1")
        let note = #"__attribute__((section(".note.weir"), used)) static const char note[] = "weir 2.3 acme 4.0\n";"#
        #expect(
            try refusal(Source.plugin(before: note))?.message
                == "acme 4.0 was built for the plugin ABI 2.3; this host has 1.x")
    }

    @Test func `a newer minor version is refused and both are named`() throws {
        let error = try refusal(Source.plugin(name: "acme", plugin: ".abi_minor = 4, .abi_minor_min = 3"))
        #expect(error?.code == .pluginNewerABI)
        #expect(error?.message == "acme 0.9.0 (built with C) needs the plugin ABI 1.3 or newer, this host has 1.0")
    }

    @Test func `a plugin built with a newer minor that can do without it loads`() throws {
        let path = try Compiler.library(Source.plugin(plugin: ".abi_minor = 4, .abi_minor_min = 0"), "x", in: folder)
        #expect(try load(path).get().abiMinor == 4)
    }

    @Test func `a missing extension is refused by name`() throws {
        let error = try refusal(Source.plugin(requires: "weir.metrics/1 com.acme.thing/2"))
        #expect(error?.code == .pluginMissingExtension)
        #expect(
            error?.message == "'Tiny' of tiny 0.9.0 needs the extension com.acme.thing/2, which this host "
                + "(Weir, plugin ABI 1.0) does not offer")
    }

    @Test func `broken tables are refused, whatever is wrong with them`() throws {
        func message(_ source: String) throws -> String {
            let error = try refusal(source, flags: ["-w"])
            #expect(error?.code == .pluginBadTable)
            return (error?.message ?? "").replacing("its tables are broken: ", with: "")
        }
        #expect(try message(Source.plugin(plugin: ".size = 8")).hasPrefix("weir_plugin.size is 8, at least "))
        #expect(try message(Source.plugin(transform: ".size = 16")).contains("weir_transform.size is 16, at least "))
        #expect(try message(Source.plugin(plugin: ".name = 0")) == "weir_plugin.name is NULL")
        #expect(try message(Source.plugin(name: "two words")) == "its name 'two words' is empty or not a single word")
        #expect(
            try message(Source.plugin(id: "")) == "the id of transform 1 of tiny is empty or not a single word")
        #expect(try message(Source.plugin(transform: ".id = 0,")) == "id of transform 1 is NULL")
        #expect(try message(Source.plugin(transform: ".accepts = \" \",")) == "'Tiny' accepts no protocol")
        #expect(try message(Source.plugin(plugin: ".transforms = 0")) == "tiny 0.9.0: transform 1 of 1 is NULL")
        #expect(try message(Source.plugin(count: 5000)) == "tiny 0.9.0 claims 5000 transforms")
        #expect(
            try message(Source.plugin(transform: ".version = \"\\xff\","))
                == "version of 'Tiny' is not text in UTF-8 of at most 1 MiB")
    }

    @Test func `a broken schema is refused and the place in it is told`() throws {
        let error = try refusal(Source.plugin(schema: #"{"properties":{"a":{"type":"strnig"}}}"#))
        #expect(error?.code == .pluginBadSchema)
        #expect(
            error?.message == "the option schema of 'Tiny' (tiny 0.9.0) is broken: at /properties/a/type: "
                + "'strnig' is not a type; did you mean 'string'?")
        #expect(try refusal(Source.plugin(schema: "{\"properties\":"))?.code == .pluginBadSchema)
    }

    @Test func `an entry point that returns nothing declines`() throws {
        let error = try refusal(Source.plugin(entry: "return 0;"))
        #expect(error?.code == .pluginDeclined)
    }

    @Test func `one id twice in a plugin is refused`() throws {
        let error = try refusal(Source.plugin(count: 2))
        #expect(error?.code == .pluginDuplicateID)
        #expect(error?.message == "tiny 0.9.0 offers 'Tiny' twice")
    }

    @Test func `a missing library is named`() throws {
        let needed = try Compiler.library("int needed(void) { return 1; }", "libneeded", in: folder)
        let path = try Compiler.library(
            Source.plugin(before: "int needed(void);", entry: "needed(); return &plugin;"), "x", in: folder,
            flags: ["-L\(folder.path)", "-l:libneeded.so"])
        try FileManager.default.removeItem(atPath: needed)
        let error = load(path).error
        #expect(error?.code == .pluginLoadFailed)
        #expect(error?.message == "the library 'libneeded.so' that it needs was not found")
    }

    @Test func `an undefined symbol is named`() throws {
        let error = try refusal(Source.plugin(before: "int nowhere(void);", entry: "nowhere(); return &plugin;"))
        #expect(error?.code == .pluginLoadFailed)
        #expect(error?.message == "it uses 'nowhere', which neither it nor a library that it needs defines")
    }

    @Test func `a newer C library is named before anything runs`() throws {
        // A stand-in for a libc of the future, with a symbol of version GLIBC_2.99.
        let map = try folder.write("libc.map", "GLIBC_2.99 { global: future; };")
        let stub = try folder.write("libc.c", "int future(void) { return 1; }")
        try Compiler.run([
            "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", "-Wl,--version-script=\(map)", "-o",
            "\(folder.path)/libc-future.so", stub,
        ])
        let path = try Compiler.library(
            Source.plugin(before: "int future(void);", entry: "future(); return &plugin;"), "x", in: folder,
            flags: ["-nostdlib", "-L\(folder.path)", "-l:libc-future.so"])
        let error = load(path).error
        #expect(error?.code == .pluginNeedsNewerLibc)
        #expect(error?.message.hasPrefix("it needs GLIBC 2.99, this machine has 2.") == true)
    }

    @Test func `a file that everybody may write to, or replace, is refused`() throws {
        let path = try Compiler.library(Source.plugin(), "x", in: folder)
        chmod(path, 0o757)
        let file = load(path).error
        #expect(file?.code == .pluginUnsafeFile)
        #expect(file?.message == "every user of this machine may write to it")
        chmod(path, 0o755)
        chmod(folder.path, 0o777)
        #expect(load(path).error?.message == "every user of this machine may replace files in '\(folder.path)'")
        chmod(folder.path, 0o755)
        #expect(load(path).error == nil)
    }

    @Test func `a symbolic link that everybody may replace is refused`() throws {
        let path = try Compiler.library(Source.plugin(), "x", in: folder)
        let open = try Folder()
        let link = "\(open.path)/link.so"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        chmod(open.path, 0o777)
        #expect(load(link).error?.code == .pluginUnsafeFile)
        chmod(open.path, 0o755)
        #expect(load(link).error == nil)
    }

    @Test func `a library cut off anywhere is refused or loads, but harms nothing`() throws {
        let good = try Data(contentsOf: URL(fileURLWithPath: try Compiler.library(Source.plugin(), "g", in: folder)))
        for length in stride(from: 0, to: min(good.count, 20_000), by: 97) {
            let path = try folder.write("cut.so", good.prefix(length))
            #expect(PluginFile.inspect(path).error != nil)
        }
    }

    @Test func `a library with any byte of its tables wrong is inspected without harm`() throws {
        let good = try Data(contentsOf: URL(fileURLWithPath: try Compiler.library(Source.plugin(), "g", in: folder)))
        var seed = UInt64(20_261_121)
        for _ in 0..<300 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var data = good
            // The header, and the section table at the end.
            let at = seed % 2 == 0 ? Int(seed >> 33) % 64 : data.count - 1 - Int(seed >> 33) % min(data.count, 2048)
            data[at] = UInt8(truncatingIfNeeded: seed >> 20)
            _ = PluginFile.inspect(try folder.write("bent.so", data))
        }
    }
}

extension PluginFile {
    static func inspectedNote(_ path: String) -> PluginNote? { try? inspect(path).get().note }
}
