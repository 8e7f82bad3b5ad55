"""Several servers behind one endpoint: a call reaches the route that owns the tool and no other, and a client has one session."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Client, call, hello, metric
from harness.eventually import eventually
from harness.http import Connection
from harness.routes import (
    UNAVAILABLE, UNKNOWN, Served, ask_modern, code, kill_route, listing, names, options_of, request, text)


@pytest.fixture
def shell():
    with Served("shell", "exec_a", "exec_b") as server:
        yield server


@pytest.fixture
def rest():
    with Served("rest", "echo", "add") as server:
        yield server


@pytest.fixture
def routed(make_gateway, shell, rest):
    """The seed's example: dangerous tools to one server, everything else to another, which is the home route."""
    def make(*options, **settings):
        routes = options_of(("shell", ["exec_*", "run_*"], shell.url), ("rest", ["*"], rest.url))
        return make_gateway(None, *routes, *options, **settings).start()
    return make


class Legacy:
    def __init__(self, url):
        self.client = Client(url)

    def ask(self, method, params=None, identifier=1):
        return self.client.post(request(method, params, identifier))


class Modern:
    def __init__(self, url):
        self.url = url

    def ask(self, method, params=None, identifier=1):
        return ask_modern(self.url, method, params, identifier)


@pytest.fixture(params=["legacy", "modern"])
def asking(request, shell, rest):
    """Makes a client of one era; modern servers have no sessions."""
    if request.param == "modern":
        shell.has_sessions = rest.has_sessions = False
    return {"legacy": Legacy, "modern": Modern}[request.param]


def test_a_call_reaches_the_owner_of_the_tool_and_nobody_else(routed, asking, shell, rest):
    client = asking(routed().url)
    assert text(client.ask("tools/call", {"name": "exec_a"})) == "shell:exec_a"
    assert text(client.ask("tools/call", {"name": "echo"})) == "rest:echo"
    assert text(client.ask("tools/call", {"name": "run_it"}, "r")) == "shell:run_it"
    assert shell.called_tools() == ["exec_a", "run_it"]
    assert rest.called_tools() == ["echo"]


SEED = """
routing:
  routes:
    - match_tools: ["exec_*", "run_*"]
      upstream: {shell}
    - match_tools: ["*"]
      upstream: {rest}
"""


def test_a_file_as_the_seed_has_it_routes_dangerous_tools_to_a_server_of_their_own(make_gateway, asking, directory, shell, rest):
    path = f"{directory}/mcpgw.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(SEED.format(shell=shell.url, rest=rest.url))
    client = asking(make_gateway(None, "--config", path).start().url)
    assert text(client.ask("tools/call", {"name": "exec_a"})) == "shell:exec_a"
    assert text(client.ask("tools/call", {"name": "echo"})) == "rest:echo"
    assert names(client.ask("tools/list")) == ["exec_a", "exec_b", "echo", "add"]


def test_the_first_route_that_matches_has_the_tool(make_gateway, asking, shell, rest):
    routes = options_of(("one", ["exec_a", "echo"], shell.url), ("two", ["exec_*", "add"], rest.url))
    gateway = make_gateway(None, *routes).start()
    client = asking(gateway.url)
    assert [text(client.ask("tools/call", {"name": name})) for name in ("exec_a", "exec_b", "add", "echo")] == [
        "shell:exec_a", "rest:exec_b", "rest:add", "shell:echo"]
    unknown = client.ask("tools/call", {"name": "nobodys"})
    assert code(unknown) == UNKNOWN and unknown.json()["error"]["message"] == "Unknown tool: nobodys"
    assert code(client.ask("tools/call", {})) == UNKNOWN
    assert "nobodys" not in shell.called_tools() + rest.called_tools()


DISGUISES = ["\uff45xec_a", "exec\u200b_a", "\u2060exec_a", "e\u00adxec_a", "\u202eexec_a", "exec_a\u0000", " exec_a", "ex\ufe0fec_a",
             "ｅｘｅｃ＿ａ", "𝐞𝐱𝐞𝐜_a", "exec\uff3fa", "run\u200d_x"]


@pytest.mark.parametrize("name", DISGUISES, ids=[ascii(name) for name in DISGUISES])
def test_a_disguised_name_reaches_no_other_owner(routed, shell, rest, name):
    gateway = routed()
    client = Client(gateway.url)
    for body in (json.dumps(call(name)), json.dumps(call(name), ensure_ascii=False)):
        reply = client.post(body.encode())
        # The readers of such a name differ in who owns it, or agree on the owner that its plain form has.
        assert "error" in reply.json() or text(reply).startswith("shell:")
    assert rest.called_tools() == []


