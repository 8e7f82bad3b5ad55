"""Static keys: what a configuration file says of them, and what clients show."""

import hashlib
import os

from .clients import Client
from .gateway import NOBODY
from .http import Connection

ALICE, BOB = "mcpgw_alice-0123456789abcdef", "mcpgw_bob-0123456789abcdef"


def shown(key):
    return [("X-API-Key", key)]


def entry(name, key, **more):
    """One of `auth.api_keys`."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    lines = [f'    - name: "{name}"', f'      hash: "sha256:{digest}"']
    return "\n".join(lines + [f"      {member}: {value}" for member, value in more.items()])


def configuration(directory, entries=(), rate=None, label_claims=(), name="mcpgw.yaml"):
    """Writes a configuration with keys and a limit `(requests a second, burst)`; returns the options that name it."""
    lines = []
    if entries:
        lines += ["auth:", "  api_keys:", *entries]
    if rate:
        lines += ["rate_limit:", f"  requests_per_second: {rate[0]}", f"  burst: {rate[1]}"]
    if label_claims:
        lines += ["audit:", f"  label_claims: [{', '.join(label_claims)}]"]
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(path, 0o600)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    return ["--config", path]


class KeyedClient(Client):
    """A client that shows a key with every request."""

    def __init__(self, url, key, **settings):
        self.key = key
        super().__init__(url, **settings)

    def start(self, message, fields=None, timeout=20.0):
        given = self.fields() if fields is None else list(fields)
        named = {name.lower() for name, _ in given}
        return super().start(message, given if "x-api-key" in named else given + shown(self.key), timeout)

    def fields(self, session=None):
        return super().fields(session) + shown(self.key)

    def resume(self, last):
        """The stream of server messages from an event on, as a connection."""
        connection = Connection(self.url)
        connection.send("GET", headers=[*self.fields(), ("Last-Event-ID", last)])
        return connection
