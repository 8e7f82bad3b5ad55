"""Which fields of a client's head reach the upstream: those that mean something there, and none that the client meant for this hop alone."""

import pytest

from harness.http import Connection, tool_call
from harness.scripted import ScriptedUpstream

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b", "baggage": "c=d"}


@pytest.fixture
def heads(make_gateway):
    """Asks for the fields of a request as the upstream saw them."""
    with ScriptedUpstream(sessions=False) as upstream:
        gateway = make_gateway(upstream.url).start()

        def ask(fields, era="modern"):
            headers, body = tool_call("echo", {}, 1, era)
            with Connection(gateway.url) as connection:
                connection.send("POST", headers=[*headers, *fields.items()], body=body)
                assert connection.receive().status == 200
            return upstream.of("tools/call")[-1].headers
        yield ask


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_trace_context_is_forwarded(heads, era):
    seen = heads(TRACE, era)
    assert {name: seen.get(name) for name in TRACE} == TRACE


def test_parameters_are_forwarded_for_the_modern_era_only(heads):
    assert heads({"Mcp-Param-Region": "north"}).get("mcp-param-region") == "north"
    assert "mcp-param-region" not in heads({"Mcp-Param-Region": "north"}, "legacy")


@pytest.mark.parametrize("connection", ["traceparent, mcp-param-region", "keep-alive,TraceParent , MCP-Param-Region"])
def test_what_connection_names_ends_here(heads, connection):
    seen = heads({**TRACE, "Mcp-Param-Region": "north", "Connection": connection})
    assert "traceparent" not in seen and "mcp-param-region" not in seen
    assert seen["tracestate"] == "a=b"


def test_other_fields_end_here(heads):
    seen = heads({"Authorization": "Bearer secret", "Cookie": "a=b", "X-Forwarded-For": "::1", "Proxy-Secret": "s",
                  "Keep-Alive": "timeout=5", "TE": "trailers"})
    assert not {"authorization", "cookie", "x-forwarded-for", "proxy-secret", "keep-alive", "te"} & set(seen)
