"""What policy denies does not pass, in either direction, and both sides are told in a form they can go on from."""

import json
import os

import pytest

from harness.clients import TYPES, Client, Stream, call
from harness.http import MODERN, Connection
from harness.scripted import ScriptedUpstream
from harness.streams import LARGE

POLICY = """
version: v1
mode: enforce
rules:
  - name: no-secret-files
    match:
      tools: ["read_*"]
      arguments: {path: ["/etc/*", "*.pem"]}
    action: deny
  - name: no-shell
    match: {tools: ["exec_*"]}
    action: deny
    reason: Shells are not for agents.
  - name: no-vault
    match: {resources: ["vault://*"]}
    action: deny
  - name: no-internal-prompts
    match: {prompts: ["internal_*"]}
    action: deny
  - name: no-vendor-things
    match: {methods: ["notifications/vendor/thing"]}
    action: deny
  - name: no-sampling
    match: {methods: ["sampling/createMessage"]}
    action: deny
  - name: rest
    match: {methods: ["*"]}
    action: allow
response_patterns:
  - name: no-keys
    patterns: ["AKIA[0-9A-Z]{16}"]
"""
KEY = "AKIAIOSFODNN7EXAMPLE"
TOOLS = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in
         ("read_file", "exec_shell", "echo", "ехec_x", "exec_code")]


def listing(answer):
    lists = {
        "tools/list": {"tools": TOOLS, "ttlMs": 5, "cacheScope": "public", "resultType": "complete"},
        "prompts/list": {"prompts": [{"name": "internal_x"}, {"name": "open"}]},
        "resources/list": {"resources": [{"uri": "vault://a", "name": "a"}, {"uri": "file:///b", "name": "b"}, {"name": "none"}]},
        "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "vault://{x}", "name": "v"}]},
    }
    return answer.result(lists[answer.name])


def streamed(handler):
    """The same answer as the only event of a stream."""
    def handle(answer):
        answer.result = lambda result, fields=(): (answer.begin_events(fields), answer.last_event(result))[1]
        return handler(answer)
    return handle


def leak(answer):
    """A tool that says a key, other tools that do not."""
    text = KEY if answer.params["name"] == "leak" else json.dumps(answer.params.get("arguments"))
    return answer.text(("x" * LARGE if answer.params.get("arguments", {}).get("large") else "") + text)


LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


@pytest.fixture(params=["json", "events"])
def upstream(request):
    wrap = streamed if request.param == "events" else lambda handler: handler
    handlers = {name: wrap(listing) for name in LISTS} | {"tools/call": wrap(leak)}
    with ScriptedUpstream(handlers) as server:
        yield server


@pytest.fixture
def with_policy(make_gateway, directory):
    def make(upstream, text=POLICY, *options):
        path = os.path.join(directory, "policy.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return make_gateway(upstream.url, "--policy", path, *options).start()
    return make


def modern_request(method, params=None, identifier=1, fields=()):
    """Headers and body of a request of the modern era."""
    params = dict(params or {})
    params["_meta"] = {
        "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}
    headers = [*TYPES, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), *fields]
    if "name" in params or "uri" in params:
        headers.append(("Mcp-Name", params.get("name", params.get("uri"))))
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if identifier is not None:
        message["id"] = identifier
    return headers, json.dumps(message).encode()


class Modern:
    """The modern era by hand: no session, one connection a request."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, params=None, identifier=1, fields=()):
        headers, body = modern_request(method, params, identifier, fields)
        with Connection(self.url) as connection:
            connection.send("POST", headers=headers, body=body)
            return connection.receive()


class Legacy:
    def __init__(self, url, **options):
        self.client = Client(url, **options)

    def ask(self, method, params=None, identifier=1):
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if identifier is not None:
            message["id"] = identifier
        return self.client.post(message)


ERAS = {"legacy": Legacy, "modern": Modern}


@pytest.fixture(params=ERAS)
def era(request):
    return request.param


@pytest.fixture
def asker(era, upstream, with_policy):
    upstream.has_sessions = era == "legacy"
    gateway = with_policy(upstream)
    client = ERAS[era](gateway.url)
    client.gateway = gateway
    return client


def denial(reply):
    """What an agent's model is told in place of a result."""
    result = reply.json()["result"]
    assert reply.status == 200 and result["isError"] is True
    assert result["_meta"]["mcpgw/denial"]["type"] == "policy_denied"
    return result["content"][0]["text"]


def test_a_call_that_no_rule_denies_passes(asker, upstream):
    reply = asker.ask("tools/call", {"name": "read_file", "arguments": {"path": "/srv/x"}}, 7)
    assert reply.json()["id"] == 7 and "/srv/x" in reply.json()["result"]["content"][0]["text"]


@pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "/srv/../etc/passwd", "/srv/key.pem", ["a", "/etc/x"]])
def test_a_call_denied_for_its_arguments_is_a_result_that_the_model_reads(asker, upstream, path):
    reply = asker.ask("tools/call", {"name": "read_file", "arguments": {"path": path}}, "id-1")
    assert reply.json()["id"] == "id-1"
    text = denial(reply)
    assert "denied" in text and "no-secret-files" not in reply.body.decode()
    assert upstream.of("tools/call") == []


