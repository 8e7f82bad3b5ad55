"""What every upstream of the matrix offers, written once for three frameworks.

`server` has the decorators all three share; `kit` is a framework's own: `Context` (the annotation), `types` (of messages),
`plain` (options of a tool without structured output), `session_id`, `log`, `changed` and `cut_session_stream`.
"""

import base64
from typing import Annotated

import anyio
from pydantic import BaseModel, Field

from journal import RESUMED

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n pixel").decode()
WAVE = base64.b64encode(b"RIFF wave").decode()


class Weather(BaseModel):
    """A result with structure."""

    city: str
    celsius: float
    tags: list[str]


def register(server, kit, journal):
    register_plain(server, kit)
    register_streaming(server, kit, journal)
    register_asking(server, kit)
    register_resources(server)
    register_prompts(server)


def register_plain(server, kit):
    @server.tool()
    def echo(text: str) -> str:
        """Returns the text it was given."""
        return text

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two whole numbers."""
        return a + b

    @server.tool()
    def weather(city: str) -> Weather:
        """A result with a schema."""
        return Weather(city=city, celsius=-3.5, tags=["snow", "wind", "ü"])

    @server.tool(**kit.plain)
    def media():
        """Every kind of content a result may have."""
        return [
            kit.types.TextContent(type="text", text="caption"),
            kit.types.ImageContent.model_validate({"type": "image", "data": PIXEL, "mimeType": "image/png"}),
            kit.types.AudioContent.model_validate({"type": "audio", "data": WAVE, "mimeType": "audio/wav"}),
            kit.types.ResourceLink.model_validate({"type": "resource_link", "name": "greeting", "uri": "demo://greeting"}),
            kit.types.EmbeddedResource.model_validate({"type": "resource", "resource": {
                "uri": "demo://inside", "mimeType": "text/plain", "text": "embedded"}}),
        ]

    @server.tool(**kit.plain)
    def big(size: int):
        """A text of that many characters, different at every position a reader may get wrong."""
        pattern = "0123456789abcdefghijklmnopqrstuvwxyz"
        return (pattern * (size // len(pattern) + 1))[:size]

    @server.tool(**kit.plain)
    def length(text: str):
        """How long a text is, to show that a long one arrives."""
        return str(len(text))

    @server.tool(**kit.plain)
    def fail(reason: str):
        """Fails always: its result is an error."""
        raise ValueError(reason)

    @server.tool(**kit.plain)
    def regional(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
                 count: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Count"})]):
        """Its arguments are to be repeated as header fields by modern clients."""
        return f"{region} {count}"


def register_streaming(server, kit, journal):
    Context = kit.Context

    @server.tool(**kit.plain)
    async def steps(count: int, ctx: Context):
        """Reports progress that many times, then returns."""
        for step in range(count):
            await ctx.report_progress(step + 1, count, f"step {step + 1}")
        return f"{count} steps"

    @server.tool(**kit.plain)
    async def say(ctx: Context):
        """Logs at four levels."""
        for level in ("debug", "info", "warning", "error"):
            await kit.log(ctx, level, {"said": level, "text": "grüße"})
        return "said"

    @server.tool(**kit.plain)
    async def name_session(key: str, ctx: Context):
        """Tells the journal that the session of this request belongs to that key."""
        journal.name_session(key, kit.session_id(ctx))
        return "named"

    @server.tool(**kit.plain)
    async def hang(key: str, ctx: Context):
        """Runs until it is cancelled."""
        await journal.note(key, "hang started")
        await ctx.report_progress(1, 2)
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await journal.note(key, "hang cancelled")
            raise
        return "never cancelled"

    @server.tool(**kit.plain)
    async def interrupted(key: str, ctx: Context):
        """Cuts its own response stream, with an event while nobody listens: the client is to come back for it."""
        before = journal.count(key, RESUMED)
        await ctx.report_progress(1, 3)
        await ctx.close_sse_stream()
        await ctx.report_progress(2, 3)
        # The SDKs lose what is said between the replay and its end: only then is there more.
        came = await journal.wait(key, RESUMED, beyond=before)
        await ctx.report_progress(3, 3)
        return f"resumed: {came}"

    @server.tool(**kit.plain)
    async def cut_session_stream(ctx: Context):
        """Cuts the stream of the session, and says something before anybody can have come back for it."""
        await kit.cut_session_stream(ctx)
        await ctx.session.send_prompt_list_changed()
        return "cut"

    @server.tool(**kit.plain)
    async def change(what: str, ctx: Context):
        """Announces that something changed: tools, prompts, resources, or the resource of that address."""
        await kit.changed(ctx, what)
        return f"changed {what}"


def register_asking(server, kit):
    Context, types = kit.Context, kit.types

    @server.tool(**kit.plain)
    async def ask_model(question: str, ctx: Context):
        """Asks the client's model, on the stream of this call."""
        answer = await ctx.session.create_message(
            [types.SamplingMessage(role="user", content=types.TextContent(type="text", text=question))],
            max_tokens=100, system_prompt="Be brief.", related_request_id=ctx.request_id)
        return f"{answer.model}: {answer.content.text}"

    @server.tool(**kit.plain)
    async def ask_user(question: str, ctx: Context):
        """Asks the user, on the stream of this call."""
        schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                  "required": ["name"]}
        answer = await ctx.session.elicit(question, schema, ctx.request_id)
        return f"{answer.action}: {answer.content}"

    @server.tool(**kit.plain)
    async def ask_roots(ctx: Context):
        """Asks for the client's roots, on the stream of the session."""
        answer = await ctx.session.list_roots()
        return ", ".join(f"{root.name}={root.uri}" for root in answer.roots)

    @server.tool(**kit.plain)
    async def ask_ping(ctx: Context):
        """Pings the client, on the stream of the session."""
        await ctx.session.send_ping()
        return "pinged"

    @server.tool(**kit.plain)
    async def ask_twice(ctx: Context):
        """Has two questions open at once: the answers must find theirs."""
        answers = {}

        async def ask(text):
            answer = await ctx.session.create_message(
                [types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))],
                max_tokens=10, related_request_id=ctx.request_id)
            answers[text] = answer.content.text

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "first")
            group.start_soon(ask, "second")
        return " ".join(f"{text}:{answers[text]}" for text in sorted(answers))


