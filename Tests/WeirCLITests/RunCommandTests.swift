// `weir run`: what is asked of the host, and in which order flag, environment, file and default count.

import Testing
import WeirBase

@testable import WeirCLI

@Suite struct `weir run` {
    @Test func `a file alone asks for the defaults`() {
        let outcome = weir("run", "/dev/null")
        #expect(outcome.code == .done)
        #expect(outcome.requests == [RunRequest(topologyFile: "/dev/null", drainNanoseconds: 10_000_000_000)])
    }

    @Test func `every flag arrives, and so does its variable`() {
        let expected = RunRequest(
            topologyFile: "/dev/null", workerCount: 3, adminAddress: "127.0.0.1:9", drainNanoseconds: 250_000_000)
        let flags = weir("run", "-t", "/dev/null", "--workers", "3", "--admin=127.0.0.1:9", "--drain", "250ms")
        #expect(flags.requests == [expected])
        let variables = weir(
            "run",
            environment: [
                "WEIR_TOPOLOGY_FILE": "/dev/null", "WEIR_WORKERS": "3", "WEIR_ADMIN": "127.0.0.1:9",
                "WEIR_DRAIN": "250ms",
            ])
        #expect(variables.requests == [expected])
    }

    @Test func `Shotover's names are understood`() {
        let outcome = weir("run", "--topology-file", "/dev/null", "--core-threads", "2")
        #expect(outcome.requests.first?.workerCount == 2)
        #expect(weir("run", "-t/dev/null", environment: ["WEIR_CORE_THREADS": "5"]).requests.first?.workerCount == 5)
    }

    @Test(arguments: ["--stack-size", "--hotreload-socket", "--hotreload-gradual-shutdown-seconds"])
    func `a flag without a meaning here is refused with what to do instead`(flag: String) {
        let outcome = weir("run", "/dev/null", flag, "1")
        #expect(outcome.code == .usage)
        #expect(outcome.error.contains("weir run: \(flag): "))
        #expect(outcome.requests.isEmpty)
    }

    @Test func `a flag counts before the environment, and an empty variable as none`() {
        let both = weir("run", "/dev/null", "--workers", "2", environment: ["WEIR_WORKERS": "7"])
        #expect(both.requests.first?.workerCount == 2)
        #expect(weir("run", "/dev/null", environment: ["WEIR_WORKERS": ""]).requests.first?.workerCount == nil)
    }

    @Test func `a wrong variable is an error that names it`() {
        let outcome = weir("run", "/dev/null", environment: ["WEIR_WORKERS": "many"])
        #expect(outcome.code == .usage)
        #expect(outcome.error.contains("weir run: WEIR_WORKERS is a whole number"))
    }

    @Test func `the topology must be named, and once`() {
        #expect(weir("run").code == .usage)
        #expect(weir("run", "a.yaml", "-t", "b.yaml").code == .usage)
        let argument = weir("run", "/dev/null", environment: ["WEIR_TOPOLOGY_FILE": "b.yaml"])
        #expect(argument.requests.first?.topologyFile == "/dev/null")
    }

    @Test func `a topology that is not there is 66, and the host is not asked`() {
        let outcome = weir("run", "/nowhere/t.yaml")
        #expect(outcome.code == .noInput)
        #expect(outcome.error == "weir run: cannot read /nowhere/t.yaml: No such file or directory\n")
        #expect(outcome.requests.isEmpty)
    }

    @Test func `a config file fills in what nobody said before it`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let config = try folder.write(
            "config.yaml", "main_log_level: \"info, shotover=warn\"\nobservability_interface: \"127.0.0.1:9001\"\n")
        let plain = weir("run", "/dev/null", "-c", config)
        #expect(plain.requests.first?.adminAddress == "127.0.0.1:9001")
        #expect(plain.requests.first?.logLevel == .warn)
        let flag = weir("run", "/dev/null", "-c", config, "--admin", "127.0.0.1:7", "--log-level", "warn")
        #expect(flag.requests.first?.adminAddress == "127.0.0.1:7")
    }

    @Test func `a wrong config file is 78 with its place, a missing one 66`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let config = try folder.write(
            "config.yaml", "main_log_level: info\nobservability_interfaec: \"127.0.0.1:9001\"\n")
        let wrong = weir("run", "/dev/null", "-c", config)
        #expect(wrong.code == .configuration)
        #expect(wrong.error.contains("config.yaml:2:1: error[W0101]"))
        #expect(wrong.requests.isEmpty)
        #expect(weir("run", "/dev/null", "-c", folder.path + "/none").code == .noInput)
    }

    @Test func `the log level comes from the flag, WEIR_LOG_LEVEL or RUST_LOG, in this order`() {
        let rust = ["RUST_LOG": "info, shotover=warn"]
        #expect(weir("run", "/dev/null", environment: rust).requests.first?.logLevel == .warn)
        let both = rust.merging(["WEIR_LOG_LEVEL": "error"]) { $1 }
        #expect(weir("run", "/dev/null", environment: both).requests.first?.logLevel == .error)
        let all = weir("run", "/dev/null", "--log-level", "warn", environment: both)
        #expect(all.requests.first?.logLevel == .warn)
        #expect(weir("run", "/dev/null", environment: ["RUST_LOG": "tokio=info"]).requests.first?.logLevel == nil)
        #expect(weir("run", "/dev/null", environment: ["RUST_LOG": "loud"]).code == .usage)
    }
}
