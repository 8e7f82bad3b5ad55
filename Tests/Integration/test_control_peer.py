"""`mcpgw status` and `mcpgw reload` ask the daemon, and nobody who sits in its place."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from harness.gateway import NOBODY

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
# Listens as another user, and answers whoever asks.
IMPOSTOR = f"""
import os, socket, sys
os.setgid({NOBODY}); os.setuid({NOBODY})
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall({ANSWER!r})
    connection.close()
"""


def ask(binary, command, place):
    return subprocess.run([binary, command, "--runtime-dir", place], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


@pytest.fixture
def impostor(directory):
    """Listens at a control socket in a directory that belongs to another user."""
    processes = []

    def listen(mode):
        parent = os.path.join(directory, "parent")
        place = os.path.join(parent, "mcpgw")
        os.makedirs(place)
        os.chmod(parent, mode)
        os.chown(place, NOBODY, NOBODY)
        process = subprocess.Popen([sys.executable, "-c", IMPOSTOR, os.path.join(place, "control.sock")],
                                   stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return place
    yield listen
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.root
@pytest.mark.parametrize("command", ["status", "reload"])
def test_another_user_in_the_daemons_place_is_not_believed(binary, impostor, command):
    result = ask(binary, command, impostor(0o1777))
    assert result.returncode == 2 and f"is user {NOBODY}" in result.stderr and not result.stdout, result


@pytest.mark.root
@pytest.mark.parametrize("mode, believed", [(0o755, True), (0o775, False)])
def test_root_believes_the_user_to_whom_it_gave_the_directory(binary, impostor, mode, believed):
    result = ask(binary, "status", impostor(mode))
    assert (result.returncode, f"is user {NOBODY}" in result.stderr) == ((1, False) if believed else (2, True)), result


@pytest.mark.root
def test_root_asks_a_daemon_that_runs_as_another_user(binary, make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url).start()
    assert "ready" in ask(binary, "status", gateway.runtime_directory).stdout
    assert ask(binary, "reload", gateway.runtime_directory).stdout.startswith("generation 1: nothing changed")


@pytest.mark.parametrize("command", ["status", "reload"])
def test_an_answer_without_an_end_is_given_up(binary, directory, command):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(directory, "control.sock"))
        listener.listen()
        sent = []

        def flood():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                try:
                    for _ in range(64):
                        connection.sendall(bytes(1 << 20))
                        sent.append(1)
                except OSError:
                    pass
        thread = threading.Thread(target=flood)
        thread.start()
        result = ask(binary, command, directory)
        thread.join()
    assert result.returncode == 2 and "says more than any daemon" in result.stderr, result
    assert len(sent) < 20
