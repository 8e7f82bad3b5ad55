"""What a server says is decided about wherever it stands: requests in answers, text in JSON in text, extra members, event names, open streams."""

import base64
import json
import os
import threading

import pytest

from harness.clients import Client, Stream
from harness.eventually import eventually
from harness.http import Connection
from harness.keys import ALICE, BOB, configuration, entry
from harness.records import records_of
from harness.scripted import ScriptedUpstream
from test_policy import KEY, POLICY, Modern, denial, modern_request, with_policy  # noqa: F401 (a fixture)

SAMPLING = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5}}
ASKING = {"method": "elicitation/create", "params": {"mode": "form", "message": "who?", "requestedSchema": {"type": "object"}}}


def answering(result, events=False):
    """An upstream whose every call of a tool has this result."""
    def answer(request):
        if not events:
            return request.result(result)
        request.begin_events()
        return request.last_event(result)
    return ScriptedUpstream({"tools/call": answer, "tasks/get": answer}, sessions=False)


def asked(requests, **more):
    return {"resultType": "input_required", "inputRequests": requests, "requestState": "s", **more}


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("result, passes", [
    (asked({"x": ASKING}), True),
    (asked({}), True),
    (asked(None), True),
    (asked({"x": SAMPLING}), False),
    (asked({"a": ASKING, "x": SAMPLING}), False),
    (asked({"x": {"method": "sampling\u2044createMessage"}}), True),
    (asked({"x": {"method": "Sampling/CreateMessage", "params": {}}}), False),
    (asked({"x": {"params": {}}}), False),
    (asked({"x": {**ASKING, "Method": "sampling/createMessage"}}), False),
    (asked([SAMPLING]), False),
    ({"resultType": "input_required", "InputRequests": {"x": SAMPLING}}, False),
    ({"resultType": "complete", "status": "input_required", "inputRequests": {"x": SAMPLING}}, False),
    ({"resultType": "complete", "status": "completed", "result": asked({"x": SAMPLING})}, False),
])
def test_what_a_server_asks_in_an_answer_is_decided_about(with_policy, result, passes, events):
    with answering(result, events) as upstream:
        reply = Modern(with_policy(upstream).url).ask("tools/call", {"name": "echo", "arguments": {}})
    message = reply.json() if "json" in reply.headers["content-type"] else json.loads(reply.body.split(b"data: ")[1].split(b"\n")[0])
    assert ("inputRequests" in json.dumps(message).replace("InputRequests", "inputRequests")) == passes, message
    assert (message["result"] == result) == passes


def test_what_a_server_asks_in_a_notification_is_decided_about(with_policy):
    def answer(request):
        request.begin_events()
        for requests in ({"x": SAMPLING}, {"x": ASKING}):
            request.event({"jsonrpc": "2.0", "method": "notifications/tasks", "params": {"taskId": "t", "inputRequests": requests}})
        return request.last_event({"content": []})
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        reply = Modern(with_policy(upstream).url).ask("tools/call", {"name": "echo", "arguments": {}})
    assert b"elicitation/create" in reply.body and b"sampling" not in reply.body


