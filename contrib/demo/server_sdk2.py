"""The demo server with version 2 of the MCP SDK: both protocol eras over Streamable HTTP."""

from mcp.server.mcpserver import Context, MCPServer

from catalogue import register, serve

server = MCPServer("demo-sdk2", version="1.0")
register(server, Context)

if __name__ == "__main__":
    serve(lambda json, stateless: server.streamable_http_app(json_response=json, stateless_http=stateless))
