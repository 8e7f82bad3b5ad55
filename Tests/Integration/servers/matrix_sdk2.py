"""The upstream of the matrix with version 2 of the MCP SDK: both protocol eras."""

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError

import catalogue
from hosting import RETRY_INTERVAL, serve
from modern_kit import MemoryStore, ModernKit

PAGE = 5


class Kit(ModernKit):
    Context = Context

    async def cut_session_stream(self, ctx):
        await ctx.close_standalone_sse_stream()


def make_app(path, journal, json, stateless, resumable):
    kit = Kit()
    server = MCPServer("matrix", version="1.0", instructions="Test me.", subscriptions=kit.bus)
    catalogue.register(server, kit, journal)
    catalogue.register_rounds(server, kit)

    @server.completion()
    async def complete(ref, argument, context):
        return types.Completion(values=catalogue.complete(ref, argument, context), total=10, has_more=False)

    async def list_tools(ctx, params):
        try:
            start = int(params.cursor) if params and params.cursor else 0
        except ValueError:
            raise MCPError(types.INVALID_PARAMS, "Invalid cursor") from None
        tools = await server.list_tools()
        following = start + PAGE
        return types.ListToolsResult(
            tools=tools[start:following], next_cursor=str(following) if following < len(tools) else None)

    low = server._lowlevel_server
    kit.install(low)
    low.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    return server.streamable_http_app(
        streamable_http_path=path, json_response=json, stateless_http=stateless,
        event_store=MemoryStore() if resumable else None, retry_interval=RETRY_INTERVAL if resumable else None)


if __name__ == "__main__":
    serve(make_app)