def test_an_escaped_name_is_the_same_name(routed, shell, rest):
    client = Client(routed().url)
    body = json.dumps(call("exec_a")).replace("exec_a", "\\u0065xec_\\u0061").encode()
    assert text(client.post(body)) == "shell:exec_a"
    assert rest.called_tools() == []


# The list of tools

def test_the_lists_of_all_routes_are_one_in_their_order(routed, asking):
    client = asking(routed().url)
    reply = client.ask("tools/list", identifier="lïst")
    assert names(reply) == ["exec_a", "exec_b", "echo", "add"]
    assert reply.json()["id"] == "lïst"
    result = reply.json()["result"]
    assert "nextCursor" not in result
    assert result["tools"][0]["description"] == "does exec_a"
    if asking is Modern:
        assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")
    else:
        assert set(result) == {"tools"}


def test_a_route_lists_no_tool_that_it_does_not_own(make_gateway, asking):
    listed = ("exec_a", "echo", "\uff45xec_b", "exec\u200b_c", "add")
    with Served("shell", *listed) as shell, Served("rest", *listed) as rest:
        shell.has_sessions = rest.has_sessions = asking is Legacy
        routes = options_of(("shell", ["exec_*"], shell.url), ("rest", ["*"], rest.url))
        client = asking(make_gateway(None, *routes).start().url)
        assert names(client.ask("tools/list")) == ["exec_a", "echo", "add"]
        for name in ("exec_a", "echo", "add"):
            owner = "shell" if name == "exec_a" else "rest"
            assert text(client.ask("tools/call", {"name": name})) == f"{owner}:{name}"
        assert shell.called_tools() == ["exec_a"]


POLICY = """
version: v1
mode: enforce
rules:
  - name: r1
    match: {tools: [exec_b, add]}
    action: deny
  - name: r2
    match: {routes: [shell], tools: ["*"]}
    action: allow
  - name: r3
    match: {tools: [echo]}
    action: allow
  - name: r4
    match: {methods: ["tools/list"]}
    action: allow
"""


def test_the_merged_list_shows_what_its_reader_may_call(routed, asking, directory):
    path = f"{directory}/policy.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(POLICY)
    gateway = routed("--policy", path)
    client = asking(gateway.url)
    assert names(client.ask("tools/list")) == ["exec_a", "echo"]
    assert code(client.ask("tools/call", {"name": "exec_b"})) == UNKNOWN
    assert text(client.ask("tools/call", {"name": "exec_a"})) == "shell:exec_a"


def test_a_list_that_policy_denies_everywhere_is_denied(routed, asking, directory, shell, rest):
    path = f"{directory}/policy.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write('version: v1\nmode: enforce\nrules:\n  - name: tools\n    match: {tools: ["*"]}\n    action: allow\n')
    client = asking(routed("--policy", path).url)
    assert code(client.ask("tools/list")) == -31010
    assert shell.of("tools/list") == rest.of("tools/list") == []


def paged(*pages):
    """A list in pages; the cursor is what a server may well think of."""
    def handle(answer):
        place = int(answer.params.get("cursor", "\"0é\\")[1:-2])
        result = {"tools": [{"name": name} for name in pages[place]]}
        if place + 1 < len(pages):
            result["nextCursor"] = f"\"{place + 1}é\\"
        return answer.result(result)
    return handle


def test_pages_and_streams_of_a_server_become_one_list(routed, asking, shell, rest):
    def streamed(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        answer.event({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "not_this"}]}})
        return answer.last_event({"tools": [{"name": "echo", "x": 1.50}], "nextCursor": None})
    shell.handlers["tools/list"] = paged(["exec_a", "exec_b"], [], ["exec_b", "exec_c", "echo"], ["exec_a", "run_d"])
    rest.handlers["tools/list"] = streamed
    client = asking(routed().url)
    reply = client.ask("tools/list", {"_meta": {"progressToken": "mine"}})
    assert names(reply) == ["exec_a", "exec_b", "exec_c", "run_d", "echo"]
    assert b"1.5" in reply.body
    assert len(shell.of("tools/list")) == 4
    # The token is the gateway's upstream, as ever.
    assert all(answer.token != "mine" for answer in shell.of("tools/list"))


def test_a_cursor_that_was_never_given_is_refused(routed, asking, shell):
    client = asking(routed().url)
    assert code(client.ask("tools/list", {"cursor": "1"})) == UNKNOWN
    assert shell.of("tools/list") == []


def endless(answer):
    page = int(answer.params.get("cursor", 0))
    return answer.result({"tools": [{"name": f"exec_{page}"}], "nextCursor": str(page + 1)})


