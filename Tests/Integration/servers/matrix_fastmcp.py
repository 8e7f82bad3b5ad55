"""The upstream of the matrix with FastMCP 4: both protocol eras."""

from fastmcp import Context, FastMCP

import catalogue
from hosting import RETRY_INTERVAL, serve
from modern_kit import MemoryStore, ModernKit

PAGE = 5


class Kit(ModernKit):
    Context = Context
    plain = {"output_schema": None}
    rounds = {"output_schema": None}

    async def cut_session_stream(self, ctx):
        # The framework has no name of its own for it.
        await ctx.request_context._srctx.close_standalone_sse_stream()


def make_app(path, journal, json, stateless, resumable):
    kit = Kit()
    server = FastMCP("matrix", version="1.0", instructions="Test me.", list_page_size=PAGE)
    catalogue.register(server, kit, journal)
    catalogue.register_rounds(server, kit)

    @server.completion
    def complete(ref, argument, context):
        return catalogue.complete(ref, argument, context)

    kit.install(server._mcp_server)
    return server.http_app(
        path=path, json_response=json, stateless_http=stateless, event_store=MemoryStore() if resumable else None,
        retry_interval=RETRY_INTERVAL if resumable else None)


if __name__ == "__main__":
    serve(make_app)
