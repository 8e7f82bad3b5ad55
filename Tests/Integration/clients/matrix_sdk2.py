"""The client of the matrix with version 2 of the MCP SDK, in the mode the target names: `legacy`, or a modern revision."""

import asyncio
import warnings
from contextlib import asynccontextmanager

import mcp_types as types
from adapter import CommonAdapter, plain
from scenario import DEADLINE, main, wait_until
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError, MCPDeprecationWarning

warnings.simplefilter("ignore", MCPDeprecationWarning)
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class AnyRequest(types.Request[dict, str]):
    """A request whose method the SDK does not know."""


class Adapter(CommonAdapter):
    types, error_answer = types, MCPError

    def __init__(self, journal):
        super().__init__(journal)
        self.seen_session = None
        # Which requests have their answer, or the beginning of its events: by their bodies.
        self.answered = []

    @classmethod
    @asynccontextmanager
    async def connect(cls, target, journal):
        self = cls(journal)
        mode = target["mode"]
        async with Client(
                watched(target["url"], self), mode="auto" if mode != "legacy" else mode,
                read_timeout_seconds=2 * DEADLINE, sampling_callback=self.on_sampling,
                elicitation_callback=self.on_elicitation, list_roots_callback=self.on_roots,
                logging_callback=self.on_log, message_handler=self.on_message, cache=None,
                client_info=types.Implementation(name="matrix", version="1")) as self.client:
            session = self.client.session
            self.greeting = plain(session.initialize_result or session.discover_result)
            assert mode == "legacy" or self.client.protocol_version == mode, self.client.protocol_version
            yield self

    def session_id(self):
        return self.seen_session

    def has_session(self):
        return self.seen_session is not None

    # What comes from the server

    async def on_message(self, message):
        match message:
            case types.LoggingMessageNotification():
                pass
            case types.ProgressNotification():
                await self.inbox.add("progress", plain(message.params))
            case Exception():
                await self.inbox.add("exception", repr(message))
            case _:
                await self.inbox.add("notification", plain(message))

    # What the scenario asks for

    async def list(self, kind, cursor=None):
        listing = {"tools": self.client.list_tools, "resources": self.client.list_resources,
                   "templates": self.client.list_resource_templates, "prompts": self.client.list_prompts}[kind]
        return await self._send(listing(cursor=cursor))

    async def call(self, name, arguments, progress=None, token=None, meta=None):
        async def note(done, total, message):
            progress.append([done, total, message])
        if token is not None:
            # The SDK's name of the member; on the wire it is `progressToken`.
            meta = {"progress_token": token}
        return await self._send(self.client.call_tool(
            name, arguments, progress_callback=note if progress is not None else None, meta=meta))

    async def raw(self, method, params):
        request = AnyRequest(method=method, params=params)
        return await self._send(self.client.session.send_request(request, types.Result))

    async def read(self, uri):
        return await self._send(self.client.read_resource(uri))

    async def ping(self):
        return await self._send(self.client.session.send_ping())

    @property
    def modern(self):
        return self.client.protocol_version >= "2026"

    async def set_level(self, level):
        if not self.modern:
            return await self._send(self.client.session.set_logging_level(level))

    async def say(self, level):
        # Modern: each request says for itself what it wants to hear.
        return await self.call("say", {}, meta={LOG_LEVEL: level} if self.modern else None)

    async def subscribe(self, uri):
        return await self._send(self.client.subscribe_resource(uri))

    async def unsubscribe(self, uri):
        return await self._send(self.client.unsubscribe_resource(uri))

    async def listening(self):
        """Returns when the stream of the session is open at the server."""
        if not self.modern:
            assert await self.journal.wait("GET 200")

    async def give_up(self, name, arguments, after):
        call = asyncio.ensure_future(self.call(name, arguments))
        assert await after
        # The SDK tells the server when its caller is cancelled.
        call.cancel()
        try:
            return {"no error": await call}
        except asyncio.CancelledError:
            pass
        if not self.modern:
            # The server still answers, and this SDK fails if it is left at that very moment.
            await wait_until(lambda: any(f'"{name}"'.encode() in body for body in self.answered))
        return "cancelled"

    async def first_round(self, name, arguments):
        return await self._send(self.client.session.call_tool(name, arguments, allow_input_required=True))

    async def second_round(self, name, arguments, state):
        return await self._send(self.client.session.call_tool(
            name, arguments, request_state=state, allow_input_required=True,
            input_responses={"who": types.ElicitResult(action="accept", content={"name": "Eve"})}))

    async def listen_to(self, uri, changes):
        seen = []
        async with self.client.listen(
                tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True,
                resource_subscriptions=[uri]) as subscription:
            honored = plain(subscription.honored)
            # A second stream, with a narrower filter, must get only its own.
            async with self.client.listen(resource_subscriptions=[uri]) as narrow:
                for what in changes:
                    await self.call("change", {"what": what})
                    seen.append(event(await asyncio.wait_for(anext(subscription), DEADLINE)))
                only = event(await asyncio.wait_for(anext(narrow), DEADLINE))
        # What the streams carried names the stream it came on; the SDK counts them, here they get names.
        names = {subscription.subscription_id: "wide", narrow.subscription_id: "narrow"}
        carried = [[names.get(one["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "unknown"), one["method"]]
                   for _, one in await self.inbox.take(len(changes) + 1, "notification")]
        return {"honored": honored, "events": seen, "narrow": only, "carried": sorted(carried)}


def event(one):
    return [type(one).__name__, one.uri if isinstance(one, ResourceUpdated) else None]


@asynccontextmanager
async def watched(url, adapter):
    """The SDK's own transport, with an eye on what comes back: the SDK keeps its session's id to itself."""
    async def look(response):
        adapter.seen_session = response.headers.get("mcp-session-id") or adapter.seen_session
        if response.headers.get("content-type", "").startswith("application/json"):
            await response.aread()
        adapter.answered.append(response.request.content)
    async with create_mcp_http_client() as http:
        http.event_hooks["response"].append(look)
        async with streamable_http_client(url, http_client=http) as streams:
            yield streams


if __name__ == "__main__":
    main(Adapter.connect)
