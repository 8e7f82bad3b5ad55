"""Starts of the gateway that it must refuse."""

import os
import subprocess

from .eventually import eventually
from .gateway import private_directory, unprivileged
from .processes import of_session, reap

UPSTREAM = "http://127.0.0.1:8080/mcp"


class Refusal:
    """Starts that must fail. Each is given directories that would do."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.state = private_directory(os.path.join(directory, "state"))
        self.runtime = private_directory(os.path.join(directory, "run"))

    def proxy(self, *options, upstream=UPSTREAM, without=(), **settings):
        defaults = {"--upstream": upstream, "--listen": "127.0.0.1:0", "--metrics-addr": "127.0.0.1:0",
                    "--state-dir": self.state, "--runtime-dir": self.runtime}
        defaults = {name: value for name, value in defaults.items() if name not in (*options, *without) and value}
        command = ["proxy", *(word for pair in defaults.items() for word in pair)]
        return self.run(*command, *options, **settings)

    def run(self, *arguments, environment=None, launcher=(), as_root=False, descriptors=()):
        """The one message of a start that is refused with exit status 2."""
        process = subprocess.Popen(
            [*launcher, self.binary, *arguments], env={"PATH": os.environ["PATH"], **(environment or {})}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            pass_fds=descriptors, **({} if as_root else unprivileged()))
        try:
            output, message = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            # Only the supervisor: what it started ends with it, and is reaped here.
            process.kill()
            output, message = process.communicate()
            eventually(lambda: reap(of_session(process.pid)) or not of_session(process.pid), "everything gone")
            raise AssertionError(f"{arguments} was not refused:\n{output}{message}") from None
        assert process.returncode == 2, f"exit status {process.returncode}:\n{output}{message}"
        assert output == ""
        assert len(message.strip().splitlines()) == 1, f"one message:\n{message}"
        assert of_session(process.pid) == []
        return message
