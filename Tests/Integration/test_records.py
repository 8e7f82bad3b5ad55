"""The audit log: what the ingress refuses is recorded once and in order, whatever is killed; what was changed is found."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from harness.eventually import eventually
from harness.http import Connection, call

HEADERS = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]


def log_of(gateway):
    return os.path.join(gateway.state_directory, "audit.jsonl")


def read(gateway):
    """The whole lines of the log."""
    with open(log_of(gateway), "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def refuse(gateway, identifier, connection=None):
    """A message that is no JSON-RPC message, so that the ingress refuses it; it says its id."""
    body = json.dumps({"jsonrpc": "1.0", "id": identifier, "method": "x"}).encode()
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=HEADERS, body=body)
        return connection.receive()


def refusals(gateway):
    return [line["id"] for line in read(gateway) if line["kind"] == "refusal" and "id" in line]


def verify(gateway, *arguments):
    return subprocess.run(
        [gateway.binary, "audit", "verify", *arguments], capture_output=True, text=True, cwd="/",
        env={"PATH": os.environ["PATH"]}, check=False)


def test_a_refusal_is_one_line_of_json_with_what_was_refused(gateway):
    refuse(gateway, "one\nline \"quoted\" \u200b \u2028 \x01")
    eventually(lambda: refusals(gateway), "the refusal is in the log")
    line, = [line for line in read(gateway) if line["kind"] == "refusal"]
    assert line["id"] == "one\nline \"quoted\" \u200b \u2028 \x01"
    assert line["action"] == "block" and line["direction"] == "c2s" and line["auth"] == "anonymous"
    assert len(line["request_id"]) == 16 and line["seq"] >= 1 and len(line["prev"]) == 64 and ":" in line["src"]
