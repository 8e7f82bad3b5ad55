"""Several servers behind one endpoint: what passes between a client and a server beside calls and answers stays between these two."""

import json

import pytest

from harness.clients import Client, Stream, call
from harness.eventually import eventually
from harness.http import Connection
from harness.routes import Served, code, kill_route, names, options_of, request, text
from harness.servers import explore

SAMPLING = {"sampling": {}, "roots": {}}
ASKED = {"jsonrpc": "2.0", "id": 7, "method": "roots/list"}


def opened(answer):
    """A call whose stream is open until the test ends it; `echo` and its like answer at once."""
    if not answer.params["name"].endswith("open"):
        return answer.text(answer.params["name"])
    answer.begin_events()
    answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "begun"}})
    return answer.wait_closed()


@pytest.fixture
def shell():
    with Served("shell", "exec_open", handlers={"tools/call": opened}) as server:
        yield server


@pytest.fixture
def rest():
    with Served("rest", "open", handlers={"tools/call": opened}) as server:
        yield server


@pytest.fixture
def gateway(make_gateway, shell, rest):
    routes = options_of(("shell", ["exec_*"], shell.url), ("rest", ["*"], rest.url))
    return make_gateway(None, *routes).start()


def begin(client, tool, identifier=1, token=None):
    stream = client.stream(call(tool, identifier=identifier, token=token))
    assert stream.message()["params"]["data"] == "begun"
    return stream


def cancelled(identifier):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identifier}}


@pytest.mark.parametrize("tool", ["open", "exec_open"])
def test_a_cancellation_reaches_the_server_that_has_the_call(gateway, shell, rest, tool):
    own, other = (shell, rest) if tool == "exec_open" else (rest, shell)
    client, stranger = Client(gateway.url), Client(gateway.url)
    with begin(client, tool, "c"):
        assert stranger.post(cancelled("c")).status == 202
        assert client.post(cancelled("d")).status == 202
        assert client.post(cancelled("c")).status == 202
        told = own.wait("notifications/cancelled")
        assert told.params["requestId"] == own.of("tools/call")[0].id
    assert len(own.of("notifications/cancelled")) == 1
    assert other.of("notifications/cancelled") == []


def test_the_same_id_in_flight_at_two_servers_stays_apart(gateway, shell, rest):
    # Not legal, but a client's own affair: each answer is that of its own stream.
    client = Client(gateway.url)
    with begin(client, "open", 5, "t") as one, begin(client, "exec_open", 5, "t") as two:
        for server, stream in ((rest, one), (shell, two)):
            asked = server.of("tools/call")[0]
            asked.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                "progressToken": asked.token, "progress": 1, "message": server.name}})
            asked.last_event({"content": [{"type": "text", "text": server.name}]})
            progress, answer = stream.messages()
            assert progress["params"] == {"progressToken": "t", "progress": 1, "message": server.name}
            assert answer["id"] == 5 and answer["result"]["content"][0]["text"] == server.name


def test_progress_that_belongs_to_another_servers_call_is_dropped(gateway, shell, rest):
    client = Client(gateway.url)
    with begin(client, "open", 1, "rest's") as one, begin(client, "exec_open", 2, "shell's") as two:
        asked, other = rest.of("tools/call")[0], shell.of("tools/call")[0]
        other.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
            "progressToken": asked.token, "progress": 1}})
        other.event({"jsonrpc": "2.0", "id": asked.id, "result": {"content": []}})
        other.last_event({"content": []})
        asked.last_event({"content": []})
        assert [message["id"] for message in two.messages()] == [2]
        assert [message["id"] for message in one.messages()] == [1]


@pytest.mark.parametrize("asker", ["shell", "rest"])
def test_a_servers_request_is_answered_to_that_server_only(gateway, shell, rest, asker):
    own, other = (shell, rest) if asker == "shell" else (rest, shell)
    client, stranger = Client(gateway.url, capabilities=SAMPLING), Client(gateway.url, capabilities=SAMPLING)
    client.call(tool="exec_x")
    with begin(client, "exec_open" if asker == "shell" else "open") as stream:
        own.of("tools/call")[-1].event(ASKED)
        asked = stream.message()
        assert asked["method"] == "roots/list" and asked["id"] != 7
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}
        # Neither another session, nor another number, nor one that no route makes.
        assert stranger.post(answer).status == 202
        for number in (asked["id"] + 1, asked["id"] + 1024, asked["id"] ^ 1023, 7, -1, str(asked["id"]), 1 << 60, 1.5e3):
            assert client.post({**answer, "id": number}).status in (202, 200)
        assert own.of("answer") == []
        assert client.post(answer).status == 202
        assert own.wait("answer").message == {**answer, "id": 7}
        assert client.post(answer).status == 202
    assert len(own.of("answer")) == 1 and other.of("answer") == []


@pytest.mark.parametrize("tool", ["exec_cut", "cut"])
@pytest.mark.parametrize("kills", [False, True])
def test_a_stream_is_taken_up_again_at_the_server_it_came_from(gateway, shell, rest, tool, kills):
    def cut(answer):
        answer.begin_events()
        answer.raw_events(b"id: place\ndata:\n\n")
        return answer.end_events()

    def resume(server):
        def handle(answer):
            answer.begin_events()
            if answer.headers.get("last-event-id") == "place":
                answer.event({"jsonrpc": "2.0", "id": server.of("tools/call")[-1].id, "result": {"content": []}})
            return answer.end_events()
        return handle

    for server in (shell, rest):
        server.handlers |= {"tools/call": cut, "GET": resume(server)}
    own, other = (shell, rest) if tool == "exec_cut" else (rest, shell)
    client = Client(gateway.url)
    with client.stream(call(tool, identifier="mine")) as stream:
        last = stream.block().split(b"id: ")[1].split(b"\n")[0].decode()
    if kills:
        kill_route(gateway, own.name)
    with Connection(client.url) as connection:
        connection.send("GET", headers=[*client.fields(), ("Last-Event-ID", last)])
        assert [message["id"] for message in Stream(connection).messages()] == ["mine"]
    assert len(own.of("GET")) == 1 and other.of("GET") == []


