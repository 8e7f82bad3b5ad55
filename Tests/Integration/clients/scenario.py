"""What a client of the matrix does, written once for both SDKs: each feature gives what the client observed as JSON.

Only what is random by nature is left out: identifiers that the client never shows to its caller, and cursors. The adapters
(`matrix_sdk1.py`, `matrix_sdk2.py`) translate to the SDK's own calls; this file imports the standard library only,
so that it runs in either environment.
"""

import argparse
import asyncio
import hashlib
import json
import os
import urllib.error
import urllib.request
from contextlib import suppress

# How long anything may take before a run gives up, in seconds. It bounds a failure; it measures nothing.
DEADLINE = 12


class Failure(Exception):
    """An error answer, as the client got it."""

    def __init__(self, code, message, data):
        super().__init__(f"{code} {message}")
        self.seen = {"code": code, "message": message, "data": data}


class Inbox:
    """What came without having been asked for, in the order of its coming."""

    def __init__(self):
        self.items = []
        self.news = asyncio.Condition()

    async def add(self, kind, content):
        async with self.news:
            self.items.append([kind, content])
            self.news.notify_all()

    async def take(self, count, kind=None):
        """The first `count` items (of that kind): waits for them and takes them out."""
        def found():
            return [item for item in self.items if kind is None or item[0] == kind]
        async with self.news:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait_for(lambda: len(found()) >= count), DEADLINE)
            taken = found()[:count]
            self.items = [item for item in self.items if item not in taken]
        return taken

    def rest(self):
        """What is left, taken out."""
        left, self.items = self.items, []
        return left


class Journal:
    """Asks the upstream itself what it saw, past every gateway."""

    def __init__(self, url, key):
        self.url, self.key = url, key

    async def ask(self, **query):
        text = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in {"key": self.key, **query}.items())

        def get():
            with urllib.request.urlopen(f"{self.url}?{text}", timeout=2 * DEADLINE) as reply:
                return json.load(reply)
        return await asyncio.to_thread(get)

    async def wait(self, text, beyond=0):
        """Waits for an entry beyond those that were there, and says how often it stands there now; 0 if it never came."""
        seen = await self.ask(wait=text, beyond=str(beyond))
        count = (seen["notes"] + seen["http"]).count(text)
        return count if count > beyond else 0


async def failure_of(awaitable):
    """The error a call ends with, or what it returned instead."""
    try:
        return {"no error": await awaitable}
    except Failure as failure:
        return {"error": failure.seen}


# Features: each takes the connected client and returns what it observed.

async def greeting(client):
    return {"greeting": client.greeting}


async def tools(client):
    pages, cursor = [], None
    while True:
        page = await client.list("tools", cursor)
        cursor = page.pop("nextCursor", None)
        pages.append(page)
        if cursor is None:
            return {"pages": pages}


async def calls(client):
    text = "grüße \u0000 \U0001f600 \u2028 \\ \" </script>"
    return {
        "echo": await client.call("echo", {"text": text}),
        "empty": await client.call("echo", {"text": ""}),
        "add": await client.call("add", {"a": 2, "b": 40}),
        "structured": await client.call("weather", {"city": "Zürich"}),
        "media": await client.call("media", {}),
        "header arguments": await client.call("regional", {"region": "eu wést", "count": 7}),
        "failed": await client.call("fail", {"reason": "on purpose"}),
    }


async def errors(client):
    return {
        "unknown tool": await failure_of(client.call("nothing_of_that_name", {})),
        "wrong arguments": await failure_of(client.call("add", {"a": "no number", "b": []})),
        "missing arguments": await failure_of(client.call("add", {})),
        "unknown method": await failure_of(client.raw("matrix/nothing", {"a": 1})),
        "unknown resource": await failure_of(client.read("demo://nowhere")),
        "unknown cursor": await failure_of(client.list("tools", "no cursor of yours")),
        "unknown prompt": await failure_of(client.prompt("nothing_of_that_name", {})),
        # Whoever reads it first answers it, in his own words: invalid request, invalid params, or a head that lacks the name.
        "bad params": (await failure_of(client.raw("tools/call", {"name": 5})))["error"]["code"] in (-32600, -32602, -32020),
        "still alive": await client.call("add", {"a": 1, "b": 1}),
    }


