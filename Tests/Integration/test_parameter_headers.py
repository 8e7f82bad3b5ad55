"""`Mcp-Param-*` of tools that the server has listed say what the body says, or the call is refused (MCP 2026-07-28, Streamable HTTP)."""

import base64
import json

import pytest

from harness.records import records_of
from harness.scripted import ScriptedUpstream
from test_policy import POLICY, Modern, streamed, with_policy  # noqa: F401 (a fixture)

SCHEMA = {"type": "object", "properties": {
    "region": {"type": "string", "x-mcp-header": "Region"}, "count": {"type": "integer", "x-mcp-header": "Count"},
    "dry": {"type": "boolean", "x-mcp-header": "Dry"}, "plain": {"type": "string"},
    "where": {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}}}}
TOOLS = [{"name": "move", "inputSchema": SCHEMA}, {"name": "free", "inputSchema": {"type": "object"}}]


def listing(answer):
    return answer.result({"tools": TOOLS, "resultType": "complete"})


@pytest.fixture(params=["json", "events"])
def upstream(request):
    wrap = streamed if request.param == "events" else lambda handler: handler
    with ScriptedUpstream({"tools/list": wrap(listing), "tools/call": lambda answer: answer.text("done")}, sessions=False) as server:
        yield server


def listed(reply):
    body = reply.body.split(b"data: ")[1].split(b"\n")[0] if b"data: " in reply.body else reply.body
    return json.loads(body)["result"]["tools"]


def encoded(text):
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def call(client, arguments, fields, tool="move"):
    params = {"name": tool} if arguments is None else {"name": tool, "arguments": arguments}
    return client.ask("tools/call", params, fields=[(f"Mcp-Param-{name}", value) for name, value in fields])


CASES = [
    ({"region": "north"}, [("Region", "north")], True), ({"region": "north"}, [("REGION", "north")], True),
    ({"region": "zu wést"}, [("Region", encoded("zu wést"))], True), ({"region": "a"}, [("Region", encoded("a"))], True),
    ({"region": "north"}, [("Region", "south")], False), ({"region": "north"}, [], False), ({"region": "north"}, [("Region", "North")], False),
    ({"region": "north"}, [("Region", encoded("south"))], False), ({"region": "north"}, [("Region", "north"), ("Region", "south")], False),
    ({}, [("Region", "north")], False), (None, [("Region", "north")], False), ({"region": None}, [("Region", "null")], False),
    ({}, [], True), (None, [], True), ({"region": None}, [], True),
    ({"count": 42}, [("Count", "42")], True), ({"count": 42.0}, [("Count", "42")], True), ({"count": 42}, [("Count", "42.0")], True),
    ({"count": 42}, [("Count", "43")], False), ({"count": 9007199254740993}, [("Count", "9007199254740992")], False),
    ({"count": 42}, [("Count", "0x2a")], False), ({"count": "42"}, [("Count", "42")], True),
    ({"dry": True}, [("Dry", "true")], True), ({"dry": True}, [("Dry", "True")], False), ({"dry": False}, [("Dry", "true")], False),
    ({"where": {"city": "Ulm"}}, [("City", "Ulm")], True), ({"where": {"city": "Ulm"}}, [("City", "Bonn")], False),
    ({"where": {"city": "Ulm"}}, [], False), ({"where": "Ulm"}, [], True), ({"region": ["north"]}, [("Region", "north")], False),
    ({"plain": "x"}, [("Plain", "y")], True), ({"plain": "x"}, [("Other", "y")], True),
]


@pytest.mark.parametrize("has_policy", [False, True])
def test_headers_of_listed_tools_say_what_the_body_says(make_gateway, with_policy, upstream, has_policy):
    allowing = POLICY.replace('methods: ["sampling/createMessage"]', 'methods: ["nothing"]')
    gateway = with_policy(upstream, allowing) if has_policy else make_gateway(upstream.url).start()
    client = Modern(gateway.url)
    # What is not known is not compared.
    assert b"done" in call(client, {"region": "north"}, [("Region", "south")]).body
    assert client.ask("tools/list").status == 200
    for arguments, fields, passes in CASES:
        before = len(upstream.of("tools/call"))
        reply = call(client, arguments, fields)
        assert (len(upstream.of("tools/call")) > before) == passes, (arguments, fields, reply.body)
        if not passes:
            assert reply.status == 400 and reply.json()["error"]["code"] == -32020, reply.body
    def refused():
        return [record["tool_name"] for record in records_of(gateway) if record.get("action") == "block"]
    count = sum(not passes for _, _, passes in CASES)
    # On disk before the client hears.
    assert refused() == ["move"] * count
    assert b"done" in call(client, {"region": "north"}, [("Region", "south")], "free").body


def test_a_server_that_changes_its_mind_is_believed(make_gateway, upstream, monkeypatch):
    client = Modern(make_gateway(upstream.url).start().url)
    assert client.ask("tools/list").status == 200
    assert call(client, {"region": "north"}, []).status == 400
    monkeypatch.setitem(TOOLS[0], "inputSchema", {"type": "object", "properties": {"region": {"type": "string"}}})
    assert client.ask("tools/list").status == 200
    assert call(client, {"region": "north"}, []).status == 200


def test_whoever_may_not_know_of_a_tool_does_not_learn_of_its_headers(with_policy, upstream):
    hidden = POLICY.replace('tools: ["exec_*"]', 'tools: ["exec_*", "move"]')
    client = Modern(with_policy(upstream, hidden).url)
    assert [tool["name"] for tool in listed(client.ask("tools/list"))] == ["free"]
    reply = call(client, {"region": "north"}, [("Region", "south")])
    assert reply.json()["error"]["code"] == -32602 and not upstream.of("tools/call"), reply.body