def test_a_tool_that_may_not_be_used_is_unknown(asker, upstream, era):
    reply = asker.ask("tools/call", {"name": "exec_shell", "arguments": {}}, 3)
    assert reply.status == (400 if era == "modern" else 200)
    assert reply.json()["id"] == 3
    assert reply.json()["error"]["code"] == -32602
    assert reply.json()["error"]["message"] == "Unknown tool: exec_shell"
    assert upstream.of("tools/call") == []


@pytest.mark.parametrize("method, params", [
    ("resources/read", {"uri": "vault://a"}), ("resources/read", {"uri": "VAULT://a/../b".lower()}),
    ("prompts/get", {"name": "internal_x", "arguments": {}})])
def test_other_requests_are_errors(asker, upstream, era, method, params):
    reply = asker.ask(method, params)
    assert reply.status == (403 if era == "modern" else 200)
    error = reply.json()["error"]
    assert error["code"] == -31010 and error["data"]["type"] == "policy_denied" and "rule" not in error["data"]
    assert upstream.of(method) == []


def test_a_denied_notification_is_dropped(asker, upstream, era):
    reply = asker.ask("notifications/vendor/thing", {}, None)
    assert reply.status == (403 if era == "modern" else 202)
    asker.ask("tools/call", {"name": "echo", "arguments": {}})
    assert upstream.of("notifications/vendor/thing") == []


@pytest.mark.parametrize("method, member, names", [
    ("tools/list", "tools", ["read_file", "echo", "ехec_x"]), ("prompts/list", "prompts", ["open"]),
    ("resources/list", "resources", ["b"]), ("resources/templates/list", "resourceTemplates", [])])
def test_lists_hold_what_the_caller_may_use(asker, method, member, names):
    result = asker.ask(method).json()["result"]
    assert [item["name"] for item in result[member]] == names
    assert result.get("cacheScope", "private") == "private"


@pytest.mark.parametrize("large", [False, True])
def test_an_answer_with_what_no_answer_may_hold_is_withheld(asker, large):
    reply = asker.ask("tools/call", {"name": "leak", "arguments": {"large": large}}, 5)
    assert KEY.encode() not in reply.body
    assert "withheld" in denial(reply) and reply.json()["id"] == 5
    assert asker.ask("tools/call", {"name": "echo", "arguments": {"a": 1}}).json()["result"]["content"][0]["text"] == '{"a": 1}'


def test_denials_are_counted_and_the_policy_is_no_degradation(asker):
    asker.ask("tools/call", {"name": "exec_shell"})
    asker.ask("tools/list")
    metrics = asker.gateway.metrics()
    assert sum(value for name, value in metrics.items() if name.startswith("mcpgw_messages_denied_total")) == 1
    assert sum(value for name, value in metrics.items() if name.startswith("mcpgw_list_items_withheld_total")) == 2
    assert asker.gateway.status()["degraded"] == []


