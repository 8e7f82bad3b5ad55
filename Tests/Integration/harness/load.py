"""A bounded load: threads that call a tool over and over, and an account of every outcome."""

import itertools
import socket
import threading
from collections import Counter

from .eventually import eventually
from .http import Connection, call

# A reply that takes longer than this never comes: the outcome is a hang.
HANG = 30.0
MOST_CALLS = 200_000


class Load:
    """Calls `echo` from several connections until told to stop. Outcomes:

    `ok`; `error STATUS CODE`, a JSON-RPC error; `status N`, a reply without JSON; `reset`, the connection broke before
    the reply was whole; `refused`; `hang`; `wrong`, the reply to another call.
    """

    def __init__(self, url, connections=8, era="modern"):
        self.url, self.era = url, era
        self.outcomes = Counter()
        self.samples = {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.numbers = itertools.count(1)
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(HANG + 10)

    def count(self, outcome="ok"):
        with self.lock:
            return self.outcomes[outcome]

    def bad(self):
        """Every outcome that is not `ok`."""
        with self.lock:
            return {outcome: count for outcome, count in self.outcomes.items() if outcome != "ok"}

    def more_served(self, calls=50):
        """Waits until that many more calls have been answered well."""
        goal = self.count() + calls
        eventually(lambda: self.count() >= goal, lambda: f"{calls} more calls answered, outcomes {self.outcomes}")

    def _note(self, outcome, sample=None):
        with self.lock:
            self.outcomes[outcome] += 1
            self.samples.setdefault(outcome, sample)

    def _run(self):
        connection = None
        fresh = True
        for _ in range(MOST_CALLS):
            if self.stopping.is_set():
                break
            try:
                if connection is None:
                    connection, fresh = Connection(self.url, timeout=HANG), True
                outcome, sample, keep = self._call(connection)
            except ConnectionRefusedError:
                outcome, sample, keep = "refused", None, False
            except socket.timeout:
                outcome, sample, keep = "hang", None, False
            except OSError as error:
                # On a connection already used, the server may have closed it before this call was sent.
                outcome, sample, keep = "reset", f"{'fresh' if fresh else 'used'} connection: {error}", False
            self._note(outcome, sample)
            fresh = False
            if not keep and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _call(self, connection):
        number = next(self.numbers)
        reply = call(connection, "echo", {"text": str(number)}, number, self.era)
        keep = reply.headers.get("connection", "").lower() != "close"
        if not reply.headers.get("content-type", "").startswith(("application/json", "text/event-stream")):
            return f"status {reply.status}", reply.body[:200], keep
        message = reply.json()
        if "error" in message:
            return f"error {reply.status} {message['error']['code']}", message, keep
        if message.get("id") != number:
            return "wrong", message, keep
        return ("ok" if "result" in message else f"status {reply.status}"), message, keep
