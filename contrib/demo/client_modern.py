"""A client with version 2 of the MCP SDK: shows as one JSON object what a server offers and what its tools answer.

    client_modern.py [--mode legacy|auto|REVISION] URL [TOOL=ARGUMENTS ...]
"""

import argparse
import asyncio
import json

from mcp import Client


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def explore(url, mode, calls):
    async with Client(url, mode=mode, read_timeout_seconds=30) as client:
        seen = {
            "protocol": client.protocol_version,
            "server": client.server_info.name if client.server_info else None,
            "tools": [plain(tool) for tool in (await client.list_tools()).tools],
            "resources": [plain(resource) for resource in (await client.list_resources()).resources],
            "templates": [plain(one) for one in (await client.list_resource_templates()).resource_templates],
            "prompts": [plain(prompt) for prompt in (await client.list_prompts()).prompts],
            "greeting": plain(await client.read_resource("demo://greeting"))["contents"],
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
    parser.add_argument("--mode", default="auto")
    parser.add_argument("url")
    parser.add_argument("calls", nargs="*", type=call, metavar="TOOL=ARGUMENTS")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(explore(options.url, options.mode, options.calls))))
