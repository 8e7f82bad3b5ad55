import ArgumentParser
import Configuration

/// Where a running daemon is asked: the options of `mcpgw status`, `mcpgw reload` and the like.
struct ControlOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The configuration file that the daemon was started with (also MCPGW_CONFIG); only its runtime_dir is read.",
            valueName: "file"))
    var config: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The daemon's runtime directory; comes before that of the file (default: $XDG_RUNTIME_DIR/mcpgw).",
            valueName: "directory"))
    var runtimeDir: String?

    /// The control socket. Ends the program if the file does not say where it is.
    var socket: String {
        // Without a look at the file, which need not be readable then.
        if let named = OptionValue(runtimeDir, "--runtime-dir", "MCPGW_RUNTIME_DIR") {
            return named.text + "/control.sock"
        }
        do throws(ConfigurationError) {
            let loader = ConfigurationLoader(flags: [:], file: config, environment: Environment.all)
            return try loader.runtimeDirectory() + "/control.sock"
        } catch {
            fail(error.description)
        }
    }
}
