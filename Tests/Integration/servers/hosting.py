"""Serves several variants of one MCP server from one process: each framework is imported once, not once a variant."""

import argparse
import contextlib
import os
import socket

import uvicorn

from journal import Journal

# In milliseconds: what the resumable variant tells its clients to wait before they come back.
RETRY_INTERVAL = 40

VARIANTS = {
    # The usual server: sessions, answers as event streams.
    "plain": {},
    # Answers as one JSON text.
    "json": {"json": True},
    # No session ids.
    "stateless": {"stateless": True},
    # Events have ids and can be asked for again.
    "resumable": {"resumable": True},
}


def serve(make_app):
    """Serves `make_app(path, journal, json, stateless, resumable)` at /VARIANT/mcp on loopback, the journal at /journal.

    The address goes to `--url-file` once connections are taken.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--url-file", required=True)
    options = parser.parse_args()

    journal = Journal()
    apps = {}
    for name, variant in VARIANTS.items():
        choices = {"json": False, "stateless": False, "resumable": False, **variant}
        apps[f"/{name}/mcp"] = make_app(f"/{name}/mcp", journal, **choices)
    watched = {path: journal.watch(app) for path, app in apps.items()}

    async def route(scope, receive, send):
        if scope["type"] == "lifespan":
            await live(apps.values(), receive, send)
        elif scope["path"] == "/journal":
            await journal.answer(scope, send)
        elif scope["path"] in watched:
            await watched[scope["path"]](scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    partial = options.url_file + ".part"
    with open(partial, "w", encoding="ascii") as file:
        file.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    os.rename(partial, options.url_file)
    config = uvicorn.Config(route, log_level="error", access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


async def live(apps, receive, send):
    """Runs the lifespans of all applications inside the one of the server."""
    assert (await receive())["type"] == "lifespan.startup"
    async with contextlib.AsyncExitStack() as stack:
        for app in apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


class Events:
    """The memory of a resumable server; an SDK's `EventStore` is to be a base beside it."""

    def __init__(self):
        self.stored = []

    async def store_event(self, stream_id, message):
        self.stored.append((stream_id, message))
        return f"event-{len(self.stored)}"

    async def replay_after(self, event_message, last_event_id, send_callback):
        """Sends what came on the same stream after that event, with the SDK's own `EventMessage`."""
        number = int(last_event_id.removeprefix("event-"))
        stream = self.stored[number - 1][0]
        for later, (stream_id, message) in enumerate(self.stored[number:], number + 1):
            if stream_id == stream and message is not None:
                await send_callback(event_message(message, f"event-{later}"))
        return stream
