"""The systemd side of `sd_notify`: a real datagram socket."""

import array
import os
import socket

from .eventually import eventually


class NotifySocket:
    """Receives what a service tells its manager. `messages` keeps every `NAME=VALUE` in the order of arrival."""

    def __init__(self, path):
        self.path = str(path)
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)

    def receive(self):
        """Takes in what has arrived, and returns all messages so far."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
            except BlockingIOError:
                return self.messages
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    # BARRIER=1 brings a descriptor, and the sender waits until it is closed.
                    passed = array.array("i")
                    passed.frombytes(content[:len(content) // 4 * 4])
                    for descriptor in passed:
                        os.close(descriptor)
            self.messages += data.decode().splitlines()

    def wait_for(self, message, **options):
        eventually(lambda: message in self.receive(), lambda: f"{message} in {self.messages}", **options)

    def close(self):
        self.socket.close()
