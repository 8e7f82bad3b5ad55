import ArgumentParser
import Glibc
import StrictJSON

/// `mcpgw reload`: has a running daemon read its configuration anew.
struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have the running daemon read its configuration anew.",
        discussion: """
            The daemon reads the files and variables that it was started with. It checks everything before it changes anything: all \
            its workers switch, or none. Requests in flight end under the configuration that admitted them. kill -HUP does the same \
            and tells the log.

            Exit status: 0 if the new configuration serves, 1 if the old one stays (and why), 2 if the daemon cannot be asked.
            """)

    @OptionGroup var control: ControlOptions

    func run() throws {
        let body: [UInt8]
        do throws(ControlError) {
            body = try ControlClient.ask("POST /reload", socket: control.socket, seconds: 120)
        } catch {
            fail(error.message)
        }
        var tape = JSONTape()
        guard (try? JSONParser(limits: JSONLimits(), surrogates: .refuse).parse(body.span, into: &tape)) != nil,
            let done = tape.member(named: "done", of: .root, in: body.span),
            let number = tape.member(named: "generation", of: .root, in: body.span),
            let generation = tape.integer(number, in: body.span),
            let message = tape.member(named: "text", of: .root, in: body.span),
            let text = tape.string(message, in: body.span)
        else { fail("the daemon's answer cannot be read") }
        if let warnings = tape.member(named: "warnings", of: .root, in: body.span), tape.kind(warnings) == .array {
            for warning in tape.elements(of: warnings) {
                print("warning: \(plain(tape.string(warning, in: body.span) ?? ""))")
            }
        }
        guard tape.kind(done) == .true else {
            print("not reloaded, generation \(generation) stays: \(plain(text))")
            throw ExitCode(1)
        }
        print("generation \(generation): \(plain(text))")
    }

    /// Text of the daemon, without anything that a terminal would obey.
    private func plain(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }))
    }
}