def digest(text):
    return [len(text), hashlib.sha256(text.encode()).hexdigest()]


async def big(client):
    # Below the 1 MiB that SDK 2 takes as one event.
    result = await client.call("big", {"size": 1_000_000})
    assert len(result["content"]) == 1
    return {
        "result": digest(result["content"][0]["text"]),
        "argument": (await client.call("length", {"text": "ä" * 500_000}))["content"],
    }


async def resources(client):
    return {
        "list": await client.list("resources"),
        "text": await client.read("demo://greeting"),
        "bytes": await client.read("demo://pixel"),
    }


async def templates(client):
    return {"list": await client.list("templates"), "read": await client.read("demo://user/ada%20l")}


async def prompts(client):
    return {
        "list": await client.list("prompts"),
        "filled": await client.prompt("summarise", {"topic": "gateways", "style": "poetic"}),
        "bare": await client.prompt("greet", None),
    }


async def completion(client):
    return {
        "prompt": await client.complete({"type": "ref/prompt", "name": "summarise"}, "topic", "ga", None),
        "context": await client.complete(
            {"type": "ref/prompt", "name": "summarise"}, "style", "p", {"topic": "gates"}),
        "template": await client.complete({"type": "ref/resource", "uri": "demo://user/{name}"}, "name", "ad", None),
    }


async def logging(client):
    client.inbox.rest()
    await client.set_level("warning")
    result = await client.say("warning")
    some = await client.inbox.take(2, "log")
    await client.set_level("debug")
    await client.say("debug")
    return {"result": result, "from warning": some, "from debug": await client.inbox.take(4, "log")}


async def progress(client):
    seen = []
    result = await client.call("steps", {"count": 4}, progress=seen)
    await wait_until(lambda: len(seen) >= 4)
    client.inbox.rest()
    # A token of the caller's own, and of the other type: it has to come back as it was.
    named = await client.call("steps", {"count": 2}, token="tökén 7")
    by_name = await client.inbox.take(2, "progress")
    numbered = await client.call("steps", {"count": 2}, token="7")
    by_number = await client.inbox.take(2, "progress")
    return {"result": result, "own": seen, "named": named, "by name": by_name, "numbered": numbered, "by number": by_number}


async def sampling(client):
    client.inbox.rest()
    return {"result": await client.call("ask_model", {"question": "Why?"}), "asked": await client.inbox.take(1, "sampling"),
            "two at once": await client.call("ask_twice", {}),
            "both asked": sorted(await client.inbox.take(2, "sampling"), key=json.dumps)}


async def elicitation(client):
    client.inbox.rest()
    return {
        "accepted": await client.call("ask_user", {"question": "Name?"}),
        "declined": await client.call("ask_user", {"question": "decline"}),
        "cancelled": await client.call("ask_user", {"question": "cancel"}),
        "refused": await failure_of(client.call("ask_user", {"question": "error"})),
        "asked": await client.inbox.take(4, "elicitation"),
    }


async def roots(client):
    client.inbox.rest()
    await client.listening()
    return {"result": await client.call("ask_roots", {}), "asked": await client.inbox.take(1, "roots")}


async def ping(client):
    await client.listening()
    return {"client to server": await client.ping(), "server to client": await client.call("ask_ping", {})}


async def subscriptions(client):
    """Subscribes to a resource and later no more; a last announcement shows that nothing else came in between."""
    await client.listening()
    client.inbox.rest()
    own = f"demo://{client.journal.key}"
    await client.call("change", {"what": own})
    first = await client.subscribe(own)
    await client.call("change", {"what": own})
    updated = await client.inbox.take(1)
    last = await client.unsubscribe(own)
    await client.call("change", {"what": own})
    await client.call("change", {"what": "tools"})
    return hide(own, {"subscribed": first, "updated": updated, "unsubscribed": last, "then": await client.inbox.take(1)})


async def list_changes(client):
    await client.listening()
    client.inbox.rest()
    seen = []
    for what in ("tools", "resources", "prompts"):
        await client.call("change", {"what": what})
        seen += await client.inbox.take(1)
    return {"seen": seen}


async def cancellation(client):
    """Gives up a call that runs: the server has to learn of it, and the connection serves on."""
    given_up = await client.give_up("hang", {"key": client.journal.key}, after=client.journal.wait("hang started"))
    return {
        "call": given_up,
        "cancelled at the server": await client.journal.wait("hang cancelled"),
        "still alive": await client.call("add", {"a": 1, "b": 1}),
    }


