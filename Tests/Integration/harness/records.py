"""Reads audit logs, and puts a load on a gateway whose every call can be found there."""

import itertools
import json
import os
import threading
from collections import Counter, defaultdict

from .http import Connection, call

FORBIDDEN = """
version: v1
mode: enforce
rules:
  - {name: no-exec, match: {tools: ["exec_*"]}, action: deny}
  - {name: rest, match: {methods: ["*"]}, action: allow}
"""


def write_policy(directory, text=FORBIDDEN):
    """Writes a policy; returns the options that name it."""
    path = os.path.join(directory, "policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return ["--policy", path]


def log_of(gateway):
    return os.path.join(gateway.state_directory, "audit.jsonl")


def closed_files(gateway):
    """The files that rotation closed, the oldest first."""
    names = [name for name in os.listdir(gateway.state_directory)
             if name.startswith("audit.jsonl.") and name.rpartition(".")[2].isdigit()]
    return [os.path.join(gateway.state_directory, name)
            for name in sorted(names, key=lambda name: int(name.rpartition(".")[2]))]


def files_of(gateway):
    """All files of the log, the oldest first."""
    return closed_files(gateway) + [log_of(gateway)]


def records_of(gateway):
    """The whole lines of all files, in order, of one moment: a recorder at work renames and removes files."""
    while True:
        paths, found = files_of(gateway), []
        try:
            inodes = [os.stat(path).st_ino for path in paths]
            for path in paths:
                with open(path, "rb") as file:
                    found += [json.loads(line) for line in file.read().split(b"\n")[:-1]]
            if paths == files_of(gateway) and inodes == [os.stat(path).st_ino for path in paths]:
                return found
        except FileNotFoundError:
            if not os.path.exists(log_of(gateway)) and gateway.process.poll() is not None:
                raise


def public_key(gateway):
    """The file with the key of the checkpoints."""
    key = gateway.command_line("audit", "key", "--state-dir", gateway.state_directory).stdout
    path = os.path.join(gateway.directory, "key.pub")
    with open(path, "w", encoding="ascii") as file:
        file.write(key)
    return path


def verify(gateway, *options, files=None):
    """The result of `mcpgw audit verify` for all files."""
    return gateway.command_line(
        "audit", "verify", *(files or files_of(gateway)), "--public-key", public_key(gateway), *options)


class Calls:
    """Calls tools from several connections until told to stop; every fifth one is of a tool that the policy forbids.
    `answered` has each id that got an answer, and whether that was the tool's result, a denial, or an error."""

    def __init__(self, name, connections=8):
        self.name, self.url = name, None
        self.answered = {}
        self.sent = set()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.numbers = itertools.count(1)
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]

    def start(self, url):
        self.url = url
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive(), "a call hangs"

    def _run(self):
        connection = None
        while not self.stopping.is_set():
            number = next(self.numbers)
            identifier = f"{self.name}-{number}"
            with self.lock:
                self.sent.add(identifier)
            try:
                connection = connection or Connection(self.url, timeout=30)
                tool = "exec_x" if number % 5 == 0 else "echo"
                reply = call(connection, tool, {"text": identifier}, identifier, "modern")
                message = reply.json()
                assert message.get("id") == identifier, message
                outcome = "result" if "result" in message else message["error"]["code"]
                if tool == "exec_x" and outcome in ("result", -32602, -31010):
                    outcome = "denied"
                with self.lock:
                    self.answered[identifier] = outcome
            except (OSError, ValueError, IndexError):
                if connection:
                    connection.close()
                connection = None
                # Nobody listens: not as fast as the machine can.
                self.stopping.wait(0.002)
        if connection:
            connection.close()

    def count(self):
        with self.lock:
            return len(self.answered)


def check_account(records, loads):
    """Every answered call is recorded once, request before response; what was forwarded ends exactly once."""
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1)), "numbers without gaps"
    ours = {load.name for load in loads}
    requests, ends = {}, defaultdict(list)
    identifiers = Counter()
    for record in records:
        request = record.get("request_id")
        if record["kind"] == "request" and str(record.get("id")).rpartition("-")[0] in ours:
            assert request not in requests, "two exchanges with one id of the gateway's"
            requests[request] = record
            identifiers[record["id"]] += 1
        elif record["kind"] in ("response", "aborted") and request in requests:
            ends[request].append(record)
        elif record["kind"] in ("response", "aborted"):
            raise AssertionError(f"an end without a request before it: {record}")
    twice = {name: count for name, count in identifiers.items() if count > 1}
    assert not twice, "recorded more than once"
    for request, record in requests.items():
        wanted = 0 if record["action"] == "block" else 1
        assert len(ends[request]) == wanted, (record, ends[request])
    by_id = {record["id"]: record for record in requests.values()}
    for load in loads:
        for identifier, outcome in load.answered.items():
            if outcome == "denied":
                assert by_id[identifier]["action"] == "block", identifier
            elif outcome == "result":
                record = by_id[identifier]
                assert record["action"] == "allow", record
                end, = ends[record["request_id"]]
                assert end["kind"] == "response" and end["seq"] > record["seq"], (record, end)
        assert {name for name in by_id if name.startswith(load.name + "-")} <= load.sent
    return Counter(record["kind"] for record in records)