def packed(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


PEM = "-----BEGIN KEY-----\nMIIE"
PATTERNS = POLICY.replace("patterns: [", 'patterns: ["-----BEGIN KEY-----\\\\s+MIIE", "機密", ')


@pytest.mark.parametrize("result", [
    packed(PEM), packed({"pem": PEM}), packed([[{"a": PEM}]]), packed({"title": "機密 x"}), packed({"inner": json.dumps({"pem": PEM})}),
    packed("{'pem': '-----BEGIN KEY-----\\nMIIE'}"),
    {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": base64.b64encode(f"x {KEY} y".encode()).decode()}}]},
    {"content": [{"type": "image", "mimeType": "image/png", "data": base64.b64encode(KEY.encode()).decode()}]},
    {"content": [{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}]},
    {"content": [{"type": "text", "text": "-----BEGIN KEY-----"}, {"type": "text", "text": "MIIE"}]},
    {"content": [], "structuredContent": {"a": [{"b": KEY}]}}, {"content": [], KEY: 1}, {"content": [], "_meta": {"x": KEY}},
], ids=str)
def test_what_no_answer_may_hold_is_found_wherever_it_stands(with_policy, result):
    with answering(result) as upstream:
        reply = Modern(with_policy(upstream, PATTERNS).url).ask("tools/call", {"name": "echo", "arguments": {}})
    assert KEY.encode() not in reply.body and b"MIIE" not in reply.body
    denial(reply)


@pytest.mark.parametrize("result", [
    packed({"a": [1, True, None, {"b": "{not json"}]}), packed("[1, 2"), packed(""), packed("\\{"), {"content": []},
    {"content": [{"type": "text", "text": "AKIA"}, {"type": "image", "data": "AAAA", "mimeType": "image/png"}]},
    {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": base64.b64encode(bytes(range(256))).decode()}}]},
], ids=str)
def test_what_holds_none_of_it_passes_as_it_is(with_policy, result):
    with answering(result) as upstream:
        reply = Modern(with_policy(upstream, PATTERNS).url).ask("tools/call", {"name": "echo", "arguments": {}})
    assert reply.json()["result"] == result


@pytest.mark.parametrize("extra", [{"debug": KEY}, {KEY: 1}, {"extra": {"a": [KEY]}}])
def test_a_member_beside_the_answer_is_read_too(with_policy, extra):
    def answer(request):
        return request.send(200, json.dumps({"jsonrpc": "2.0", "id": request.id, "result": {"content": []}, **extra}).encode())
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        reply = Modern(with_policy(upstream).url).ask("tools/call", {"name": "echo", "arguments": {}})
    assert KEY.encode() not in reply.body
    denial(reply)


@pytest.mark.parametrize("line", [f": {KEY}\n\n", f"event: {KEY}\n", f"event: {KEY}\nid: 1\nretry: 9\n\n"])
def test_what_stands_beside_the_messages_of_a_stream_is_read_too(with_policy, line):
    def answer(request):
        request.begin_events()
        request.raw_events(line.encode())
        return request.last_event({"content": []})
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        reply = Modern(with_policy(upstream).url).ask("tools/call", {"name": "echo", "arguments": {}})
    assert KEY.encode() not in reply.body and b'"id":1' in reply.body.replace(b" ", b"")


def test_a_pattern_for_one_tool_holds_for_what_a_subscription_brings(with_policy):
    text = POLICY.replace("  - name: no-keys\n", "  - name: no-keys\n    tools: [secret]\n")

    def answer(request):
        request.begin_events()
        for word in (KEY, "harmless"):
            request.event({"jsonrpc": "2.0", "method": "notifications/tasks",
                           "params": {"taskId": "t", "status": "completed", "result": packed(word)}})
        return request.last_event({})
    with ScriptedUpstream({"subscriptions/listen": answer}, sessions=False) as upstream:
        reply = Modern(with_policy(upstream, text).url).ask("subscriptions/listen", {"notifications": {}, "taskIds": ["t"]})
    assert b"harmless" in reply.body and KEY.encode() not in reply.body


ALLOWED = """
version: v1
mode: enforce
rules:
  - {name: public, match: {tools: [read_file], arguments: {path: ["/public/*"]}}, action: allow}
  - {name: pair, match: {tools: [send], arguments: {to: ["boss@*"], level: ["9"]}}, action: deny}
  - {name: send, match: {tools: [send]}, action: allow}
"""


@pytest.mark.parametrize("tool, arguments, fields, passes", [
    ("read_file", {"path": "/public/a"}, {"Path": "/public/a"}, True),
    ("read_file", {"path": "/public/a"}, {"Region": "north"}, True),
    ("read_file", {"path": "/public/a"}, {"Path": "/etc/shadow"}, False),
    ("read_file", {"path": "/public/a"}, {"path": "/etc/shadow"}, False),
    ("read_file", {"path": "/public/a"}, {"PATH": "=?base64?L2V0Yy9zaGFkb3c=?="}, False),
    ("send", {"to": "boss@x", "level": 1}, {"Level": "1"}, True),
    ("send", {"to": "boss@x", "level": 1}, {"Level": "9"}, False),
    ("send", {"to": "a@x", "level": 1}, {"level": "9", "to": "boss@x"}, False),
    ("send", {"level": 9}, {"To": "boss@x"}, False),
    ("send", {}, {"To": "boss@x", "Level": "9"}, False),
])
def test_arguments_in_headers_count_like_those_in_the_body(with_policy, tool, arguments, fields, passes):
    with answering(packed("fine")) as upstream:
        client = Modern(with_policy(upstream, ALLOWED).url)
        reply = client.ask("tools/call", {"name": tool, "arguments": arguments},
                           fields=[(f"Mcp-Param-{name}", value) for name, value in fields.items()])
        assert bool(upstream.of("tools/call")) == passes, reply.body


def test_nobody_of_the_modern_era_can_cancel_anothers_call(make_gateway):
    go = threading.Event()

    def answer(request):
        go.wait(20)
        return request.text("done")
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url).start()
        headers, body = modern_request("tools/call", {"name": "echo", "arguments": {}})
        with Connection(gateway.url) as connection:
            connection.send("POST", headers=headers, body=body)
            number = upstream.wait("tools/call").id
            reply = Modern(gateway.url).ask("notifications/cancelled", {"requestId": number}, None)
            assert reply.status == 202
            assert Modern(gateway.url).ask("server/discover").status == 200
            assert not upstream.of("notifications/cancelled")
            go.set()
            assert connection.receive().json()["result"]["content"][0]["text"] == "done"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_stream_ends_when_its_policy_does(with_policy, directory, era):
    streams = []

    def listen(request):
        request.begin_events()
        streams.append(request)
        return request.wait_closed()

    def reload(gateway):
        assert gateway.command_line("reload", "--runtime-dir", gateway.runtime_directory).returncode == 0

    def said(stream, data):
        streams[0].event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": data}})
        assert stream.message()["params"]["data"] == data
    with ScriptedUpstream({"subscriptions/listen": listen, "GET": listen}, sessions=era == "legacy") as upstream:
        gateway = with_policy(upstream)
        if era == "legacy":
            stream = Client(gateway.url).listen()
        else:
            connection = Connection(gateway.url)
            headers, body = modern_request("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            connection.send("POST", headers=headers, body=body)
            stream = Stream(connection)
        with stream:
            eventually(lambda: streams, "the stream at the upstream")
            said(stream, "one")
            # A reload that leaves the policy alone leaves its streams alone.
            reload(gateway)
            said(stream, "two")
            with open(os.path.join(directory, "policy.yaml"), "w", encoding="utf-8") as file:
                file.write(POLICY.replace("no-vendor-things", "nothing-else").replace("notifications/vendor/thing", "subscriptions/*"))
            reload(gateway)
            assert stream.messages() == []
        if era == "modern":
            assert Modern(gateway.url).ask("subscriptions/listen", {"notifications": {}}).status == 403


@pytest.mark.parametrize("method, params", [
    ("tasks/get", {"taskId": "1"}), ("tasks/cancel", {"taskId": "1"}), ("tasks/update", {"taskId": "1", "inputResponses": {}}), ("tasks/list", {}),
    ("subscriptions/listen", {"notifications": {"taskIds": ["1"]}}), ("subscriptions/listen", {"notifications": {"TaskIds": ["1"]}}),
])
def test_nobody_reaches_a_task_that_may_be_anothers(make_gateway, directory, method, params):
    with ScriptedUpstream({}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url, *configuration(directory, [entry("alice", ALICE), entry("bob", BOB)])).start()
        fields = [("X-API-Key", BOB)] + ([("Mcp-Name", "1")] if "taskId" in params else [])
        reply = Modern(gateway.url).ask(method, params, fields=fields)
        # Listing tasks is no method of the modern era at all.
        assert reply.json()["error"]["code"] == (-32601 if method == "tasks/list" else -31010) and b"tasks" in reply.body, reply.body
        assert not upstream.of(method)
        # What the ingress refuses itself is in the log a little later.
        eventually(lambda: [record["action"] for record in records_of(gateway) if record.get("method") == method] == ["block"],
                   lambda: f"one record: {records_of(gateway)}")
        assert Modern(gateway.url).ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, fields=[("X-API-Key", BOB)]).status == 200