async def resumption(client):
    """The server cuts the stream of a call, then that of the session: the client comes back for what it has missed."""
    seen = []
    result = await client.call("interrupted", {"key": client.journal.key}, progress=seen)
    await wait_until(lambda: len(seen) >= 3)
    await client.listening()
    client.inbox.rest()
    # An event has to have come, or the client has nothing to come back with.
    await client.call("change", {"what": "tools"})
    before = await client.inbox.take(1)
    resumed = (await client.journal.ask())["http"].count("caught up")
    await client.call("cut_session_stream", {})
    missed = await client.inbox.take(1)
    assert await client.journal.wait("caught up", beyond=resumed)
    await client.call("change", {"what": "resources"})
    return {"result": result, "progress": seen, "session": [*before, *missed, *await client.inbox.take(1)]}


async def rounds(client):
    """Results that ask for more: the SDK answers by itself, then by hand to see what was on the way."""
    client.inbox.rest()
    booked = await client.call("book", {"place": "Rome"})
    asked = [await client.inbox.take(1, kind) for kind in ("elicitation", "sampling", "roots")]
    first = await client.first_round("book", {"place": "Oslo"})
    state = first.pop("requestState", None)
    return {"booked": booked, "asked": asked, "first round": first, "has state": isinstance(state, str) and state != "",
            "only state": await client.call("wait_once", {}),
            "forged state": await failure_of(client.second_round("book", {"place": "Oslo"}, "forged"))}


async def listen(client):
    """`subscriptions/listen`: its acknowledgement, each kind of event, and the end by the client."""
    own = f"demo://{client.journal.key}"
    return hide(own, await client.listen_to(own, ["tools", "prompts", "resources", own]))


def hide(text, value):
    """The value with a text of this run alone replaced: runs are to be compared."""
    return json.loads(json.dumps(value).replace(text, "RUN"))


async def wait_until(condition):
    """For what an SDK hands over in a task of its own, after the result."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.005)


FEATURES = {feature.__name__: feature for feature in (
    greeting, tools, calls, errors, big, resources, templates, prompts, completion, logging, progress, sampling, elicitation,
    roots, ping, subscriptions, list_changes, cancellation, resumption, rounds, listen)}


async def run(connect, target):
    """One run: connects, goes through the features, leaves. `connect` gives the adapter for a target.

    A feature that fails is a text in its place; the others still run, but for a connection that is broken.
    """
    journal = Journal(target["journal"], f"key-{os.urandom(8).hex()}")
    seen = {}
    try:
        async with asyncio.timeout(8 * DEADLINE), connect(target, journal) as client:
            if client.has_session():
                await client.call("name_session", {"key": journal.key})
            for name in target["features"]:
                if name == "delete":
                    continue
                try:
                    async with asyncio.timeout(2 * DEADLINE):
                        seen[name] = await FEATURES[name](client)
                except Exception as error:
                    seen[name] = f"failed: {describe(error)}"
            session = client.session_id()
    except Exception as error:
        return {**seen, "run": f"failed: {describe(error)}"}
    if "delete" in target["features"]:
        seen["delete"] = await deleted(target, journal, session)
    return seen


async def deleted(target, journal, session):
    """After the client left: the server had its DELETE, and the session's id is worth nothing any more."""
    at_server = await journal.wait("DELETE 200")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    request = urllib.request.Request(target["url"], body, {
        "content-type": "application/json", "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25", "mcp-session-id": session or "none"})

    def send():
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code
    return {"at the server": at_server, "afterwards": await asyncio.to_thread(send)}


def describe(error):
    """An exception with everything below it: groups hide what happened."""
    if isinstance(error, BaseExceptionGroup):
        return f"{error!r}: [{'; '.join(describe(one) for one in error.exceptions)}]"
    return repr(error)


def main(connect):
    """Reads targets (`[{name, url, journal, features}]`) as JSON, runs one after the other, prints what each client saw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", type=json.loads)
    options = parser.parse_args()

    async def all_runs():
        return {target["name"]: await run(connect, target) for target in options.targets}
    print(json.dumps(asyncio.run(all_runs())))
