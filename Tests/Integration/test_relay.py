"""What passes through and what it becomes: event streams with everything in them, methods that one era does not have, and the
errors of servers, in both eras."""

import json

import pytest

from harness.http import MODERN, Connection, tool_call
from harness.scripted import ScriptedUpstream

LEGACY = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
          ("MCP-Protocol-Version", "2025-11-25")]
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
ERAS = ["legacy", "modern"]


@pytest.fixture
def serve(make_gateway):
    """Starts a gateway before a server without sessions that answers as the handlers say."""
    running = []

    def start(**handlers):
        named = {name.replace("_", "/"): handler for name, handler in handlers.items()}
        running.append(ScriptedUpstream(named, sessions=False).__enter__())
        return make_gateway(running[-1].url).start(), running[-1]
    yield start
    for upstream in running:
        upstream.__exit__()


def exchange(gateway, headers, body):
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=headers, body=body)
        return connection.receive()


def call(gateway, era):
    return exchange(gateway, *tool_call("echo", {}, "one", era))


def modern(method, **params):
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 5, "method": method, "params": {**params, "_meta": meta}}
    headers = [*LEGACY[:2], ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)]
    return headers, json.dumps(message).encode()


# Errors of servers

@pytest.mark.parametrize("status, code, legacy", [
    (400, -32600, 400), (400, -32000, 400), (400, -32602, 200), (400, -32001, 200), (404, -32601, 200), (429, -32000, 200),
    (500, -32603, 200), (503, -32000, 200)])
@pytest.mark.parametrize("era", ERAS)
def test_a_servers_error_keeps_its_words_and_costs_no_legacy_client_its_transport(serve, era, status, code, legacy):
    gateway, _ = serve(tools_call=lambda answer: answer.error(status, code, "the server's words"))
    reply = call(gateway, era)
    # Only what says that a session is missing keeps its status for legacy clients, which end with any other.
    assert reply.status == (status if era == "modern" else legacy)
    assert reply.json() == {"jsonrpc": "2.0", "id": "one", "error": {"code": code, "message": "the server's words"}}


@pytest.mark.parametrize("status, mapped", [(400, 400), (404, 404), (429, 503), (500, 503), (503, 503)])
@pytest.mark.parametrize("era", ERAS)
def test_a_page_becomes_an_error_of_the_gateways_own(serve, era, status, mapped):
    page = b"<html>secret of the server</html>"
    gateway, _ = serve(tools_call=lambda answer: answer.send(status, page, kind="text/html"))
    reply = call(gateway, era)
    assert b"secret" not in reply.body and reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    if era == "modern":
        assert (reply.status, error["code"]) == (mapped, -31013)
    else:
        # Without a session a 400 may mean that one is demanded.
        assert (reply.status, error["code"]) == ((400, -32600) if status == 400 else (200, -31013))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value, told", [("7", "7"), ("0", None), ("99999999999999999999", "86400")])
def test_an_overloaded_server_says_itself_when_to_try_again(serve, status, value, told):
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "busy"}}).encode()

    def busy(answer):
        named = body.replace(b"null", json.dumps(answer.id).encode())
        return answer.send(status, named, fields=[f"Retry-After: {value}"])

    gateway, _ = serve(tools_call=busy)
    reply = call(gateway, "modern")
    assert (reply.status, reply.headers.get("retry-after")) == (status, told)
    # To a legacy client it is no failure of the transport.
    assert "retry-after" not in call(gateway, "legacy").headers


@pytest.mark.parametrize("value, told", [
    ("7", "7"), ("-1", "1"), ("1.5", "1"), ("Wed, 21 Oct 2065 07:28:00 GMT", "1"), ("5, 5", "1"), ("", "1")])
def test_a_page_of_an_overloaded_server_says_it_too_and_what_is_no_number_does_not(serve, value, told):
    gateway, _ = serve(
        tools_call=lambda answer: answer.send(503, b"busy", kind="text/html", fields=[f"Retry-After: {value}"]))
    reply = call(gateway, "modern")
    assert (reply.status, reply.headers.get("retry-after")) == (503, told)


def test_only_an_overloaded_server_is_asked_for_its_wait(serve):
    gateway, _ = serve(
        tools_call=lambda answer: answer.send(500, b"no", kind="text/html", fields=["Retry-After: 77"]))
    assert call(gateway, "modern").headers.get("retry-after") == "1"


# Methods of one era

@pytest.mark.parametrize("method, params", [
    ("ping", {}), ("initialize", CLIENT), ("logging/setLevel", {"level": "info"})])
def test_what_the_modern_era_does_not_have_is_not_found(serve, method, params):
    gateway, upstream = serve()
    reply = exchange(gateway, *modern(method, **params))
    assert (reply.status, reply.json()["error"]["code"], reply.json()["id"]) == (404, -32601, 5)
    assert not upstream.seen


def test_a_modern_header_without_its_member_is_refused(serve):
    gateway, upstream = serve()
    headers, _ = modern("tools/list")
    reply = exchange(gateway, headers, b'{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{}}')
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32602)
    assert not upstream.seen


def test_a_server_that_agrees_to_a_modern_version_in_initialize_is_not_believed(serve):
    gateway, _ = serve(initialize=lambda answer: answer.result(
        {"protocolVersion": MODERN, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}},
        ["Mcp-Session-Id: s1"]))
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}
    reply = exchange(gateway, LEGACY[:2], json.dumps(body).encode())
    assert (reply.status, reply.json()["error"]["code"]) == (200, -31013)
    assert "mcp-session-id" not in reply.headers


# Event streams

NOTE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "d"}}


def stream(answer):
    answer.begin_events(["X-Accel-Buffering: no", "Cache-Control: no-cache"])
    answer.raw_events(b": a comment\n\nretry: 1234\n\n")
    answer.raw_events(f"event: custom\nid: e1\ndata: {json.dumps(NOTE)}\n\n".encode())
    # A text may go on in the next line wherever JSON has room.
    before, after = json.dumps(NOTE).split(" ", 1)
    answer.raw_events(f": between\r\ndata: {before}\r\ndata: {after}\r\n\r\n".encode())
    return answer.last_event({"content": []})


def fields(body, name):
    lines = [line.partition(":") for line in body.decode().splitlines()]
    return [value.removeprefix(" ") for field, colon, value in lines if colon and field == name]


@pytest.mark.parametrize("era", ERAS)
def test_a_stream_keeps_its_events_in_order_with_their_names(serve, era):
    gateway, _ = serve(tools_call=stream)
    reply = call(gateway, era)
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/event-stream")
    # A proxy before the gateway must not hold events back.
    assert reply.headers["x-accel-buffering"] == "no" and "no-cache" in reply.headers["cache-control"]
    blocks = [block for block in reply.body.decode().replace("\r\n", "\n").split("\n\n") if "data:" in block]
    told = [(fields(block.encode(), "event") or ["message"])[0] for block in blocks]
    assert told == ["custom", "message", "message"]
    messages = [json.loads("\n".join(fields(block.encode(), "data"))) for block in blocks]
    assert messages[:2] == [NOTE, NOTE] and messages[2] == {"jsonrpc": "2.0", "id": "one", "result": {"content": []}}
    comments, retries, ids = (fields(reply.body, name) for name in ("", "retry", "id"))
    if era == "modern":
        # There is nothing to take up again.
        assert not retries and not ids
    else:
        assert retries == ["1234"] and len(ids) == 1 and comments[0] == "a comment"
