"""Real clients and real servers see through the gateway exactly what they see without it."""

import pytest

from harness.load import Load
from harness.servers import explore

CALLS = ('echo={"text":"grüße \\u0000 \U0001f600"}', 'add={"a":2,"b":40}', 'slow={"steps":4}', 'big={"size":300000}',
         'fail={"reason":"on purpose"}')

SAME_ERA = [
    *(("legacy", server) for server in ("sdk1", "sdk2", "fastmcp")),
    *(("modern:legacy", server) for server in ("sdk1", "sdk2", "fastmcp")),
    *((f"modern:{mode}", server) for mode in ("2026-07-28", "auto") for server in ("sdk2", "fastmcp")),
]
FRAMINGS = {"sse": (), "json": ("--json", "--stateless")}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("client, server", SAME_ERA)
def test_a_client_sees_through_the_gateway_what_it_sees_directly(client, server, framing, demo_server, make_gateway):
    upstream = demo_server(server, *FRAMINGS[framing])
    direct = explore(client, upstream.url, *CALLS)
    # The direct exchange is what it should be, or equality would prove nothing.
    assert [tool["name"] for tool in direct["tools"]] == ["echo", "add", "big", "slow", "fail", "exec_shell"]
    assert [call["result"]["isError"] for call in direct["calls"]] == [False, False, False, False, True]
    assert direct["calls"][1]["result"]["content"] == [{"type": "text", "text": "42"}]
    if framing == "sse":
        assert direct["calls"][2]["progress"] == [[1, 4], [2, 4], [3, 4], [4, 4]]

    gateway = make_gateway(upstream.url).start()
    assert explore(client, gateway.url, *CALLS) == direct


def test_several_clients_of_both_eras_at_once_each_get_their_own_answers(demo_server, make_gateway):
    from concurrent.futures import ThreadPoolExecutor

    upstream = demo_server("fastmcp")
    url = make_gateway(upstream.url).start().url
    clients = ["legacy", "modern:legacy", "modern:2026-07-28", "modern:auto"]
    with ThreadPoolExecutor(len(clients)) as pool:
        seen = list(pool.map(
            lambda numbered: explore(numbered[1], url, f'add={{"a":{numbered[0]},"b":1000}}'), enumerate(clients)))
    assert [one["calls"][0]["result"]["content"][0]["text"] for one in seen] == ["1000", "1001", "1002", "1003"]


def test_an_upstream_is_found_by_its_name(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url.replace("127.0.0.1", "localhost")).start()
    with Load(gateway.url, connections=4) as load:
        load.more_served()
    assert load.bad() == {}, load.samples
    assert all(worker["restarts"] == 0 for worker in gateway.workers().values())
