"""Sessions of the legacy era: the client's and the upstream's are two, and what ends one of them ends it for good."""

import pytest

from harness.clients import REVISION, TYPES, Client, call, hello, leave, metric
from harness.eventually import eventually
from harness.http import Connection, tool_call
from harness.scripted import ScriptedUpstream

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
SUBSCRIBE = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": {"uri": "file:///x"}}


@pytest.fixture
def upstream():
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(make_gateway, upstream):
    return make_gateway(upstream.url).start()


def reached(upstream, action):
    """What the action returns, and the requests that reached the upstream meanwhile."""
    before = len(upstream.seen)
    result = action()
    return result, upstream.seen[before:]


# The id


def test_the_client_gets_an_id_of_the_gateway_and_the_upstream_its_own(gateway, upstream):
    clients = [Client(gateway.url) for _ in range(3)]
    own = {client.session for client in clients}
    assert len(own) == 3 and not own & upstream.live
    for session in own:
        assert 0 < len(session) <= 512 and all(0x21 <= ord(letter) <= 0x7E for letter in session)
    for client in clients:
        assert "result" in client.call().json()
    # One upstream session each, and never another id than the upstream's.
    assert {answer.session for answer in upstream.of("tools/call")} == upstream.live
    assert len(upstream.live) == 3


