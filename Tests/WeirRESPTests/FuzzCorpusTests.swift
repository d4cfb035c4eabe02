import Foundation
import Testing
@testable import WeirRESP

@Suite struct FuzzCorpusTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fuzz/corpus/resp")

    @Test func `every input of the fuzzer's corpus still holds what must hold for any bytes`() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(names.count > 20)
        for name in names {
            let input = [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent(name)))
            #expect(input.withUnsafeBytes { FuzzChecks.run($0) } == nil, "\(name)")
        }
    }

    @Test func `known inputs hold what must hold for any bytes, however they are cut`() {
        let requests = RequestDecoderTests.inputs.map { (UInt8(0), $0) }
        let replies = ReplyDecoderTests.inputs.map { (UInt8(1), $0) }
        for (mode, input) in requests + replies {
            for seed in 0..<16 as Range<UInt8> {
                for limits in [mode, mode | 2] {
                    let problem = ([limits, seed] + bytes(input)).withUnsafeBytes { FuzzChecks.run($0) }
                    #expect(problem == nil, "\(input.debugDescription)")
                }
            }
        }
    }
}