def huge(answer):
    return answer.result({"tools": [{"name": "exec_a", "description": "x" * (5 << 20)}]})


HOSTILE = {
    "endless": endless,
    "huge": huge,
    "broken": lambda answer: answer.send(200, b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[{"name":"exec_a"}]' % answer.id),
    "closing": lambda answer: answer.send(
        200, b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[{"name":"exec_a"}]}}]}}' % answer.id),
    "no list": lambda answer: answer.result({"tools": {"name": "exec_a"}}),
    "two lists": lambda answer: answer.result({"tools": [], "Tools": [{"name": "exec_a"}]}),
    "other cursor": lambda answer: answer.result({"tools": [{"name": "exec_a"}], "nextCursor": {"a": 1}}),
    "error": lambda answer: answer.error(200, -32000, "no"),
    "other answer": lambda answer: answer.send(200, b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"exec_a"}]}}'),
    "page": lambda answer: answer.send(200, b"<html>", kind="text/html"),
    "cut": lambda answer: answer.connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{") or False,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_route_is_left_out_of_the_list(routed, shell, kind):
    shell.handlers["tools/list"] = HOSTILE[kind]
    gateway = routed()
    client = Client(gateway.url)
    assert names(client.post(request("tools/list"))) == ["echo", "add"]
    assert len(shell.of("tools/list")) <= 64
    assert metric(gateway, "mcpgw_tool_lists_incomplete_total") == 1
    assert any("shell" in reason for reason in gateway.degraded())
    assert "shell" in gateway.log()
    # Its own tools can still be called, and it comes back by itself.
    assert text(client.call(tool="exec_a")) == "shell:exec_a"
    shell.handlers["tools/list"] = listing("exec_a")
    assert names(client.post(request("tools/list"))) == ["exec_a", "echo", "add"]
    assert not gateway.degraded()
    assert gateway.restarts() == {}


def test_a_slow_route_is_left_out_in_time(routed, shell):
    shell.handlers["tools/list"] = lambda answer: answer.wait_closed()
    client = Client(routed().url)
    with Connection(client.url, timeout=6) as connection:
        connection.send("POST", headers=client.fields(), body=json.dumps(request("tools/list")).encode())
        assert names(connection.receive()) == ["echo", "add"]


def test_a_server_without_tools_adds_none(routed, shell):
    shell.handlers["tools/list"] = lambda answer: answer.error(200, -32601, "Method not found")
    gateway = routed()
    assert names(Client(gateway.url).post(request("tools/list"))) == ["echo", "add"]
    assert not gateway.degraded()
    assert metric(gateway, "mcpgw_tool_lists_incomplete_total") == 0


# Dead routes

@pytest.mark.parametrize("dead", ["shell", "rest"])
def test_one_dead_server_degrades_and_breaks_nothing(routed, asking, shell, rest, dead):
    gone, left = (shell, rest) if dead == "shell" else (rest, shell)
    gateway = routed("--connect-timeout", "1s")
    gone.die()
    client = asking(gateway.url)
    own, others = ("echo", "exec_a") if left is rest else ("exec_a", "echo")
    assert text(client.ask("tools/call", {"name": own})) == f"{left.name}:{own}"
    assert code(client.ask("tools/call", {"name": others})) == UNAVAILABLE
    assert names(client.ask("tools/list")) == (["echo", "add"] if left is rest else ["exec_a", "exec_b"])
    ready = eventually(lambda: (lambda reply: reply if b"unreachable" in reply.body else None)(readyz(gateway)), "unreachable")
    assert ready.status == 200 and f"upstream {dead}: unreachable".encode() in ready.body
    assert any(dead in reason for reason in gateway.degraded())


def readyz(gateway):
    with Connection(gateway.metrics_url) as connection:
        connection.send("GET", "/readyz")
        return connection.receive()


def test_with_every_server_dead_the_client_is_told(routed, shell, rest):
    gateway = routed("--connect-timeout", "1s")
    client = Client(gateway.url)
    shell.die()
    rest.die()
    assert code(client.post(request("tools/list"))) == UNAVAILABLE
    assert code(Client(gateway.url, opens=False).post(hello())) == UNAVAILABLE
    eventually(lambda: readyz(gateway).status == 503, "not ready")


# Sessions

def test_a_client_has_one_session_and_each_server_one_of_it(routed, shell, rest):
    client = Client(routed().url, capabilities={"sampling": {}, "roots": {"listChanged": True}})
    assert rest.of("initialize") and not shell.of("initialize")
    capabilities = client.opening.json()["result"]["capabilities"]
    assert capabilities["tools"] == {"listChanged": True}
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: client.call(tool="exec_a", identifier=number), range(16)))
    assert [reply.json()["id"] for reply in replies] == list(range(16))
    assert {text(reply) for reply in replies} == {"shell:exec_a"}
    client.call()
    client.post(request("tools/list"))
    assert len(shell.of("initialize")) == len(rest.of("initialize")) == 1
    opening = shell.of("initialize")[0]
    assert opening.params["capabilities"] == {"sampling": {}, "roots": {"listChanged": True}}
    assert opening.params["protocolVersion"] == client.revision
    assert len(shell.of("notifications/initialized")) == len(rest.of("notifications/initialized")) == 1
    # In order: nothing is asked of a server before it knows the session.
    assert [one.name for one in shell.seen[:3]] == ["initialize", "notifications/initialized", "tools/call"]
    own = {one.session for one in shell.seen[1:]}, {one.session for one in rest.seen[1:]}
    assert len(own[0]) == len(own[1]) == 1 and own[0] != own[1]
    assert client.session not in own[0] | own[1]


