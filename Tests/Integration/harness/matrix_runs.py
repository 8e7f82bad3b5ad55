"""Starts what the matrix needs, as late as possible and once: upstreams, gateways, and one client process for each pair."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from .eventually import eventually
from .gateway import Gateway
from .matrix_table import CLIENTS, SERVERS, VARIANTS, features_of
from .servers import python

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Client processes at a time: as many as the processors of the smallest machine the tests are for.
AT_ONCE = 2


class Upstream:
    """All variants of one kind of server, in one process."""

    def __init__(self, kind, directory):
        self.url_file = os.path.join(directory, f"matrix-{kind}.url")
        self.log_path = self.url_file + ".log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [python(SERVERS[kind]), os.path.join(TESTS, "servers", f"matrix_{kind}.py"), "--url-file", self.url_file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=quiet())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def base(self):
        """The address before /VARIANT/mcp, once connections are taken."""
        def announced():
            assert self.process.poll() is None, self.log()
            return os.path.exists(self.url_file)
        eventually(announced, lambda: f"the address of an upstream; its log:\n{self.log()}", deadline=60)
        with open(self.url_file, encoding="ascii") as file:
            return file.read().strip()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def quiet():
    """The environment of a program in the source tree: it is not to leave compiled files there."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def run_client(client, targets):
    """Runs a client of the matrix against targets, one after the other; gives what it saw by the targets' names."""
    settings = CLIENTS[client]
    command = [python(settings["python"]), os.path.join(TESTS, "clients", settings["program"]),
               json.dumps([{**target, "mode": settings["mode"]} for target in targets])]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env=quiet())
    assert result.returncode == 0, f"{client} failed:\n{result.stderr[-6000:]}"
    return json.loads(result.stdout)


class Matrix:
    """Use it as a context manager. `seen` gives what the client of a pair observed, without the gateway and through it."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.upstreams, self.gateways, self.results = {}, {}, {}
        self.pool = ThreadPoolExecutor(AT_ONCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown(cancel_futures=True)
        failures = []
        for gateway in self.gateways.values():
            try:
                gateway.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        for upstream in self.upstreams.values():
            upstream.stop()
        assert not failures, "\n".join(failures)

    def upstream(self, kind):
        if kind not in self.upstreams:
            self.upstreams[kind] = Upstream(kind, self.directory)
        return self.upstreams[kind]

    def gateway(self, server, variant):
        if (server, variant) not in self.gateways:
            own = os.path.join(self.directory, f"{server}-{variant}")
            os.mkdir(own, 0o755)
            url = f"{self.upstream(server).base()}/{variant}/mcp"
            self.gateways[server, variant] = Gateway(self.binary, own, url).start()
        return self.gateways[server, variant]

    def start(self, pairs):
        """Lets the pairs run, in order, while tests wait for what they need first."""
        for _, server in pairs:
            self.upstream(server)
        for client, server in pairs:
            targets = []
            for variant in VARIANTS:
                features = features_of(client, server, variant)
                if not features:
                    continue
                base = self.upstream(server).base()
                common = {"journal": f"{base}/journal", "features": features}
                targets.append({**common, "name": f"{variant} direct", "url": f"{base}/{variant}/mcp"})
                targets.append({**common, "name": f"{variant} through", "url": self.gateway(server, variant).url})
            self.results[client, server] = self.pool.submit(run_client, client, targets)

    def seen(self, client, server, variant):
        result = self.results[client, server].result()
        return result[f"{variant} direct"], result[f"{variant} through"]
