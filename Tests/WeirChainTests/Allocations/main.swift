// Counts what a worker allocates while messages pass through it. It is run by a test, with a library in front of malloc
// that counts per thread (`weir_allocation_count`); it prints how many allocations the worker's thread made for the
// given number of messages, after as many that were not counted.
//
//     weir-allocations pass|hooks MESSAGES

guard CommandLine.arguments.count == 3, let messageCount = Int(CommandLine.arguments[2]) else {
    fail("pass|hooks MESSAGES")
}
print(Measurement.run(hasHooks: CommandLine.arguments[1] == "hooks", messageCount))