def altered(session):
    """Ids that were never given out, made of one that was."""
    other = {"A": "B"}
    yield "empty of content", "x"
    yield "cut short", session[:-1]
    yield "cut to half", session[:len(session) // 2]
    yield "longer by one", session + "A"
    yield "twice", session + session
    for place in range(0, len(session), 7):
        letter = other.get(session[place], "A")
        yield f"letter {place} changed", session[:place] + letter + session[place + 1:]
    yield "too long for any", "A" * 4000


def test_an_id_that_was_not_given_out_is_unknown_and_never_reaches_the_upstream(gateway, upstream):
    client = Client(gateway.url)
    for what, session in altered(client.session):
        for send in (lambda: client.call(session=session), lambda: client.request("GET", client.fields(session)),
                     lambda: client.request("DELETE", client.fields(session))):
            reply, new = reached(upstream, send)
            assert (reply.status, new) == (404, []), what
    # The one it was made of still works.
    assert "result" in client.call().json()


def test_the_upstreams_own_id_is_of_no_use_to_a_client(gateway, upstream):
    client = Client(gateway.url)
    session = next(iter(upstream.live))
    reply, new = reached(upstream, lambda: client.call(session=session))
    assert (reply.status, new) == (404, [])


def test_another_gateways_id_is_unknown(make_gateway, gateway, upstream):
    other = make_gateway(upstream.url).start()
    client, stranger = Client(gateway.url), Client(other.url)
    reply, new = reached(upstream, lambda: client.call(session=stranger.session))
    assert (reply.status, new) == (404, [])
    assert "result" in stranger.call().json()


# Its life


@pytest.mark.parametrize("roles", [["ingress"], ["route"], ["dialer"], ["console"], ["recorder"], ["ingress", "route"]])
def test_a_session_outlives_its_workers(gateway, upstream, roles):
    client = Client(gateway.url)
    assert "result" in client.call().json()
    gateway.kill_and_wait(*roles)
    reply = client.call("again")
    assert reply.status == 200 and reply.json()["result"]["content"][0]["text"] == "again"
    assert len({answer.session for answer in upstream.of("tools/call")}) == 1
    assert len(upstream.of("initialize")) == 1


@pytest.mark.parametrize("killed", [None, "ingress", "route"])
def test_a_deleted_session_is_gone_for_good(gateway, upstream, killed):
    client, other = Client(gateway.url), Client(gateway.url)
    session = upstream.of("initialize")
    assert len(session) == 2
    assert client.delete().status in (200, 204)
    assert len(upstream.of("DELETE")) == 1 and len(upstream.live) == 1
    if killed:
        gateway.kill_and_wait(killed)
    for send in (client.call, client.delete, lambda: client.request("GET")):
        reply, new = reached(upstream, send)
        assert (reply.status, new) == (404, [])
    assert "result" in other.call().json()


def test_a_stream_of_server_messages_ends_with_its_session(gateway, upstream):
    client = Client(gateway.url)
    with client.listen() as stream:
        upstream.wait_stream()
        assert client.delete().status == 200
        assert stream.messages() == []


def test_a_server_that_lets_nobody_end_sessions_keeps_them(gateway, upstream):
    upstream.handlers["DELETE"] = lambda answer: answer.send(405, fields=["Allow: GET, POST"])
    client = Client(gateway.url)
    assert client.delete().status == 405
    assert "result" in client.call().json()


def test_an_idle_session_ends_and_a_used_one_does_not(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--session-ttl", "2s").start()
    idle, used = Client(gateway.url), Client(gateway.url)

    def is_over():
        assert "result" in used.call().json()
        # Asking the idle one would be a use of it: the upstream is told when it is over.
        return upstream.of("DELETE")
    eventually(is_over, "the idle session ends")
    assert [answer.session for answer in upstream.of("DELETE")] == [
        session for session in {answer.session for answer in upstream.seen if answer.session} - upstream.live]
    reply, new = reached(upstream, idle.call)
    assert (reply.status, new) == (404, [])
    assert "result" in used.call().json()


@pytest.mark.parametrize("what", ["a call", "a stream of server messages"])
def test_a_session_is_not_idle_while_something_of_it_is_in_flight(make_gateway, what):
    def slow(answer):
        upstream.wait_released()
        return answer.text("done")

    with ScriptedUpstream({"tools/call": slow}) as upstream:
        gateway = make_gateway(upstream.url, "--session-ttl", "2s").start()
        busy = Client(gateway.url)
        if what == "a call":
            connection = busy.start(call())
            upstream.wait("tools/call")
        else:
            stream = busy.listen()
            upstream.wait_stream()
        # By the time that sessions begun after it are over, it would be too.
        for number in range(2):
            Client(gateway.url)
            later = upstream.wait("notifications/initialized", 2 + number).session
            eventually(lambda: any(answer.session == later for answer in upstream.of("DELETE")), "the idle one is over")
        first = upstream.of("notifications/initialized")[0].session
        assert all(answer.session != first for answer in upstream.of("DELETE")), "the upstream's session was ended"
        upstream.released.set()
        if what == "a call":
            with connection:
                assert connection.receive().json()["result"]["content"][0]["text"] == "done"
        else:
            upstream.streams[0].event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            assert stream.message()["method"] == "notifications/tools/list_changed"
            stream.close()
        assert "result" in busy.call().json()


def test_a_session_ends_at_its_age_however_much_it_is_used(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--session-ttl", "2s", "--session-lifetime", "2s").start()
    client = Client(gateway.url)

    def is_over():
        reply = client.call()
        assert reply.status == 404 or "result" in reply.json()
        return reply.status == 404
    eventually(is_over, "the session's end")
    assert "result" in Client(gateway.url).call().json()


def test_a_client_that_leaves_during_initialize_leaves_no_session_behind(make_gateway):
    def late(answer):
        upstream.wait_released()
        return upstream.initialize(answer)

    with ScriptedUpstream({"initialize": late}) as upstream:
        gateway = make_gateway(upstream.url).start()
        nobody = Client(gateway.url, opens=False)
        leave(nobody.start(hello(), fields=TYPES))
        upstream.wait("initialize")
        eventually(lambda: metric(gateway, "mcpgw_connections_open") == 0, "the ingress sees that the client left")
        # The route hears of it before the upstream answers: it takes a later message over the same link.
        nobody.request("GET", [("Accept", "text/event-stream")])
        upstream.released.set()
        upstream.wait("DELETE")
        eventually(lambda: not upstream.live, "no session upstream")


# A session the upstream has lost


def test_a_lost_session_is_opened_again_once_for_all_that_notice(make_gateway):
    def initialize(answer):
        if len(upstream.of("initialize")) > 1:
            upstream.wait_released()
        return upstream.initialize(answer)

    with ScriptedUpstream({"initialize": initialize}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        upstream.lose_sessions()
        first = client.start(call(identifier=1))
        upstream.wait("initialize", 2)
        # While it is opened again, others come, and wait or find it lost too.
        others = [client.start(call(identifier=number)) for number in range(2, 5)]
        eventually(lambda: metric(gateway, "mcpgw_exchanges_in_flight", "route") == 4, "all wait")
        upstream.released.set()
        for number, connection in enumerate([first, *others], 1):
            with connection:
                reply = connection.receive()
            assert (reply.status, reply.json()["id"]) == (200, number)
            assert "result" in reply.json()
        assert len(upstream.of("initialize")) == 2 and len(upstream.live) == 1
        assert metric(gateway, "mcpgw_sessions_reopened_total") == 1


DEPENDENTS = ["a subscription", "a log level", "a stream", "an unanswered server request", "a call in flight"]


@pytest.mark.parametrize("what", DEPENDENTS)
def test_a_lost_session_on_which_something_depends_is_over_for_the_client(make_gateway, what):
    def stay(answer):
        if answer.params["name"] != "stay":
            return answer.text("x")
        if what == "an unanswered server request":
            answer.begin_events()
            answer.event({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            return answer.last_event({"content": []})
        upstream.wait_released()
        return answer.text("late")

    with ScriptedUpstream({"tools/call": stay}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        held = None
        if what == "a subscription":
            assert "result" in client.post(SUBSCRIBE).json()
        elif what == "a log level":
            level = {"jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": {"level": "debug"}}
            assert "result" in client.post(level).json()
        elif what == "a stream":
            held = client.listen().connection
            upstream.wait_stream()
        else:
            held = client.start(call("stay", identifier=77))
            upstream.wait("tools/call")
            if what == "an unanswered server request":
                assert b'"ping"' in held.receive().body
        upstream.lose_sessions()
        assert client.call().status == 404
        assert len(upstream.of("initialize")) == 1
        reply, new = reached(upstream, client.call)
        assert (reply.status, new) == (404, [])
        assert metric(gateway, "mcpgw_sessions_reopened_total") == 0
        if held:
            held.close()


def test_a_session_that_cannot_be_opened_again_is_over_for_the_client(gateway, upstream):
    client = Client(gateway.url)
    upstream.lose_sessions()
    upstream.handlers["initialize"] = lambda answer: answer.error(200, -32603, "no more")
    assert client.call().status == 404
    upstream.handlers["initialize"] = upstream.initialize
    assert client.call().status == 404
    assert "result" in Client(gateway.url).call().json()


# Where sessions are demanded and where not


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-03-26", "2024-11-05"])
def test_another_revision_than_the_sessions_is_refused(gateway, upstream, revision):
    client = Client(gateway.url)
    fields = [(name, revision if name == "MCP-Protocol-Version" else value) for name, value in client.fields()]
    reply, new = reached(upstream, lambda: client.post(call(), fields))
    assert (reply.status, new) == (400, [])
    assert "result" in client.call().json()


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-03-26", "2024-11-05"])
def test_a_session_has_the_revision_that_the_server_agreed_to(make_gateway, revision):
    with ScriptedUpstream(revision=revision) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url, opens=False)
        reply = client.post(hello(REVISION), TYPES)
        assert reply.json()["result"]["protocolVersion"] == revision
        session = ("Mcp-Session-Id", reply.headers["mcp-session-id"])
        # Clients of 2025-03-26 send no version header.
        assert client.post(call(), [*TYPES, session]).status == 200
        assert upstream.of("tools/call")[0].headers["mcp-protocol-version"] == revision
        assert client.post(call(), [*TYPES, session, ("MCP-Protocol-Version", REVISION)]).status == 400


def test_a_request_that_names_no_revision_names_none_upstream(gateway, upstream):
    upstream.has_sessions = False
    client = Client(gateway.url, opens=False)
    assert client.post(hello(), TYPES).status == 200
    assert client.post(call(), TYPES).status == 200
    for answer in upstream.seen:
        assert "mcp-protocol-version" not in answer.headers, answer.name


def test_no_session_is_demanded_where_the_upstream_has_none(make_gateway):
    with ScriptedUpstream(sessions=False) as upstream:
        gateway = make_gateway(upstream.url).start()
        assert "result" in Client(gateway.url, opens=False).call().json()
        client = Client(gateway.url)
        assert client.session is None
        assert "result" in client.call().json()
        assert all(answer.session is None for answer in upstream.seen)


def test_where_the_upstream_demands_a_session_a_request_without_one_is_told_so(gateway, upstream):
    client = Client(gateway.url, opens=False)
    assert client.call().status == 400
    reply = client.request("GET")
    assert reply.status == 405 and "POST" in reply.headers["allow"]


@pytest.mark.parametrize("session", ["a session nobody gave out", "a live one"])
def test_a_modern_request_has_no_session_whatever_its_head_says(gateway, upstream, session):
    upstream.has_sessions = True
    live = Client(gateway.url).session
    upstream.has_sessions = False
    headers, body = tool_call("echo", {"text": "x"}, 1, "modern")
    value = live if session == "a live one" else "none"
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=[*headers, ("Mcp-Session-Id", value), ("Last-Event-ID", "7")], body=body)
        reply = connection.receive()
    assert reply.status == 200 and "result" in reply.json()
    assert "mcp-session-id" not in reply.headers
    sent = upstream.of("tools/call")[-1]
    assert sent.session is None and "last-event-id" not in sent.headers


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_modern_era_has_post_only(gateway, upstream, method):
    client = Client(gateway.url)
    fields = [(name, "2026-07-28" if name == "MCP-Protocol-Version" else value) for name, value in client.fields()]
    reply, new = reached(upstream, lambda: client.request(method, fields))
    assert (reply.status, reply.headers["allow"], new) == (405, "POST", [])
    assert "result" in client.call().json()
