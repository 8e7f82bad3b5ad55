"""Gateways in front of several servers, and what the tests of routing have in common."""

import json
import os
import signal

from .clients import TYPES
from .eventually import eventually
from .http import MODERN, Connection
from .scripted import ScriptedUpstream

UNKNOWN, UNAVAILABLE = -32602, -31013


def tool(name, **members):
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object"}} | members


def listing(*names):
    """A handler of `tools/list` that answers with these tools on one page."""
    return lambda answer: answer.result({"tools": [tool(name) for name in names]})


class Served(ScriptedUpstream):
    """An upstream with some tools; a call answers with the upstream's name and the tool's."""

    def __init__(self, name, *tools, handlers=None, **options):
        super().__init__({"tools/list": listing(*tools), "tools/call": self.called} | (handlers or {}), **options)
        self.name, self.is_dead = name, False

    def die(self):
        """Takes no connection any more, and cuts those there are."""
        self.released.set()
        self.server.__exit__()
        self.is_dead = True

    def __exit__(self, *details):
        if not self.is_dead:
            super().__exit__(*details)

    def called(self, answer):
        return answer.text(f"{self.name}:{answer.params['name']}")

    def called_tools(self):
        return [answer.params["name"] for answer in self.of("tools/call")]


def options_of(*routes):
    """The options for routes, each its name, its globs and its URL."""
    return ["--routing-routes", json.dumps(
        [{"name": name, "match_tools": globs, "upstream": url} for name, globs, url in routes])]


def route_worker(gateway, name, status=None):
    return next(worker for worker in (status or gateway.status())["workers"]
                if worker["role"] == "route" and worker["name"] == name)


def kill_route(gateway, name):
    """Kills the worker of a route, and waits for its successor."""
    pid = route_worker(gateway, name)["pid"]
    os.kill(pid, signal.SIGKILL)

    def succeeded():
        status = gateway.all_running()
        return status and route_worker(gateway, name, status)["pid"] != pid
    eventually(succeeded, f"the worker of {name} runs again")


def modern_request(method, params=None, identifier=1, fields=()):
    """Headers and body of a request of the modern era."""
    params = dict(params or {})
    params["_meta"] = {
        "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}} | params.get("_meta", {})
    headers = [*TYPES, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), *fields]
    if "name" in params and params["name"].isascii():
        headers.append(("Mcp-Name", params["name"]))
    return headers, json.dumps({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}).encode()


def ask_modern(url, method, params=None, identifier=1, fields=()):
    headers, body = modern_request(method, params, identifier, fields)
    with Connection(url) as connection:
        connection.send("POST", headers=headers, body=body)
        return connection.receive()


def request(method, params=None, identifier=1):
    return {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params or {}}


def names(reply):
    """The tools of a list, in order."""
    assert reply.status == 200, (reply.status, reply.body)
    return [one["name"] for one in reply.json()["result"]["tools"]]


def text(reply):
    """The text that a tool answered with."""
    return reply.json()["result"]["content"][0]["text"]


def code(reply):
    return reply.json()["error"]["code"]