@pytest.mark.parametrize("killed", ["shell", "rest", "ingress", "dialer"])
def test_the_death_of_a_worker_ends_no_session(routed, shell, rest, killed):
    gateway = routed()
    client = Client(gateway.url)
    for round_ in range(3):
        assert text(client.call(tool="exec_a")) == "shell:exec_a"
        assert text(client.call()) == "rest:echo"
        if killed in ("shell", "rest"):
            kill_route(gateway, killed)
        else:
            gateway.kill_and_wait(killed)
    assert names(client.post(request("tools/list"))) == ["exec_a", "exec_b", "echo", "add"]
    assert len(shell.of("initialize")) == len(rest.of("initialize")) == 1


def test_the_end_of_a_session_ends_it_everywhere(routed, shell, rest):
    client = Client(routed().url)
    client.call(tool="exec_a")
    assert client.delete().status == 200
    eventually(lambda: shell.of("DELETE") and rest.of("DELETE"), "both servers are told")
    assert not shell.live and not rest.live
    for reply in (client.call(tool="exec_a"), client.call(), client.delete()):
        assert reply.status == 404
    assert len(shell.of("initialize")) == len(rest.of("initialize")) == 1


def test_a_session_that_a_server_lost_is_opened_again_there(routed, shell, rest):
    client = Client(routed().url)
    client.call(tool="exec_a")
    shell.lose_sessions()
    assert text(client.call(tool="exec_a")) == "shell:exec_a"
    shell.lose_sessions()
    assert names(client.post(request("tools/list"))) == ["exec_a", "exec_b", "echo", "add"]
    assert len(shell.of("initialize")) == 3 and len(rest.of("initialize")) == 1


def test_servers_without_sessions_serve_a_session_too(make_gateway):
    with Served("a", "exec_a", sessions=False) as one, Served("b", "echo", sessions=False) as other:
        routes = options_of(("a", ["exec_*"], one.url), ("b", ["*"], other.url))
        gateway = make_gateway(None, *routes).start()
        client = Client(gateway.url)
        assert client.session
        assert [text(client.call(tool=name)) for name in ("exec_a", "echo", "exec_a")] == ["a:exec_a", "b:echo", "a:exec_a"]
        assert names(client.post(request("tools/list"))) == ["exec_a", "echo"]
        assert len(one.of("initialize")) == len(other.of("initialize")) == 1
        assert all(answer.session is None for answer in one.seen + other.seen)
        assert client.delete().status == 200
        assert client.call().status == 404
        # And without a session, as scripts do.
        assert text(Client(gateway.url, opens=False).call(tool="exec_a")) == "a:exec_a"


def test_a_server_that_opens_no_session_fails_its_own_calls(routed, shell, rest):
    shell.handlers["initialize"] = lambda answer: answer.error(200, -32000, "no")
    client = Client(routed().url)
    assert code(client.call(tool="exec_a")) == UNAVAILABLE
    assert text(client.call()) == "rest:echo"
    shell.handlers["initialize"] = shell.initialize
    assert text(client.call(tool="exec_a")) == "shell:exec_a"


def test_servers_of_different_revisions_serve_one_session(make_gateway, rest):
    with Served("old", "exec_a", revision="2025-06-18") as old:
        routes = options_of(("old", ["exec_*"], old.url), ("rest", ["*"], rest.url))
        client = Client(make_gateway(None, *routes).start().url)
        assert text(client.call(tool="exec_a")) == "old:exec_a"
        assert old.of("tools/call")[0].headers["mcp-protocol-version"] == "2025-06-18"
        client.call()
        assert rest.of("tools/call")[0].headers["mcp-protocol-version"] == "2025-11-25"