def test_messages_are_counted_by_method_outcome_and_rule(asker):
    def sample(name, *labels):
        return sum(value for key, value in asker.gateway.metrics().items()
                   if key.startswith(name + "{") and all(label in key for label in labels))

    before = sample("mcpgw_request_duration_seconds_count")
    asker.ask("tools/call", {"name": "exec_shell"})
    asker.ask("tools/call", {"name": "echo"})
    asker.ask("vendor/odd")
    assert sample("mcpgw_requests_total", 'method="tools/call"', 'action="block"') == 1
    assert sample("mcpgw_requests_total", 'method="tools/call"', 'action="allow"') == 1
    assert sample("mcpgw_requests_total", 'method="other"') == 1
    assert sample("mcpgw_rule_decisions_total", 'rule="no-shell"') == 1
    assert sample("mcpgw_rule_decisions_total", 'rule="rest"') >= 2
    assert sample("mcpgw_request_duration_seconds_count") == before + 3
    assert sample("mcpgw_request_duration_seconds_bucket", 'le="+Inf"') == before + 3
    assert 0 < sample("mcpgw_request_duration_seconds_sum") < 60
    assert asker.gateway.metrics()["mcpgw_policy_loaded"] == 1


@pytest.fixture
def plain():
    with ScriptedUpstream({"tools/call": leak}, sessions=False) as server:
        yield server


@pytest.mark.parametrize("field, passes", [("/etc/passwd", False), ("/srv/a", True), ("=?base64?L2V0Yy9wYXNzd2Q=?=", False)])
def test_an_argument_in_a_header_is_an_argument(plain, with_policy, field, passes):
    client = Modern(with_policy(plain).url)
    reply = client.ask("tools/call", {"name": "read_file", "arguments": {"path": "/srv/a"}}, fields=[("Mcp-Param-Path", field)])
    assert bool(plain.of("tools/call")) == passes
    if not passes:
        denial(reply)


def test_rules_beyond_the_first_128_are_counted_together(plain, with_policy):
    rules = "".join(f"- {{name: r{number}, match: {{tools: [t{number}]}}, action: allow}}\n" for number in range(140))
    gateway = with_policy(plain, "version: v1\nrules:\n" + rules)
    client = Modern(gateway.url)
    for number in range(120, 140):
        assert client.ask("tools/call", {"name": f"t{number}", "arguments": {}}).status == 200
    counted = {key: value for key, value in gateway.metrics().items() if key.startswith("mcpgw_rule_decisions_total{") and value}
    assert sorted(counted.values()) == [1] * 8 + [12]
    assert {value for key, value in counted.items() if 'rule="(others)"' in key} == {12}


def test_a_policy_in_audit_mode_denies_nothing_and_says_so(plain, with_policy):
    gateway = with_policy(plain, POLICY.replace("mode: enforce", "mode: audit"))
    reply = Modern(gateway.url).ask("tools/call", {"name": "leak", "arguments": {}})
    assert KEY in reply.json()["result"]["content"][0]["text"]
    assert any("audit" in reason for reason in gateway.status()["degraded"])


def test_what_no_rule_allows_is_denied(plain, with_policy):
    gateway = with_policy(plain, "version: v1\nrules:\n- {name: one, match: {tools: [echo]}, action: allow}\n")
    client = Modern(gateway.url)
    assert client.ask("tools/call", {"name": "echo", "arguments": {}}).status == 200
    assert client.ask("tools/call", {"name": "other", "arguments": {}}).json()["error"]["code"] == -32602
    assert client.ask("resources/read", {"uri": "a:b"}).json()["error"]["code"] == -31010
    assert client.ask("server/discover").status == 200


def test_a_large_call_is_decided_like_a_small_one(plain, with_policy):
    client = Modern(with_policy(plain).url)
    arguments = {"padding": "p" * LARGE, "path": "/etc/passwd"}
    denial(client.ask("tools/call", {"name": "read_file", "arguments": arguments}))
    arguments["path"] = "/srv/a"
    assert client.ask("tools/call", {"name": "read_file", "arguments": arguments}).status == 200
    assert len(plain.of("tools/call")) == 1


