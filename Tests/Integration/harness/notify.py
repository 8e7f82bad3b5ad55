"""The systemd side of `sd_notify`: a real datagram socket."""

import array
import os
import select
import socket
import threading

from .eventually import DEADLINE


class NotifySocket:
    """Receives what a service tells its manager, as it comes. `receive` gives every `NAME=VALUE` in the order of arrival.

    A thread reads, as systemd does: the kernel keeps only some ten datagrams, and then the sender waits. `reading=False`
    is a manager that has stopped.
    """

    def __init__(self, path, reading=True):
        self.path = str(path)
        self.messages = []
        self.news = threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.closing, self.close_end = os.pipe()
        self.thread = None
        if reading:
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()

    def _read(self):
        while True:
            ready, _, _ = select.select([self.socket, self.closing], [], [])
            if self.closing in ready:
                return
            with self.news:
                self._take_all()
                self.news.notify_all()

    def _take_all(self):
        """Everything that has arrived."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    # BARRIER=1 brings a descriptor, and the sender waits until it is closed.
                    passed = array.array("i")
                    passed.frombytes(content[:len(content) // 4 * 4])
                    for descriptor in passed:
                        os.close(descriptor)
            self.messages += data.decode().splitlines()

    def receive(self):
        """All messages so far, with what the kernel has and the thread has not read yet."""
        with self.news:
            if self.thread:
                self._take_all()
            return list(self.messages)

    def wait_for(self, message, deadline=DEADLINE):
        with self.news:
            came = self.news.wait_for(lambda: message in self.messages, deadline)
        assert came, f"not within {deadline:g} s: {message}; came: {self.messages}"

    def close(self):
        os.close(self.close_end)
        if self.thread:
            self.thread.join()
            self.thread = None
        os.close(self.closing)
        self.socket.close()
