"""Fixtures: the binary under test, gateways, servers, and a fast upstream compiled on the spot."""

import os
import shutil
import subprocess
import tempfile

import pytest

from harness import processes
from harness.gateway import Gateway
from harness.refusal import Refusal
from harness.servers import CHECKOUT, FastUpstream, Server


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root; contrib/check runs it as root too"))


@pytest.fixture(scope="session", autouse=True)
def orphans_come_here():
    processes.adopt_orphans()


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("MCPGW_BINARY", os.path.join(CHECKOUT, ".build", "release", "mcpgw"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no program at {path}: contrib/build makes it, MCPGW_BINARY names another", pytrace=False)
    return path


@pytest.fixture
def directory():
    """A directory any user may pass through, with a short name: a socket's path has at most 107 bytes."""
    path = tempfile.mkdtemp(prefix="mcpgw-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def session_directory():
    path = tempfile.mkdtemp(prefix="mcpgw-session-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def upstream_program(session_directory):
    program = os.path.join(session_directory, "upstream")
    subprocess.run(
        ["gcc", "-O2", "-o", program, os.path.join(CHECKOUT, "contrib", "bench", "upstream.c")], check=True)
    return program


@pytest.fixture(scope="session")
def fast_upstream(upstream_program):
    server = FastUpstream(upstream_program)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def demo_server(session_directory):
    """Starts each kind of demo server once, when a test first asks for it."""
    running = {}

    def start(kind, *options):
        if (kind, options) not in running:
            running[kind, options] = Server(kind, session_directory, *options)
        return running[kind, options]

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture
def make_gateway(binary, directory):
    """Makes gateways (not yet started); at the end each must be gone without a trace."""
    made = []

    def make(upstream, *options, **settings):
        own = os.path.join(directory, str(len(made)))
        os.mkdir(own)
        os.chmod(own, 0o755)
        made.append(Gateway(binary, own, upstream, *options, **settings))
        return made[-1]

    yield make
    failures = []
    for gateway in made:
        try:
            gateway.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def refusal(binary, directory):
    return Refusal(binary, directory)


@pytest.fixture
def gateway(make_gateway, fast_upstream):
    """A gateway in front of the fast upstream, ready."""
    return make_gateway(fast_upstream.url).start()
