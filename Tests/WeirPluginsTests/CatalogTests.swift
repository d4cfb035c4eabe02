// Search order, what a catalog takes in, ids across plugins.

import CWeir
import Foundation
import Testing
import WeirConfig
import WeirPlugins

@Suite(.enabled(if: Compiler.isAvailable, "no C compiler on this machine"))
struct CatalogTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    private func search(_ paths: [String], variable: String? = nil, beside: String? = nil) -> PluginSearch {
        PluginSearch(
            paths: paths, environment: { $0 == "WEIR_PLUGIN_PATH" ? variable : nil }, executableFolder: beside,
            systemFolder: nil)
    }

    @Test func `a folder's plugins are all loaded, and each transform is found by its id`() throws {
        _ = try Compiler.library(Source.plugin(name: "a", id: "Aa"), "a", in: folder)
        _ = try Compiler.library(Source.plugin(name: "b", id: "Bb"), "b", in: folder)
        let (catalog, errors) = PluginCatalog.load(search([folder.path]), host: TestHost.table)
        #expect(errors.isEmpty)
        #expect(catalog.descriptions.map(\.id) == ["Aa", "Bb"])
        #expect(catalog.description(of: "Bb")?.pluginName == "b")
        #expect(catalog.table(of: "Aa").map { String(cString: $0.pointee.id) } == "Aa")
        #expect(catalog.table(of: "Cc") == nil)
    }

    @Test func `an id that another plugin offers is refused, naming both files`() throws {
        let first = try Compiler.library(Source.plugin(name: "a", id: "Same"), "a", in: folder)
        let second = try Compiler.library(Source.plugin(name: "b", id: "Same"), "b", in: folder)
        let (catalog, errors) = PluginCatalog.load(search([first, second]), host: TestHost.table)
        #expect(catalog.plugins.map(\.name) == ["a"])
        #expect(errors.map(\.code) == [.pluginDuplicateID])
        #expect(errors.first?.path == second)
        #expect(errors.first?.message == "'Same' of b 0.9.0 is already offered by a 0.9.0 (\(first))")
    }

    @Test func `one file under two paths is loaded once`() throws {
        let path = try Compiler.library(Source.plugin(), "a", in: folder)
        let link = "\(folder.path)/link.so"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        let (catalog, errors) = PluginCatalog.load(search([path, link]), host: TestHost.table)
        #expect(errors.isEmpty)
        #expect(catalog.plugins.count == 1)
    }

    @Test func `what the topology names comes first, then the variable, then the executable's folder`() throws {
        let other = try Folder()
        let third = try Folder()
        for place in [folder, other, third] { _ = try place.write("same.so", "x") }
        _ = try third.write("own.so", "x")
        let found = search([folder.path], variable: other.path, beside: third.path).find()
        #expect(found.candidates.map(\.path) == ["\(folder.path)/same.so", "\(third.path)/own.so"])
        #expect(found.candidates.map(\.isCertain) == [true, false])
    }

    @Test func `a named path that is not there is told`() {
        let (_, errors) = PluginCatalog.load(search(["/nowhere/x.so"], variable: "/nowhere/y"), host: TestHost.table)
        #expect(errors.map(\.path) == ["/nowhere/x.so", "/nowhere/y"])
        #expect(errors.map(\.code) == [.pluginNotFound, .pluginNotFound])
    }

    @Test func `a library beside the executable that is no plugin is passed over`() throws {
        _ = try Compiler.library("int other(void) { return 0; }", "other", in: folder)
        _ = try Compiler.library(Source.plugin(), "tiny", in: folder)
        let (catalog, errors) = PluginCatalog.load(search([], beside: folder.path), host: TestHost.table)
        #expect(errors.isEmpty)
        #expect(catalog.descriptions.map(\.id) == ["Tiny"])
    }

    @Test func `the executable's own folder is known`() {
        #expect(PluginSearch.folderOfExecutable()?.hasPrefix("/") == true)
    }
}
