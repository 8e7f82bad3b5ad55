"""What an upstream saw, so that a test can ask the server itself: notes of its tools, and HTTP requests by session.

Served beside the MCP endpoints, on the server's own address: questions about the server never go through the gateway.
"""

import asyncio
import json
from urllib.parse import parse_qs

# How long a question waits for what it asks about, in seconds. It bounds a failure.
PATIENCE = 15

# The entry of a stream that was asked for again and has caught up.
RESUMED = "caught up"


class Journal:
    def __init__(self):
        self.notes = {}
        self.requests = {}
        self.sessions = {}
        self.news = asyncio.Condition()

    async def note(self, key, text):
        """Remembers a note under the key that a client made up for its run."""
        self.notes.setdefault(key, []).append(text)
        await self._wake()

    def name_session(self, key, session):
        """From now on the HTTP requests of that session are found under the key."""
        self.sessions[key] = session

    async def request(self, session, description):
        self.requests.setdefault(session, []).append(description)
        await self._wake()

    async def _wake(self):
        async with self.news:
            self.news.notify_all()

    def of(self, key):
        return {"notes": self.notes.get(key, []), "http": self.requests.get(self.sessions.get(key), [])}

    def count(self, key, text):
        seen = self.of(key)
        return seen["notes"].count(text) + seen["http"].count(text)

    async def wait(self, key, text, beyond=0):
        """Waits until the text is there, as a note or a request, more than `beyond` times; says whether it came."""
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(lambda: self.count(key, text) > beyond), PATIENCE)
            except TimeoutError:
                pass
        return self.count(key, text) > beyond

    async def answer(self, scope, send):
        """`/journal?key=K` tells all; with `&wait=TEXT&beyond=N` it waits until the text is there more than N times."""
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        if "wait" in query:
            await self.wait(query["key"], query["wait"], int(query.get("beyond", 0)))
        body = json.dumps(self.of(query["key"])).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    def watch(self, app):
        """Wraps an ASGI application: notes each request that names a session, once its answer begins."""
        async def watched(scope, receive, send):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
            session = headers.get("mcp-session-id")
            if scope["type"] != "http" or session is None:
                await app(scope, receive, send)
                return

            async def noted(event):
                resumes = " resuming" if "last-event-id" in headers else ""
                if event["type"] == "http.response.start":
                    await self.request(session, f"{scope['method']}{resumes} {event['status']}")
                await send(event)
                if resumes and b"\ndata: \r" in event.get("body", b""):
                    # An event without data, after what was missed: from now on the stream gets what is new.
                    await self.request(session, RESUMED)

            await app(scope, receive, noted)

        return watched
