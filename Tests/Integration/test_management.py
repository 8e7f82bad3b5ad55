"""The management listener: what is open, what needs the key, and that no socket is open to other hosts without a credential."""

import socket

import pytest

from harness.http import Connection, get, tool_call
from harness.keys import ALICE, configuration, entry, shown
from test_bad_input import listen_fds

KEY = "management-key-0123456789"
KEYED = {"MCPGW_METRICS_API_KEY": KEY}
OPEN = ["/healthz", "/readyz", "/metrics"]
FORMS = [("X-API-Key", KEY), ("Authorization", f"Bearer {KEY}"), ("authorization", f"ApiKey {KEY}")]
WRONG = [[], [("X-API-Key", KEY[:-1])], [("X-API-Key", KEY + "x")], [("X-API-Key", "")], [("Authorization", KEY)],
         [("Authorization", f"Basic {KEY}")], [("X-API-Key", KEY), ("Authorization", f"Bearer {KEY}")], shown(ALICE)]


def challenged(reply):
    return reply.status == 401 and reply.headers["www-authenticate"] == 'Bearer realm="mcpgw"' and KEY.encode() not in reply.body


def test_health_and_metrics_are_open_on_loopback_and_the_rest_needs_the_key(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, environment=KEYED).start()
    url = gateway.metrics_url
    for path in OPEN:
        assert get(url, path).status == get(url, path, [FORMS[0]]).status == 200
    for path in ("/", "/status", "/api/audit/export", "/metrics/", "/METRICS"):
        assert all(challenged(get(url, path, fields)) for fields in WRONG), path
        assert all(get(url, path, [field]).status == 404 for field in FORMS), path
    # A web page is refused whatever it shows.
    assert get(url, "/metrics", [FORMS[0], ("Origin", "http://evil.example")]).status == 403
    assert KEY not in gateway.log()


@pytest.mark.parametrize("passed", [False, True], ids=["own socket", "passed socket"])
def test_where_other_hosts_reach_the_listener_everything_needs_the_key(make_gateway, fast_upstream, passed):
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))
        one.listen()
        if passed:
            gateway = make_gateway(
                fast_upstream.url, metrics=None, inherited=[one],
                environment={**KEYED, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "metrics"})
        else:
            gateway = make_gateway(fast_upstream.url, metrics="0.0.0.0:0", environment=KEYED)
        gateway.start()
        url = f"http://127.0.0.1:{gateway.address('metrics').rpartition(':')[2]}"
        for path in [*OPEN, "/", "/status"]:
            assert all(challenged(get(url, path, fields)) for fields in WRONG), path
        # By any name: a page rebound to this host cannot show the key.
        for field in FORMS:
            assert [get(url, path, [field, ("Host", "gateway.example")]).status for path in OPEN] == [200, 200, 200]
        # After a crash the successor is as strict.
        gateway.kill_and_wait("console")
        assert challenged(get(url, "/metrics")) and get(url, "/metrics", [FORMS[0]]).status == 200


def test_without_a_key_other_hosts_may_not_reach_it(refusal):
    message = refusal.proxy("--metrics-addr", "0.0.0.0:0")
    assert "--metrics-addr" in message and "metrics.api_key" in message


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("name, remedy", [("mcp", "auth.api_keys"), ("metrics", "metrics.api_key")])
def test_a_passed_socket_that_other_hosts_reach_is_refused_without_a_credential(refusal, directory, name, remedy, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as one:
        one.bind((address, 0))
        one.listen()
        # The other listener's credential does not help.
        options = configuration(directory, [entry("alice", ALICE)]) if name == "metrics" else []
        given = listen_fds("1", one.fileno(), names=name)
        given["environment"].update(KEYED if name == "mcp" else {})
        message = refusal.proxy(*options, without=[{"mcp": "--listen", "metrics": "--metrics-addr"}[name]], **given)
        assert remedy in message and str(one.getsockname()[1]) in message and "other hosts" in message


def test_with_keys_a_passed_socket_that_other_hosts_reach_is_served(make_gateway, fast_upstream, directory):
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))
        one.listen()
        gateway = make_gateway(
            fast_upstream.url, *configuration(directory, [entry("alice", ALICE)]), listen=None, inherited=[one],
            environment={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "mcp"}).start()
        headers, body = tool_call("echo", {}, 1, "legacy")
        foreign = [*shown(ALICE), ("Origin", "http://evil.example")]
        for fields, status in ((shown(ALICE), 200), ([], 401), (shown(ALICE + "x"), 401), (foreign, 403)):
            # By whatever name or address other hosts know it.
            for host in ("127.0.0.1", "localhost:9090", "gateway.example"):
                with Connection(f"http://127.0.0.1:{one.getsockname()[1]}/mcp") as connection:
                    connection.send("POST", headers=[("Host", host), *headers, *fields], body=body)
                    assert connection.receive().status == status, (fields, host)
