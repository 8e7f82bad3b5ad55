"""The upstream of the matrix with version 1 of the MCP SDK: the handshake era only."""

from mcp import McpError, types
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.streamable_http import EventMessage, EventStore

import catalogue
from hosting import RETRY_INTERVAL, Events, serve

PAGE = 5


class MemoryStore(Events, EventStore):
    async def replay_events_after(self, last_event_id, send_callback):
        return await self.replay_after(EventMessage, last_event_id, send_callback)


class Kit:
    Context, types = Context, types
    plain = {"structured_output": False}
    levels = {}

    @classmethod
    def session_id(cls, ctx):
        return ctx.request_context.request.headers.get("mcp-session-id")

    @classmethod
    async def log(cls, ctx, level, data):
        # This SDK leaves the choice to the server.
        order = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
        if order.index(level) >= order.index(cls.levels.get(ctx.session, "debug")):
            await ctx.session.send_log_message(level, data, "matrix", related_request_id=ctx.request_id)

    @classmethod
    async def cut_session_stream(cls, ctx):
        await ctx.close_standalone_sse_stream()

    @classmethod
    async def changed(cls, ctx, what):
        session = ctx.session
        announce = {"tools": session.send_tool_list_changed, "prompts": session.send_prompt_list_changed,
                    "resources": session.send_resource_list_changed}
        if what in announce:
            await announce[what]()
        elif what in subscribed.get(session, ()):
            await session.send_resource_updated(what)


subscribed = {}


def make_app(path, journal, json, stateless, resumable):
    server = FastMCP(
        "matrix", instructions="Test me.", streamable_http_path=path, json_response=json, stateless_http=stateless,
        event_store=MemoryStore() if resumable else None, retry_interval=RETRY_INTERVAL if resumable else None)
    catalogue.register(server, Kit, journal)

    @server.completion()
    async def complete(ref, argument, context):
        return types.Completion(values=catalogue.complete(ref, argument, context), total=10, hasMore=False)

    low = server._mcp_server

    @low.list_tools()
    async def list_tools(request: types.ListToolsRequest) -> types.ListToolsResult:
        tools = await server.list_tools()
        if request is None:
            # The SDK asks for itself, to know the schemas.
            return types.ListToolsResult(tools=tools)
        try:
            start = int(request.params.cursor) if request.params and request.params.cursor else 0
        except ValueError:
            raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message="Invalid cursor")) from None
        following = start + PAGE
        return types.ListToolsResult(
            tools=tools[start:following], nextCursor=str(following) if following < len(tools) else None)

    @low.set_logging_level()
    async def set_level(level):
        Kit.levels[low.request_context.session] = level

    @low.subscribe_resource()
    async def subscribe(uri):
        subscribed.setdefault(low.request_context.session, set()).add(str(uri))

    @low.unsubscribe_resource()
    async def unsubscribe(uri):
        subscribed.get(low.request_context.session, set()).discard(str(uri))

    return server.streamable_http_app()


if __name__ == "__main__":
    serve(make_app)
