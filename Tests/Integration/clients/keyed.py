"""A client of the installed SDK that shows a key, calls a tool and says what came. Arguments: URL, key or nothing."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


async def ask(url, key):
    async with create_mcp_http_client(headers={"Authorization": f"Bearer {key}"} if key else {}) as http:
        async with streamable_http_client(url, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                result = await session.call_tool("echo", {"text": "hello"})
                return result.content[0].text


def told(error):
    """Every error in a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(told(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


try:
    print(json.dumps({"text": asyncio.run(ask(*sys.argv[1:3]))}))
except BaseException as error:  # whatever the SDK makes of a refusal
    print(json.dumps({"error": told(error)}))