def register_resources(server):
    @server.resource("demo://greeting", mime_type="text/plain")
    def greeting() -> str:
        """A fixed text."""
        return "Hello from the matrix."

    @server.resource("demo://pixel", mime_type="image/png")
    def pixel() -> bytes:
        """Bytes."""
        return base64.b64decode(PIXEL)

    @server.resource("demo://user/{name}")
    def user(name: str) -> str:
        """A text made from the address."""
        return f"User {name}"


def register_prompts(server):
    @server.prompt()
    def summarise(topic: str, style: str = "plain") -> str:
        """Asks for a summary."""
        return f"Summarise {topic} in one {style} sentence."

    @server.prompt()
    def greet() -> str:
        """Takes nothing."""
        return "Say hello."


def register_rounds(server, kit):
    """Tools of the modern era that need more than one round: the client answers and sends the call again."""
    Context, types = kit.Context, kit.types

    def user_question(message):
        return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": {
            "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}}

    @server.tool(**kit.rounds)
    async def book(place: str, ctx: Context) -> types.InputRequiredResult | str:
        """Asks the user, then the model and the roots, and answers in the third round."""
        answers = ctx.input_responses or {}
        if "who" in answers:
            return types.InputRequiredResult.model_validate({
                "resultType": "input_required", "requestState": f"round 2 for {place} by {answers['who'].content['name']}",
                "inputRequests": {
                    "roots": {"method": "roots/list"},
                    "model": {"method": "sampling/createMessage", "params": {"maxTokens": 5, "messages": [
                        {"role": "user", "content": {"type": "text", "text": f"Describe {place}."}}]}}}})
        if "model" in answers:
            roots = [str(root.uri) for root in answers["roots"].roots]
            return f"{ctx.request_state}; {answers['model'].content.text}; {roots}"
        return types.InputRequiredResult.model_validate({
            "resultType": "input_required", "requestState": f"round 1 for {place}",
            "inputRequests": {"who": user_question(f"Who goes to {place}?")}})

    @server.tool(**kit.rounds)
    async def wait_once(ctx: Context) -> types.InputRequiredResult | str:
        """Asks nothing and only wants to be called again, with its state."""
        if ctx.request_state is None:
            return types.InputRequiredResult.model_validate(
                {"resultType": "input_required", "requestState": "waiting"})
        return f"came back with {ctx.request_state}"


def complete(ref, argument, context):
    """The words that complete an argument of a prompt or a template."""
    words = {"topic": ["gateways", "gates", "gardens"], "name": ["ada", "adam", "eve"], "style": ["plain", "poetic"]}
    found = [word for word in words.get(argument.name, []) if word.startswith(argument.value)]
    if context is not None and context.arguments:
        found += [f"{name}={value}" for name, value in sorted(context.arguments.items())]
    return found
