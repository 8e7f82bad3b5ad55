"""What is on the wire on both sides of the gateway while real clients and real servers talk: everything is relayed unchanged but
for identifiers, and what the gateway says by itself is what the protocol allows."""

import contextlib
import json
import os

import pytest

from harness.gateway import Gateway
from harness.http import Connection, tool_call
from harness.matrix_messages import SCHEMAS, difference, is_request, read, validate
from harness.matrix_recorder import Recorder
from harness.matrix_runs import Matrix, run_client
from harness.matrix_table import features_of

LEGACY, MODERN = "2025-11-25", "2026-07-28"
RUNS = {
    "legacy": ("sdk1", "sdk2", "plain", LEGACY),
    "resumable": ("sdk2-legacy", "sdk1", "resumable", LEGACY),
    "stateless": ("sdk1", "sdk1", "stateless", LEGACY),
    "modern": ("sdk2-modern", "fastmcp", "plain", MODERN),
}


@pytest.fixture(scope="module")
def upstreams(binary, session_directory):
    own = os.path.join(session_directory, "wire")
    os.mkdir(own, 0o755)
    with Matrix(binary, own) as matrix:
        yield matrix


@pytest.fixture(scope="module")
def schemas():
    if not os.path.isdir(SCHEMAS):
        print(f"SKIPPED 1: no schemas at {SCHEMAS}")
        pytest.skip("the published schemas are not there")


class Recorded:
    """A gateway between two recorders, and what was said on either side."""

    def __init__(self, front, back):
        self.front, self.back = front, back

    def send(self, headers, body):
        """One POST of a client of its own."""
        with Connection(self.front.url) as connection:
            connection.send("POST", headers=headers, body=body)
            return connection.receive()

    def reached(self):
        """How many requests have reached the server."""
        return len(self.back.exchanges())

    @staticmethod
    def messages(recorder):
        """What the side of the client sent, and what the side of the server sent."""
        sent, received = [], []
        for one in recorder.exchanges():
            if one.body:
                sent.append(read(one.body))
            received += [read(text) for text in one.texts()]
        return sent, received


@contextlib.contextmanager
def recorded(binary, directory, url):
    """A gateway before that server, with a recorder on either side."""
    os.mkdir(directory, 0o755)
    with Recorder(url) as back, Gateway(binary, directory, back.url) as gateway, Recorder(gateway.url) as front:
        yield Recorded(front, back)


@pytest.fixture(scope="module")
def standing(upstreams, binary, session_directory):
    """One for all tests that send single requests to a server without sessions."""
    url = f"{upstreams.upstream('sdk2').base()}/stateless/mcp"
    with recorded(binary, os.path.join(session_directory, "wire-standing"), url) as conversation:
        yield conversation


@pytest.fixture(scope="module", params=RUNS)
def conversation(request, upstreams, binary, session_directory):
    """What was said on both sides while a client went through its features: each run once, for all tests."""
    client, server, variant, revision = RUNS[request.param]
    base = upstreams.upstream(server).base()
    own = os.path.join(session_directory, f"wire-{request.param}")
    with recorded(binary, own, f"{base}/{variant}/mcp") as conversation:
        features = [one for one in features_of(client, server, variant) if one != "big"]
        target = {"name": "run", "url": conversation.front.url, "journal": f"{base}/journal", "features": features}
        seen = run_client(client, [target])["run"]
        assert {name: one for name, one in seen.items() if isinstance(one, str)} == {}
    conversation.name, conversation.revision = request.param, revision
    return conversation


def test_what_is_relayed_differs_only_in_identifiers_and_the_rest_is_allowed(conversation, schemas):
    sent, answered = conversation.messages(conversation.front)
    forwarded, received = conversation.messages(conversation.back)
    assert len(sent) > 20 and len(received) > 20

    # Whatever has no counterpart on the other side is the gateway's own, or was kept back.
    for message in difference(forwarded, sent):
        validate(message, conversation.revision, to_server=True)
    for message in difference(answered, received):
        validate(message, conversation.revision, to_server=False)
        assert "result" not in message, "a result is the server's to give"
    # Kept back may be only what the gateway may answer for the server: params of the wrong form, and a session that is over.
    lost = [message for message in difference(sent, forwarded)
            if message.get("params", {}).get("name") != 5 and message.get("method") != "tools/list"]
    assert lost == []
    # A client that is closed, or that has given a call up, no longer reads.
    unread = [message for message in difference(received, answered) if "cancelled" not in json.dumps(message)]
    assert unread == []


def test_every_identifier_goes_back_as_it_came(conversation):
    for recorder in (conversation.front, conversation.back):
        asked_by_server, tokens = [], []
        for one in recorder.exchanges():
            message = one.sent()
            if message and is_request(message):
                tokens.append(message.get("params", {}).get("_meta", {}).get("progressToken"))
                for reply in one.received():
                    if "method" not in reply:
                        assert (type(reply["id"]), reply["id"]) == (type(message["id"]), message["id"])
            asked_by_server += [reply["id"] for reply in one.received() if is_request(reply)]
        for one in recorder.exchanges():
            message = one.sent()
            if message and "method" not in message:
                assert message["id"] in asked_by_server
            for reply in one.received():
                if reply.get("method") == "notifications/progress":
                    token = reply["params"]["progressToken"]
                    assert any(type(token) is type(other) and token == other for other in tokens), token


