"""The demo server with FastMCP 4: both protocol eras over Streamable HTTP."""

from fastmcp import Context, FastMCP

from catalogue import register, serve

server = FastMCP("demo-fastmcp", version="1.0")
register(server, Context)

if __name__ == "__main__":
    serve(lambda json, stateless: server.http_app(json_response=json, stateless_http=stateless))