def test_the_stream_of_server_messages_is_the_home_routes(gateway, shell, rest):
    client = Client(gateway.url)
    client.call(tool="exec_x")
    with client.listen() as stream:
        rest.wait_stream().event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        assert stream.message()["method"] == "notifications/tools/list_changed"
    assert shell.of("GET") == []


def test_a_clients_notification_reaches_every_server_it_uses_and_no_other(gateway, shell, rest):
    notice = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    client = Client(gateway.url, capabilities=SAMPLING)
    assert client.post(notice).status == 202
    rest.wait("notifications/roots/list_changed")
    assert shell.seen == []
    client.call(tool="exec_x")
    assert client.post(notice).status == 202
    shell.wait("notifications/roots/list_changed")
    rest.wait("notifications/roots/list_changed", 2)


def test_other_methods_go_to_the_home_route(gateway, shell, rest):
    client = Client(gateway.url)
    plain = ["ping", "prompts/list", "resources/list", "resources/templates/list", "vendor/thing", "logging/setLevel", "completion/complete",
             "resources/subscribe", "resources/unsubscribe", "tasks/list"]
    parameters = {
        "logging/setLevel": {"level": "info"}, "resources/subscribe": {"uri": "exec://a"}, "resources/unsubscribe": {"uri": "exec://a"},
        "completion/complete": {"ref": {"type": "ref/prompt", "name": "exec_prompt"}, "argument": {"name": "a", "value": "b"}}}
    for method in plain:
        assert client.post(request(method, parameters.get(method))).status == 200
    assert client.post(request("prompts/get", {"name": "exec_prompt"})).status == 200
    assert client.post(request("resources/read", {"uri": "exec://a"})).status == 200
    assert [one.name for one in rest.seen[2:]] == [*plain, "prompts/get", "resources/read"]
    assert shell.seen == []


def test_each_message_of_a_batch_has_its_own_route(make_gateway):
    with (Served("a", "exec_a", revision="2025-03-26") as one, Served("b", "echo", revision="2025-03-26") as other):
        routes = options_of(("a", ["exec_*"], one.url), ("b", ["echo"], other.url))
        client = Client(make_gateway(None, *routes).start().url, "2025-03-26")
        reply = client.post([
            call("exec_a", identifier=1), call("echo", identifier=2), request("tools/list", identifier=3), call("none", identifier=4),
            cancelled(99), {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}, request("ping", identifier=5),
            {"jsonrpc": "2.0", "id": 12, "result": {}}])
        answers = {answer["id"]: answer for answer in reply.json()}
        assert set(answers) == {1, 2, 3, 4, 5} and len(reply.json()) == 5
        assert answers[1]["result"]["content"][0]["text"] == "a:exec_a"
        assert answers[2]["result"]["content"][0]["text"] == "b:echo"
        assert [tool["name"] for tool in answers[3]["result"]["tools"]] == ["exec_a", "echo"]
        assert answers[4]["error"]["code"] == -32602
        assert one.called_tools() == ["exec_a"] and other.called_tools() == ["echo"]


def test_a_client_that_leaves_a_list_leaves_nothing_behind(gateway, shell, rest):
    shell.handlers["tools/list"] = lambda answer: answer.wait_closed()
    client = Client(gateway.url)
    connection = client.start(request("tools/list"))
    shell.wait("tools/list")
    connection.close()
    eventually(lambda: gateway.metrics()['mcpgw_exchanges_in_flight{role="ingress",name="ingress"}'] == 0, "nothing in flight")
    assert names(client.post(request("tools/list"))) == ["open"]


# Real servers and clients

CALLS = ('echo={"text":"grüße \\u0000"}', 'add={"a":2,"b":40}', 'slow={"steps":4}', 'big={"size":300000}', 'fail={"reason":"x"}')


@pytest.mark.parametrize("client", ["legacy", "modern:legacy", "modern:2026-07-28", "modern:auto"])
@pytest.mark.parametrize("framing", [(), ("--json", "--stateless")], ids=["sse", "json"])
def test_real_servers_share_one_endpoint(make_gateway, demo_server, client, framing):
    first, second = demo_server("sdk2", *framing), demo_server("fastmcp", *framing)
    routes = options_of(("sdk2", ["add", "slow"], first.url), ("fastmcp", ["*"], second.url))
    gateway = make_gateway(None, *routes).start()
    seen = explore(client, gateway.url, *CALLS)
    direct = explore(client, second.url, *CALLS)
    assert [tool["name"] for tool in seen["tools"]] == ["add", "slow", "echo", "big", "fail", "exec_shell"]
    own = {tool["name"]: tool for tool in explore(client, first.url)["tools"]} | {
        tool["name"]: tool for tool in direct["tools"] if tool["name"] not in ("add", "slow")}
    assert seen["tools"] == [own[tool["name"]] for tool in seen["tools"]]
    texts = [[block["text"] for block in one["result"]["content"]] for one in seen["calls"][:4]]
    assert texts == [[block["text"] for block in one["result"]["content"]] for one in direct["calls"][:4]]
    assert seen["calls"][4]["result"]["isError"]
    if not framing:
        assert seen["calls"][2]["progress"] == [[1, 4], [2, 4], [3, 4], [4, 4]]
    assert (seen["server"], seen["resources"], seen["prompt"]) == (direct["server"], direct["resources"], direct["prompt"])
    assert not gateway.degraded()
