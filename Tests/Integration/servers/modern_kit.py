"""What the two upstreams of the matrix that stand on version 2 of the MCP SDK share: both protocol eras."""

import mcp_types as types
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import (
    InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ResourcesListChanged, ResourceUpdated, ToolsListChanged)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from hosting import Events

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
EVENTS = {"tools": ToolsListChanged, "prompts": PromptsListChanged, "resources": ResourcesListChanged}


class MemoryStore(Events, EventStore):
    async def replay_events_after(self, last_event_id, send_callback):
        return await self.replay_after(EventMessage, last_event_id, send_callback)


class ModernKit:
    """One per server: a session's level and subscriptions, and the bus of `subscriptions/listen`."""

    types = types
    plain = {"structured_output": False}
    rounds = {"structured_output": False}

    def __init__(self):
        self.bus = InMemorySubscriptionBus()
        self.levels = {}
        self.subscribed = {}

    def headers(self, ctx):
        return ctx.request_context.request.headers

    def protocol_version(self, ctx):
        return ctx.request_context.protocol_version

    def session_id(self, ctx):
        return self.headers(ctx).get("mcp-session-id")

    async def log(self, ctx, level, data):
        least = self.levels.get(self.session_id(ctx), "debug")
        if LEVELS.index(level) >= LEVELS.index(least):
            await ctx.session.send_log_message(level, data, "matrix", related_request_id=ctx.request_id)

    async def changed(self, ctx, what):
        if self.protocol_version(ctx) in MODERN_PROTOCOL_VERSIONS:
            await self.bus.publish(EVENTS[what]() if what in EVENTS else ResourceUpdated(uri=what))
            return
        announce = {"tools": ctx.session.send_tool_list_changed, "prompts": ctx.session.send_prompt_list_changed,
                    "resources": ctx.session.send_resource_list_changed}
        if what in announce:
            await announce[what]()
        elif what in self.subscribed.get(self.session_id(ctx), ()):
            await ctx.session.send_resource_updated(what)

    def install(self, low):
        """Adds to the low-level server what the frameworks leave to it."""
        def session_id(ctx):
            return ctx.request.headers.get("mcp-session-id")

        async def set_level(ctx, params):
            self.levels[session_id(ctx)] = params.level
            return types.EmptyResult()

        async def subscribe(ctx, params):
            self.subscribed.setdefault(session_id(ctx), set()).add(str(params.uri))
            return types.EmptyResult()

        async def unsubscribe(ctx, params):
            self.subscribed.get(session_id(ctx), set()).discard(str(params.uri))
            return types.EmptyResult()

        low.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
        low.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
        low.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)
        low.add_request_handler(
            "subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(self.bus))
