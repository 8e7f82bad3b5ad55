"""A client with version 1 of the MCP SDK (handshake era): the same output as client_modern.py.

    client_legacy.py URL [TOOL=ARGUMENTS ...]
"""

import argparse
import asyncio
import json
from datetime import timedelta

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def explore(url, calls):
    async with streamable_http_client(url) as (read, write, _):
        async with ClientSession(read, write, read_timeout_seconds=timedelta(seconds=30)) as client:
            greeting = await client.initialize()
            seen = {
                "protocol": greeting.protocolVersion,
                "server": greeting.serverInfo.name,
                "tools": [plain(tool) for tool in (await client.list_tools()).tools],
                "resources": [plain(resource) for resource in (await client.list_resources()).resources],
                "templates": [plain(one) for one in (await client.list_resource_templates()).resourceTemplates],
                "prompts": [plain(prompt) for prompt in (await client.list_prompts()).prompts],
                "greeting": plain(await client.read_resource(AnyUrl("demo://greeting")))["contents"],
                "prompt": plain(await client.get_prompt("summarise", {"topic": "gateways"}))["messages"],
                "calls": [],
            }
            for name, arguments in calls:
                progress = []

                async def note(done, total, message):
                    progress.append([done, total])

                result = plain(await client.call_tool(name, arguments, progress_callback=note))
                seen["calls"].append({"tool": name, "result": result, "progress": progress})
            return seen


def call(text):
    name, _, arguments = text.partition("=")
    return name, json.loads(arguments or "{}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("calls", nargs="*", type=call, metavar="TOOL=ARGUMENTS")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(explore(options.url, options.calls))))
