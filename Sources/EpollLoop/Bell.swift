import CKernel
import Glibc

/// Wakes a loop from another thread.
public final class Bell: Sendable {
    fileprivate let descriptor: Int32

    /// Nil: there is no descriptor left for it.
    public init?() {
        descriptor = ck_event_descriptor()
        guard descriptor >= 0 else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Makes the loop call who listens, soon and at least once more. On any thread.
    public func ring() {
        var one: UInt64 = 1
        // The only failure is a counter that is full, and then the bell rings already.
        _ = unsafe write(descriptor, &one, 8)
    }
}

/// One who hears a bell.
private final class BellListener: LoopMember {
    private let bell: Bell
    private let heard: () -> Void

    init(_ loop: EpollLoop, _ bell: Bell, _ heard: @escaping () -> Void) {
        self.bell = bell
        self.heard = heard
        super.init(loop, bell.descriptor, ownsDescriptor: false)
    }

    override func ready(_ events: UInt32) {
        var rings: UInt64 = 0
        _ = unsafe read(bell.descriptor, &rings, 8)
        heard()
    }
}

extension EpollLoop {
    /// Calls back on the loop after each time the bell was rung; several rings may be answered at once. False: the kernel refuses.
    public func listen(to bell: Bell, _ heard: @escaping () -> Void) -> Bool {
        BellListener(self, bell, heard).register(Readiness.read)
    }
}
