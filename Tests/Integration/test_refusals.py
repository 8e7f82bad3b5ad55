"""What is refused today whatever the policy: foreign hosts and origins, and messages that can be read in two ways."""

import json

import pytest

from harness.http import Connection, tool_call

PLAIN = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
         ("MCP-Protocol-Version", "2025-11-25")]
CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}'


def post(gateway, body, headers=()):
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=[*PLAIN, *headers], body=body.encode())
        return connection.receive()


@pytest.mark.parametrize("headers", [
    [("Host", "evil.example")], [("Host", "evil.example:80")], [("Origin", "http://evil.example")], [("Origin", "null")],
    [("Host", "127.0.0.1.evil.example")], [("Host", "localhost.evil.example:9090")]])
def test_a_foreign_host_or_origin_reaches_no_upstream(gateway, fast_upstream, headers):
    served = fast_upstream.served()
    assert post(gateway, CALL, headers).status == 403
    assert fast_upstream.served() == served


@pytest.mark.parametrize("origin", ["http://localhost", "http://127.0.0.1:3000"])
def test_an_origin_of_this_host_passes(gateway, origin):
    assert post(gateway, CALL, [("Origin", origin)]).status == 200


@pytest.mark.parametrize("body", [
    CALL.replace('"id":1', '"id":1,"id":2'),
    CALL.replace('"method":', '"method":"ping","method":'),
    CALL.replace('"method":', '"method":"ping","meth\\u006fd":'),
    CALL.replace('"name":"echo"', '"name":"echo","name":"hold"'),
    CALL.replace('{}', '{"a":1,"a":2}'),
    CALL + CALL, CALL + "x", CALL[:-1], "\ufeff" + CALL, CALL.replace('"id":1', '"id":NaN'), CALL.replace('"id":1', '"id":01'),
    CALL.replace('"id":1', '"id":null'), CALL.replace('"id":1', '"id":1.5'), CALL.replace('"id":1', '"id":{}'),
    CALL.replace('"jsonrpc":"2.0"', '"jsonrpc":"1.0"'), CALL.replace('"jsonrpc":"2.0",', ''),
    CALL.replace('"method":', '"result":{},"method":'), "[" + CALL + "]", "[]", '"text"', "17", "", "{}",
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + "[" * 200 + "]" * 200 + "}"])
def test_a_message_that_is_not_exactly_one_is_answered_and_reaches_no_upstream(gateway, fast_upstream, body):
    served = fast_upstream.served()
    reply = post(gateway, body)
    # Legacy: an error of the message, not of HTTP, which SDK 1.x would answer by giving up its transport.
    assert reply.status == 200
    message = json.loads(reply.body)
    assert message["error"]["code"] in (-32700, -32600) and "result" not in message
    assert fast_upstream.served() == served


def test_a_modern_message_that_cannot_be_read_is_a_bad_request(gateway, fast_upstream):
    served = fast_upstream.served()
    headers, body = tool_call("echo", {}, 1, "modern")
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=headers, body=body.replace(b'"id": 1', b'"id": 1, "id": 2'))
        reply = connection.receive()
    assert reply.status == 400 and json.loads(reply.body)["error"]["code"] in (-32700, -32600)
    assert fast_upstream.served() == served
