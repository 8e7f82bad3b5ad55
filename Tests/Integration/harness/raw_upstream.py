"""An upstream that answers as a test says, byte for byte: what no MCP server would send, an attacker's does."""

import contextlib
import socket
import threading


class Request:
    """One request as it came."""

    def __init__(self, method, headers, body):
        self.method, self.headers, self.body = method, headers, body


class RawUpstream:
    """Serves each connection in a thread of its own. `answer(request, connection)` writes to the socket `connection` what it
    likes; the connection stays open if it returns true. Use it as a context manager: at the end every connection is cut."""

    def __init__(self, answer):
        self.answer = answer
        self.lock = threading.Lock()
        self.open = set()
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/mcp"
        self.acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        # Unlike close, this wakes the thread that waits.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        with self.lock:
            for connection in self.open:
                # The other side may have been faster.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(connection)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection):
        try:
            with connection.makefile("rb") as stream:
                while (request := read_request(stream)) and self.answer(request, connection):
                    pass
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
                connection.close()


def read_request(stream):
    """The next request; nothing if the peer has closed."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while (field := stream.readline().strip()):
        name, _, value = field.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Request(line.split(b" ")[0].decode(), headers, stream.read(int(headers.get("content-length", 0))))


def wait_for_close(connection):
    """Returns when the peer has closed its end."""
    while connection.recv(65536):
        pass
