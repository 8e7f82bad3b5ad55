import Link
import PollLoop

/// Runs a role on a poll loop: for the workers that serve few descriptors and must pass or watch special ones.
public enum PollWorker {
    /// Reports ready and serves until the process ends. `make` builds the role inside the confined process.
    public static func run(
        _ outcome: Bootstrap.Outcome, _ make: (WorkerContext, PollLoop, Supervision) throws(LinkViolation) -> WorkerRole
    ) -> Never {
        let loop = PollLoop()
        let supervision = outcome.supervision
        let control = FrameConnection(loop: loop, descriptor: outcome.control)
        control.onFrame = { head, payload in supervision.receive(head, payload) }
        control.onClose = { _ in supervision.lost() }
        supervision.sendFrame = { type, payload in control.send(type, payload) }
        let role: WorkerRole
        do throws(LinkViolation) {
            role = try make(outcome.context, loop, supervision)
        } catch {
            outcome.context.log.error("this worker's configuration cannot be read (\(error.text)); exiting")
            supervision.fail()
        }
        supervision.role = role
        control.send(.ready, outcome.report)
        loop.run()
        withExtendedLifetime((role, control)) {}
        supervision.finish()
    }
}
