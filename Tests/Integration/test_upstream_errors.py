"""Refusals of servers that are less than they say: pages and nothing in the place of JSON; errors that would end a legacy client's transport (see test_relay.py)."""

import json

import pytest

from harness.clients import Client
from harness.scripted import ScriptedUpstream
from test_policy import Modern

PAGE = b"<html><body>nginx secret page</body></html>"


def refusing(status, body, kind, fields):
    return lambda answer: answer.send(status, body(answer) if callable(body) else body, kind, fields)


def error(code):
    return lambda answer: json.dumps({"jsonrpc": "2.0", "id": answer.id, "error": {"code": code, "message": "no", "data": {"why": 1}}}).encode()


def asked(make_gateway, era, status, body, kind, fields=(), sessions=False):
    """The reply to a call that the server refuses."""
    with ScriptedUpstream({"tools/call": refusing(status, body, kind, fields)}, sessions=sessions) as upstream:
        gateway = make_gateway(upstream.url).start()
        if era == "modern":
            return Modern(gateway.url).ask("tools/call", {"name": "echo", "arguments": {}}, 7)
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}
        return Client(gateway.url, opens=sessions).post(message)


@pytest.mark.parametrize("code, status", [(-32600, 400), (-32000, 400), (-32602, 200), (-32050, 200)])
def test_only_a_missing_session_keeps_its_status_for_a_legacy_client(make_gateway, code, status):
    reply = asked(make_gateway, "legacy", 400, error(code), "application/json")
    assert reply.status == status and reply.json()["error"]["code"] == code


@pytest.mark.parametrize("code", [-32600, -32602])
def test_in_a_session_no_error_of_the_server_ends_the_transport(make_gateway, code):
    reply = asked(make_gateway, "legacy", 400, error(code), "application/json", sessions=True)
    assert reply.status == 200 and reply.json()["error"]["code"] == code


@pytest.mark.parametrize("status", [400, 502, 503])
@pytest.mark.parametrize("body, kind", [(PAGE, "application/json"), (b"", "text/plain"), (b"{}", "application/json")])
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_page_is_never_carried(make_gateway, era, status, body, kind):
    reply = asked(make_gateway, era, status, body, kind, ["Retry-After: 999999", "Server: nginx", "Set-Cookie: a=b"])
    assert b"html" not in reply.body and "set-cookie" not in reply.headers and "nginx" not in str(reply.headers)
    assert reply.headers["content-type"].startswith("application/json"), reply.body
    message = reply.json()
    assert message["error"]["code"] in (-31013, -32600, -32000, -32603), message
    if era == "modern":
        assert reply.status >= 400
        if status in (429, 503) and reply.status == 503:
            assert reply.headers.get("retry-after") == "86400"
    else:
        assert reply.status in (200, 400, 404), reply.status
