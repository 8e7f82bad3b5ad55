// swift-tools-version: 6.2
// mcpgw: the firewall between AI agents and MCP servers. Built by `contrib/build`, which passes the flag for the static standard library.
import PackageDescription

let swift: [SwiftSetting] = [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes")]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")

/// A library target of `Sources/`.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

/// The unit unitTests of one module, in `Tests/`.
func unitTests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: swift)
}

/// A program that only unitTests and benchmarks run.
func testProgram(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: swift)
}

let package = Package(
    name: "mcpgw",
    products: [.executable(name: "mcpgw", targets: ["mcpgw"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    ],
    targets: [
        // Kernel and libraries, behind small seams.
        .target(name: "CKernel"),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .target(name: "CSystemd"),
        .target(name: "CCrypto"),
        .target(name: "CYAML"),
        .target(name: "CUTF8Proc"),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        // Parsers and values: nothing but the standard library.
        library("Roles"),
        library("Link"),
        library("HTTP1"),
        library("StrictJSON"),
        library("SSE"),
        library("MCP", ["StrictJSON"]),
        // Policy: values without I/O.
        library("YAML", ["CYAML"]),
        library("NormalForms", ["CUTF8Proc"]),
        library("Policy", ["NormalForms", "YAML", "CRE2", "MCP", "StrictJSON", "Link"]),
        library("PolicyTools", ["Policy", "NormalForms", "YAML", "MCP", "StrictJSON"]),
        // Facilities.
        library("Segment", ["CKernel"]),
        library(
            "Records",
            ["Worker", "Segment", "Crypto", "Link", "StrictJSON", "Telemetry", "EpollLoop", "CKernel", nioCore]),
        library("AuditLog", ["Records", "Crypto", "StrictJSON"]),
        library("Crypto", ["CCrypto"]),
        library("Sessions", ["Crypto", "Segment", "Link", "CKernel"]),
        library("Sandbox", ["Roles", "CSandbox"]),
        .target(name: "CSandbox", dependencies: ["CSeccomp"]),
        library("Telemetry", ["Roles", "Segment", "Link"]),
        library("Configuration", ["Roles", "Link", "Policy", "NormalForms", "YAML", "Crypto"]),
        library("Identity", ["Configuration", "Link", "HTTP1", "Crypto"]),
        library("Systemd", ["CSystemd"]),
        library("Processes", ["CKernel"]),
        library("PollLoop", ["Link", "CKernel"]),
        library("EpollLoop", ["CKernel", nioCore]),
        library("Threads"),
        library(
            "Worker",
            [
                "Roles", "Link", "Segment", "Sandbox", "Telemetry", "Configuration", "PollLoop", "EpollLoop",
                "CKernel", nioCore,
            ]),
        // Roles.
        library(
            "Supervisor",
            [
                "Roles", "Link", "Segment", "Sandbox", "Telemetry", "Configuration", "Systemd", "PollLoop", "Processes",
                "Sessions", "Records", "Crypto", "CKernel",
            ]),
        library(
            "Ingress",
            [
                "Worker", "Records", "EpollLoop", "Policy", "NormalForms", "HTTP1", "MCP", "StrictJSON", "Sessions",
                "Crypto", "Identity", "CKernel", nioCore,
            ]),
        library(
            "Route",
            [
                "Worker", "Records", "Segment", "EpollLoop", "Threads", "Policy", "NormalForms", "HTTP1", "MCP",
                "StrictJSON", "SSE",
                "Sessions", "CKernel", nioCore,
            ]),
        library("Dialer", ["Worker", "Threads"]),
        library("Launcher", ["Worker"]),
        library(
            "Recorder",
            [
                "Worker", "Records", "AuditLog", "Segment", "Crypto", "StrictJSON", "Configuration", "Telemetry",
                "Threads", "CKernel",
            ]),
        library(
            "Console",
            [
                "Worker", "EpollLoop", "MCP", "HTTP1", "StrictJSON", "Sandbox", "Identity", "Crypto", "CKernel",
                "PollLoop", nioCore,
            ]),
        // The command line.
        library(
            "Commands",
            [
                "Supervisor", "Ingress", "Route", "Dialer", "Launcher", "Recorder", "Console", "Worker", "Sandbox",
                "StrictJSON", "HTTP1", "Crypto", "CKernel", "Processes", "Policy", "NormalForms", "YAML", "AuditLog",
                "Records", "Identity", "Sessions", "PolicyTools",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(name: "mcpgw", dependencies: ["Commands"], swiftSettings: swift),
        // Programs that tests and benchmarks run.
        .target(name: "CSandboxEscape", path: "Tests/CSandboxEscape"),
        testProgram("SandboxEscape", ["Sandbox", "Roles", "CSandboxEscape"]),
        testProgram(
            "FaultyGateway", ["Commands", "Worker", "EpollLoop", "Link", "PollLoop", "Segment", "CKernel", nioCore]),
        testProgram(
            "LinkBench",
            ["Worker", "Link", "Roles", "Telemetry", "PollLoop", "EpollLoop", "Processes", "CKernel", nioCore]),
        testProgram("PolicyBench", ["Policy", "NormalForms", "MCP", "StrictJSON", "Link"]),
        testProgram("RecordBench", ["Records", "AuditLog", "Segment", "Crypto", "Link"]),
        // Unit tests; Tests/Integration (Python) and Tests/Fuzz are run by contrib/check.
        unitTests("LinkTests", ["Link"]),
        unitTests("HTTP1Tests", ["HTTP1"]),
        .testTarget(
            name: "HTTP1Differential", dependencies: ["HTTP1", nioCore, nioHTTP1, nioEmbedded],
            path: "Tests/Differential/HTTP1", swiftSettings: swift),
        unitTests("StrictJSONTests", ["StrictJSON"]),
        unitTests("SSETests", ["SSE"]),
        unitTests("CryptoTests", ["Crypto", "CCrypto"]),
        unitTests("SessionsTests", ["Sessions", "Crypto", "Segment", "Link", "CKernel"]),
        unitTests("SandboxTests", ["Sandbox", "Roles"]),
        unitTests("NormalFormsTests", ["NormalForms"]),
        unitTests("PolicyTests", ["Policy", "YAML", "NormalForms", "MCP", "StrictJSON", "Link"]),
        unitTests("PolicyToolsTests", ["PolicyTools", "Policy", "NormalForms", "YAML"]),
        unitTests("SegmentTests", ["Segment", "CKernel"]),
        unitTests("RecordsTests", ["Records", "AuditLog", "Crypto", "Link", "StrictJSON"]),
        unitTests("PollLoopTests", ["PollLoop", "Link", "CKernel"]),
        unitTests("EpollLoopTests", ["EpollLoop", "CKernel", nioCore]),
        unitTests("ThreadsTests", ["Threads"]),
        unitTests("ConfigurationTests", ["Configuration", "Link", "Policy", "YAML"]),
        unitTests(
            "SupervisorTests",
            ["Supervisor", "Configuration", "Link", "Roles", "Sandbox", "CKernel", "Segment", "Sessions", "Crypto"]),
        unitTests("MCPTests", ["MCP", "StrictJSON"]),
        unitTests("WorkerTests", ["Worker", "Link"]),
        unitTests(
            "RouteTests",
            [
                "Route", "Worker", "Roles", "Link", "MCP", "Sessions", "Segment", "Configuration", "Telemetry",
                "PollLoop",
                "EpollLoop", "CKernel", nioCore,
            ]),
        unitTests("IdentityTests", ["Identity", "Configuration", "Link", "HTTP1", "Crypto"]),
        unitTests("IngressTests", ["Ingress", "HTTP1", "Link"]),
        unitTests("TelemetryTests", ["Telemetry", "Segment", "Link", "Roles"]),
    ],
    swiftLanguageModes: [.v6]
)
