"""The tools, resources and prompts of the demo servers, and how they are served: one catalogue for three frameworks."""

import argparse
import os
import socket

import uvicorn


def register(server, Context):
    """Adds the catalogue to `server`, whose decorators all three frameworks share; `Context` is the framework's own."""

    @server.tool()
    def echo(text: str) -> str:
        """Returns the text it was given."""
        return text

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two whole numbers."""
        return a + b

    @server.tool()
    def big(size: int) -> str:
        """Returns a text of that many characters, different at every position a reader may get wrong."""
        pattern = "0123456789abcdefghijklmnopqrstuvwxyz"
        return (pattern * (size // len(pattern) + 1))[:size]

    @server.tool()
    async def slow(steps: int, ctx: Context) -> str:
        """Reports progress that many times, then returns."""
        for step in range(steps):
            await ctx.report_progress(step + 1, steps)
        return f"{steps} steps"

    @server.tool()
    def fail(reason: str) -> str:
        """Fails always: its result is an error."""
        raise ValueError(reason)

    @server.tool()
    def exec_shell(command: str) -> str:
        """Runs a command on this host. The demo server only says which."""
        return f"would run: {command}"

    @server.resource("demo://greeting")
    def greeting() -> str:
        """A fixed text."""
        return "Hello from the demo server."

    @server.resource("demo://user/{name}")
    def user(name: str) -> str:
        """A text made from the address."""
        return f"User {name}"

    @server.prompt()
    def summarise(topic: str) -> str:
        """Asks for a summary."""
        return f"Summarise {topic} in one sentence."


def serve(make_app):
    """Serves `make_app(json_response, stateless)` at /mcp on loopback and says where, once connections are taken.

    The address goes to standard output as one line, and to `--url-file` if named: nobody has to guess a port.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--url-file", help="the file the address is written to")
    parser.add_argument("--json", action="store_true", help="answer with JSON instead of an event stream")
    parser.add_argument("--stateless", action="store_true", help="issue no session ids")
    options = parser.parse_args()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    # Listening before the server runs: a client that reads the address may connect at once and waits in the backlog.
    listener.listen(512)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    config = uvicorn.Config(
        make_app(options.json, options.stateless), log_level="error", access_log=False, timeout_graceful_shutdown=2)
    print(url, flush=True)
    if options.url_file:
        # By rename: a reader sees the whole address or no file.
        partial = options.url_file + ".part"
        with open(partial, "w", encoding="ascii") as file:
            file.write(url + "\n")
        os.rename(partial, options.url_file)
    uvicorn.Server(config).run(sockets=[listener])
