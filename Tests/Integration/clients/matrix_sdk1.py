"""The client of the matrix with version 1 of the MCP SDK: the handshake era."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from adapter import CommonAdapter, plain
from scenario import DEADLINE, Failure, main
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


class AnyRequest(types.Request[dict, str]):
    """A request whose method the SDK does not know."""


class Adapter(CommonAdapter):
    types, error_answer = types, McpError

    def __init__(self, journal):
        super().__init__(journal)
        self.session_id = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, target, journal):
        self = cls(journal)
        async with streamable_http_client(target["url"]) as (read, write, session_id):
            async with ClientSession(
                    read, write, read_timeout_seconds=timedelta(seconds=2 * DEADLINE), sampling_callback=self.on_sampling,
                    elicitation_callback=self.on_elicitation, list_roots_callback=self.on_roots,
                    logging_callback=self.on_log, message_handler=self.on_message,
                    client_info=types.Implementation(name="matrix", version="1")) as self.client:
                self.greeting = plain(await self.client.initialize())
                self.session_id = session_id
                yield self

    def has_session(self):
        return self.session_id() is not None

    # What comes from the server

    async def on_message(self, message):
        match message:
            case types.ServerNotification(root=types.LoggingMessageNotification()):
                pass
            case types.ServerNotification(root=types.ProgressNotification() as progress):
                await self.inbox.add("progress", plain(progress.params))
            case types.ServerNotification(root=notification):
                await self.inbox.add("notification", plain(notification))
            case Exception():
                await self.inbox.add("exception", repr(message))

    # What the scenario asks for

    async def list(self, kind, cursor=None):
        listing = {"tools": self.client.list_tools, "resources": self.client.list_resources,
                   "templates": self.client.list_resource_templates, "prompts": self.client.list_prompts}[kind]
        return await self._send(listing(params=types.PaginatedRequestParams(cursor=cursor)))

    async def call(self, name, arguments, progress=None, token=None):
        async def note(done, total, message):
            progress.append([done, total, message])
        return await self._send(self.client.call_tool(
            name, arguments, progress_callback=note if progress is not None else None,
            meta={"progressToken": token} if token is not None else None))

    async def raw(self, method, params):
        request = AnyRequest(method=method, params=params)
        return await self._send(self.client.send_request(request, types.Result))

    async def read(self, uri):
        return await self._send(self.client.read_resource(AnyUrl(uri)))

    async def ping(self):
        return await self._send(self.client.send_ping())

    async def set_level(self, level):
        return await self._send(self.client.set_logging_level(level))

    async def say(self, level):
        return await self.call("say", {})

    async def subscribe(self, uri):
        return await self._send(self.client.subscribe_resource(AnyUrl(uri)))

    async def unsubscribe(self, uri):
        return await self._send(self.client.unsubscribe_resource(AnyUrl(uri)))

    async def listening(self):
        """Returns when the stream of the session is open at the server."""
        assert await self.journal.wait("GET 200")

    async def give_up(self, name, arguments, after):
        # This SDK does not tell the server by itself: the application sends the notification.
        number = self.client._request_id
        call = asyncio.ensure_future(self.call(name, arguments))
        assert await after
        await self.client.send_notification(types.ClientNotification(types.CancelledNotification(
            params=types.CancelledNotificationParams(requestId=number, reason="no longer wanted"))))
        try:
            return {"no error": await call}
        except Failure as failure:
            return {"error": failure.seen}


if __name__ == "__main__":
    main(Adapter.connect)
