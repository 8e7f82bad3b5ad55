"""The demo server with version 1 of the MCP SDK: the handshake era only, over Streamable HTTP."""

from mcp.server.fastmcp import Context, FastMCP

from catalogue import register, serve

server = FastMCP("demo-sdk1")
register(server, Context)


def app(json, stateless):
    server.settings.json_response = json
    server.settings.stateless_http = stateless
    return server.streamable_http_app()


if __name__ == "__main__":
    serve(app)