def test_an_event_stream_keeps_its_shape(conversation):
    """Event names, the presence of ids, and how long to wait stay as the server said; modern clients get no ids."""
    def shapes(recorder):
        found = []
        for one in recorder.exchanges():
            for event in one.events():
                if "data" in event and event["data"]:
                    found.append((read(event["data"]).get("method", "answer"), event.get("event"), "id" in event,
                                  event.get("retry")))
                elif "data" in event:
                    found.append(("priming", event.get("event"), "id" in event, event.get("retry")))
        return sorted(found, key=str)

    front, back = shapes(conversation.front), shapes(conversation.back)
    assert front and [one for one in front if one not in back] == []
    resumable = conversation.name == "resumable"
    assert any(one[2] for one in front) == resumable
    assert any(one[0] == "priming" and one[3] for one in front) == resumable


def test_http_says_upstream_what_the_message_says(conversation):
    for one in conversation.back.exchanges():
        lower = [field.lower() for field, _ in one.headers]
        assert len(lower) == len(set(lower)), one.headers
        assert one.header("host") and one.header("transfer-encoding") is None
        message = one.sent()
        if one.method == "POST":
            assert one.header("content-type").startswith("application/json")
            assert {"application/json", "text/event-stream"} <= {part.strip() for part in one.header("accept").split(",")}
        if conversation.revision == MODERN:
            assert one.method == "POST" and one.header("mcp-session-id") is None and one.header("last-event-id") is None
            assert one.header("mcp-protocol-version") == MODERN
            assert one.header("mcp-method") == message["method"]
            names = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
            if message["method"] in names:
                assert one.header("mcp-name") == message["params"][names[message["method"]]]
            if message["params"].get("name") == "regional":
                assert one.header("mcp-param-count") == "7"
                assert one.header("mcp-param-region") == "=?base64?ZXUgd8Opc3Q=?="
        elif message is None or message.get("method") != "initialize":
            assert one.header("mcp-protocol-version") == LEGACY


def test_neither_side_sees_the_sessions_of_the_other(conversation):
    upstream = {one.reply_header("mcp-session-id") for one in conversation.back.exchanges()} - {None}
    client = {one.reply_header("mcp-session-id") for one in conversation.front.exchanges()} - {None}
    assert bool(upstream) == bool(client) == (conversation.name in ("legacy", "resumable"))
    assert not upstream & client
    assert {one.header("mcp-session-id") for one in conversation.back.exchanges()} - {None} <= upstream
    # Visible ASCII, and not longer than what servers and proxies take.
    assert all(len(one) <= 512 and one.isascii() and one.isprintable() for one in client)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_clients_identifiers_stay_on_its_side(standing, era):
    headers, body = tool_call("steps", {"count": 2}, "the client's own id", era)
    message = json.loads(body)
    message["params"].setdefault("_meta", {})["progressToken"] = "the client's own token"
    before = standing.reached()
    reply = standing.send(headers, json.dumps(message).encode())
    assert reply.json()["id"] == "the client's own id"
    assert reply.body.count(b"the client's own token") == 2
    new = standing.back.exchanges()[before:]
    assert len(new) == 1 and b"own id" not in new[0].body and b"own token" not in new[0].body


CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}'
# With the id that can be read in each, if any.
BAD_BODIES = {
    "no JSON": ("{", None), "not one message": ("[]", None), "two ids": (CALL.replace('"id":1', '"id":1,"id":2'), None),
    "no method": ('{"jsonrpc":"2.0","id":1}', 1), "null id": (CALL.replace('"id":1', '"id":null'), None),
    "two members that differ in case": (CALL.replace('"name"', '"Name":"other","name"'), 1),
    "a number for a name": (CALL.replace('"echo"', "5"), 1),
    "params that are a list": (CALL[:CALL.index('{"name"')] + "[]}", 1),
}


@pytest.mark.parametrize("era, revision", [("legacy", LEGACY), ("modern", MODERN)])
@pytest.mark.parametrize("bad", BAD_BODIES)
def test_an_error_of_the_gateway_is_one_the_revision_allows(standing, schemas, era, revision, bad):
    headers, body = tool_call("echo", {"text": "x"}, 1, era)
    text, identifier = BAD_BODIES[bad]
    if era == "modern":
        meta = json.dumps(json.loads(body)["params"]["_meta"])
        text = text.replace('"params":{', '"params":{"_meta":' + meta + ",")
    before = standing.reached()
    reply = standing.send(headers, text.encode())
    answer = reply.json()
    assert standing.reached() == before
    assert "error" in answer and reply.headers["content-type"].startswith("application/json")
    validate(answer, revision, to_server=False)
    assert answer.get("id") == identifier
    assert reply.status == (200 if era == "legacy" else 400)