def test_each_message_of_a_batch_has_its_own_verdict(with_policy):
    with ScriptedUpstream(revision="2025-03-26") as upstream:
        client = Client(with_policy(upstream).url, "2025-03-26")
        reply = client.post([call("echo", {"text": "a"}, 1), call("exec_shell", {}, 2), call("read_file", {"path": "/etc/x"}, 3)])
        answers = {answer["id"]: answer for answer in reply.json()}
        assert "result" in answers[1] and "isError" not in answers[1]["result"]
        assert answers[2]["error"]["code"] == -32602
        assert answers[3]["result"]["isError"] is True
        assert [one.params["name"] for one in upstream.of("tools/call")] == ["echo"]


def test_a_request_of_the_server_that_policy_denies_is_answered_in_the_clients_stead(with_policy):
    asked = {"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}

    def ask(answer):
        answer.begin_events()
        answer.event(asked)
        upstream.wait("answer")
        return answer.last_event({"content": []})

    with ScriptedUpstream({"tools/call": ask}) as upstream:
        client = Client(with_policy(upstream).url, capabilities={"sampling": {}})
        with client.stream(call()) as stream:
            assert [message.get("id") for message in stream.messages()] == [1]
        refused = upstream.of("answer")[0].message
        assert refused["id"] == "s1" and refused["error"]["code"] == -31010


def test_a_stream_taken_up_again_is_inspected_as_what_it_may_be(with_policy):
    def break_off(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}, ["id: e1"])
        asked.append(answer.id)
        return False

    def resume(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "id": asked[-1], "result": results[-1]}, ["id: e2"])
        return answer.end_events()

    asked, results = [], []
    with ScriptedUpstream({"tools/list": break_off, "tools/call": break_off, "GET": resume}) as upstream:
        client = Client(with_policy(upstream, POLICY.replace("    patterns:", "    tools: [leak]\n    patterns:")).url)
        for message, result in [
                ({"jsonrpc": "2.0", "id": 8, "method": "tools/list"}, {"tools": TOOLS}),
                (call("leak", {}, 9), {"content": [{"type": "text", "text": KEY}]})]:
            results.append(result)
            with client.stream(message) as stream:
                identifier = next(line[3:].strip() for line in stream.block().split(b"\n") if line.startswith(b"id:"))
            connection = Connection(client.url)
            connection.send("GET", headers=[*client.fields(), ("Last-Event-ID", identifier.decode())])
            with Stream(connection) as stream:
                answer = stream.message()
            assert answer["id"] == message["id"]
            if "tools" in result:
                assert [tool["name"] for tool in answer["result"]["tools"]] == ["read_file", "echo", "ехec_x"]
            else:
                assert answer["error"]["code"] == -31010 and KEY not in json.dumps(answer)


def test_the_result_of_a_task_is_searched_for_what_its_tool_must_not_say(with_policy):
    result = {"content": [{"type": "text", "text": KEY}]}
    text = POLICY.replace("    patterns:", "    tools: [leak]\n    patterns:")
    with ScriptedUpstream({"tasks/result": lambda answer: answer.result(result)}) as upstream:
        reply = Legacy(with_policy(upstream, text).url).ask("tasks/result", {"taskId": "t"})
        assert reply.json()["error"]["code"] == -31010 and KEY.encode() not in reply.body


@pytest.mark.parametrize("result", [
    {"tools": {"0": TOOLS[1]}}, {"tools": [], "Tools": TOOLS}, {"tools": [{"name": "echo", "Name": "exec_shell"}]}])
def test_a_list_that_some_clients_read_otherwise_is_not_handed_on(with_policy, result):
    with ScriptedUpstream({"tools/list": lambda answer: answer.result(result)}, sessions=False) as upstream:
        reply = Modern(with_policy(upstream).url).ask("tools/list")
        assert b"exec_shell" not in reply.body
