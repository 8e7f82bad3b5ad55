"""Reloads: policies whose mixture would show, the files they stand in, and clients that ask all the while."""

import itertools
import os
import threading
from collections import Counter

from .gateway import NOBODY
from .http import Connection, call

POLICY = """version: v1
mode: enforce
rules:
  - name: no-{request}
    match: {{tools: ["*"], arguments: {{text: ["*{request}*"]}}}}
    action: deny
  - name: rest
    match: {{methods: ["*"]}}
    action: allow
response_patterns:
  - name: no-{reply}
    patterns: ["{reply}"]
"""
# Both keep "heads" and "tails" from passing, one in the request and the other in the reply, and the other way round: the request
# judged by one policy and the reply by the other, each of them would pass once.
GOOD = POLICY.format(request="heads", reply="tails"), POLICY.format(request="tails", reply="heads")
BROKEN = (
    "version: v1\nmode: enforce\nrules:\n\t- name: x\n",
    "version: v1\nmode: sometimes\nrules: []\n",
    "version: v1\nmode: enforce\nrules:\n  - name: x\n    action: destroy\n",
    "version: v1\nmode: enforce\nmode: audit\nrules: []\n",
    "",
)


class File:
    """A file of the gateway's user, which is always replaced as a whole."""

    def __init__(self, path, text):
        self.path = path
        self.write(text)

    def write(self, text, mode=0o600):
        with open(self.path + ".new", "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        if os.geteuid() == 0:
            os.chown(self.path + ".new", NOBODY, NOBODY)
        os.chmod(self.path + ".new", mode)
        os.rename(self.path + ".new", self.path)


def reload(gateway):
    return gateway.command_line("reload", "--runtime-dir", gateway.runtime_directory)


def pids(gateway):
    return {role: worker["pid"] for role, worker in gateway.workers().items()}


def asked(connection, text, number=1):
    reply = call(connection, "echo", {"text": text}, number, "modern")
    return reply.json()


def outcome(message):
    if "error" in message:
        return f"error {message['error']['code']}"
    return "denied" if message["result"].get("isError") else "passed"


class Questions:
    """Asks from several connections until told to stop, and counts what becomes of each text."""

    def __init__(self, url, connections=6):
        self.url, self.outcomes, self.lock, self.stopping = url, Counter(), threading.Lock(), threading.Event()
        self.numbers = itertools.count(1)
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def run(self):
        connection = None
        for number in self.numbers:
            if self.stopping.is_set() or number > 500_000:
                return
            text = ("heads", "tails", "fine")[number % 3]
            try:
                connection = connection or Connection(self.url)
                self.note(text, outcome(asked(connection, text, number)))
            except OSError as error:
                self.note(text, f"broken: {error}")
                connection = None

    def note(self, text, what):
        with self.lock:
            self.outcomes[text, what] += 1

    def total(self):
        with self.lock:
            return sum(self.outcomes.values())