def modern(change=None, headers=None, drop=()):
    """A modern call of `echo`, with its message or its head changed."""
    fields, body = tool_call("echo", {"text": "x"}, 7, "modern")
    message = json.loads(body)
    if change:
        change(message)
    fields = [(name, value) for name, value in fields if name not in drop and name not in (headers or {})]
    return fields + list((headers or {}).items()), json.dumps(message).encode()


def without_meta(message):
    del message["params"]["_meta"]


def of_revision(revision):
    def change(message):
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = revision
    return change


MISMATCHES = {
    "another method in the head": (modern(headers={"Mcp-Method": "tools/list"}), 400, -32020),
    "another name in the head": (modern(headers={"Mcp-Name": "add"}), 400, -32020),
    "no method in the head": (modern(drop=("Mcp-Method",)), 400, -32020),
    "no name in the head": (modern(drop=("Mcp-Name",)), 400, -32020),
    "another revision in the body": (modern(of_revision("2025-11-25")), 400, -32020),
    "a revision nobody knows": (
        modern(of_revision("2099-01-01"), {"MCP-Protocol-Version": "2099-01-01"}), 400, -32022),
    "no meta": (modern(without_meta), 400, -32602),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_a_head_that_contradicts_its_body_is_refused_by_the_gateway(standing, schemas, case):
    (headers, body), status, code = MISMATCHES[case]
    before = standing.reached()
    reply = standing.send(headers, body)
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)
    assert reply.json()["id"] == 7
    validate(reply.json(), MODERN, to_server=False)
    assert standing.reached() == before


@pytest.mark.parametrize("revision", ["1999", "2099-01-01", "a revision that nobody has ever heard of"])
def test_a_client_of_an_unknown_revision_is_told_what_it_asked_for_and_what_there_is(standing, schemas, revision):
    headers, body = modern(of_revision(revision), {"MCP-Protocol-Version": revision})
    error = standing.send(headers, body).json()["error"]
    assert error["code"] == -32022
    assert error["data"]["requested"] == revision
    assert MODERN in error["data"]["supported"] and revision not in error["data"]["supported"]


def handshake(connection):
    """Opens a legacy session by hand; returns the fields of its further requests and the message that opened it."""
    fields = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": LEGACY, "capabilities": {"roots": {"listChanged": True}},
        "clientInfo": {"name": "by hand", "version": "3"}}}
    connection.send("POST", headers=fields, body=json.dumps(hello).encode())
    reply = connection.receive()
    fields = [*fields, ("MCP-Protocol-Version", LEGACY), ("Mcp-Session-Id", reply.headers["mcp-session-id"])]
    connection.send("POST", headers=fields, body=b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert connection.receive().status == 202
    return fields, hello


def test_a_session_the_upstream_has_lost_is_opened_again_as_the_client_opened_it(binary, directory, upstreams, schemas):
    base = upstreams.upstream("sdk1").base()
    with recorded(binary, os.path.join(directory, "lost"), f"{base}/plain/mcp") as conversation:
        with Connection(conversation.front.url) as connection:
            fields, hello = handshake(connection)
            session = conversation.back.exchanges()[0].reply_header("mcp-session-id")
            # Past the gateway: somebody ends the upstream's session.
            with Connection(f"{base}/plain/mcp") as upstream:
                upstream.send("DELETE", headers=[("Mcp-Session-Id", session), ("MCP-Protocol-Version", LEGACY)])
                assert upstream.receive().status == 200
            connection.send("POST", headers=fields, body=CALL.encode())
            answer = connection.receive().json()
        assert answer["result"]["content"][0]["text"] == "x"
        sent, _ = conversation.messages(conversation.front)
        forwarded, _ = conversation.messages(conversation.back)
        again = [message for message in forwarded if message.get("method") == "initialize"]
        assert len(again) == 2
        for part in ("protocolVersion", "capabilities"):
            assert again[1]["params"][part] == hello["params"][part]
        for message in difference(forwarded, sent):
            validate(message, LEGACY, to_server=True)
        newest = [one.reply_header("mcp-session-id") for one in conversation.back.exchanges()][-1]
        assert newest != session


def test_a_client_whose_upstream_is_gone_gets_an_error_the_revision_allows(make_gateway, schemas):
    gateway = make_gateway("http://127.0.0.1:1/mcp").start()
    for era, revision, status in (("legacy", LEGACY, 200), ("modern", MODERN, 503)):
        headers, body = tool_call("echo", {"text": "x"}, 5, era)
        with Connection(gateway.url) as connection:
            connection.send("POST", headers=headers, body=body)
            reply = connection.receive()
        assert (reply.status, reply.json()["error"]["code"], reply.json()["id"]) == (status, -31013, 5)
        validate(reply.json(), revision, to_server=False)
