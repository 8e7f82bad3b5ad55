"""What the gateway says in a server's place is what the protocol's schema allows, in every form and revision."""

import jsonschema
import pytest

from harness.clients import Client
from harness.http import MODERN
from harness.matrix_messages import schema, validate
from harness.routes import Served, ask_modern, options_of, request

POLICY = """
version: v1
mode: enforce
rules:
  - name: no-secret-files
    match: {tools: ["read_*"], arguments: {path: ["/etc/*"]}}
    action: deny
  - name: no-prompts
    match: {prompts: ["*"]}
    action: deny
  - name: rest
    match: {methods: ["*"]}
    action: allow
"""


def validate_as(form, value, revision):
    content = schema(revision)
    group = "$defs" if "$defs" in content else "definitions"
    whole = {"$schema": content["$schema"], group: content[group], "$ref": f"#/{group}/{form}"}
    jsonschema.validators.validator_for(whole)(whole).validate(value)


@pytest.fixture
def two(make_gateway, directory, revision):
    """A gateway with a policy in front of two servers: one has `read_file`, the other the rest."""
    with open(f"{directory}/policy.yaml", "w", encoding="utf-8") as file:
        file.write(POLICY)
    speaks = {"revision": revision, "sessions": revision != MODERN}
    with Served("files", "read_file", **speaks) as files, Served("home", "echo", **speaks) as home:
        options = options_of(("files", ["read_*"], files.url), ("home", ["*"], home.url))
        yield make_gateway(None, *options, "--policy", f"{directory}/policy.yaml").start(), files


@pytest.mark.parametrize("era, revision", [("legacy", "2025-11-25"), ("legacy", "2025-06-18"), ("legacy", "2025-03-26"), ("modern", MODERN)])
def test_denials_merged_lists_and_the_handshake_of_a_second_server_are_valid(two, era, revision):
    gateway, files = two
    client = Client(gateway.url, revision) if era == "legacy" else None

    def ask(method, params):
        if client:
            return client.post(request(method, params)).json()
        return ask_modern(gateway.url, method, params).json()

    denied = ask("tools/call", {"name": "read_file", "arguments": {"path": "/etc/shadow"}})
    assert denied["result"]["isError"] is True and not files.called_tools()
    listed = ask("tools/list", {})
    assert "result" in listed, listed
    assert {one["name"] for one in listed["result"]["tools"]} == {"echo", "read_file"}
    assert "result" in ask("tools/call", {"name": "read_file", "arguments": {"path": "/srv/x"}})
    for form, answer in [("CallToolResult", denied), ("ListToolsResult", listed)]:
        validate(answer, revision, to_server=False)
        validate_as(form, answer["result"], revision)
    refused = ask("prompts/get", {"name": "secret"})
    assert refused["error"]["code"] == -31010
    validate(refused, revision, to_server=False)
    # What the second server was sent is the gateway's own, the handshake of the session included.
    assert files.seen and (era == "modern" or files.of("initialize"))
    for one in files.seen:
        if one.method == "POST":
            validate(one.message, revision, to_server=True)
