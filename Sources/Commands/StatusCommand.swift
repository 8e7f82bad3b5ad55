import ArgumentParser
import StrictJSON

/// `mcpgw status`: what a running daemon says of itself over its control socket.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the processes, routes and confinement of the running daemon.",
        discussion: "Exit status: 0 if the daemon is ready, 1 if it is not, 2 if it cannot be asked.")

    @Flag(help: "Print the daemon's answer as JSON.")
    var json = false

    @OptionGroup var control: ControlOptions

    func run() throws {
        let body: [UInt8]
        do throws(ControlError) {
            body = try ControlClient.get("/status", socket: control.socket)
        } catch {
            fail(error.message)
        }
        var tape = JSONTape()
        guard (try? JSONParser(limits: JSONLimits(), surrogates: .refuse).parse(body.span, into: &tape)) != nil else {
            fail("the daemon's answer cannot be read")
        }
        let status = StatusText(tape: tape, bytes: body)
        print(json ? String(decoding: body, as: UTF8.self) : status.text)
        if !status.isReady { throw ExitCode(1) }
    }
}
