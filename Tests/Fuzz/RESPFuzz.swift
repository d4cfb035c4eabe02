// The entry of libFuzzer for the RESP codec; run.sh builds it into one module with the codec and FuzzChecks.swift.

@c(LLVMFuzzerTestOneInput)
public func fuzzRESP(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let problem = FuzzChecks.run(UnsafeRawBufferPointer(start: data, count: count)) { fatalError(problem) }
    return 0
}
