"""What the adapters of both SDKs have in common: what they answer the server, and the calls that both spell alike."""

from scenario import Failure, Inbox


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class CommonAdapter:
    """An adapter names its SDK's module of types and its exception for an error answer."""

    types = None
    error_answer = None

    def __init__(self, journal):
        self.inbox, self.journal = Inbox(), journal
        self.client = self.greeting = None

    # What comes from the server

    async def on_sampling(self, context, params):
        await self.inbox.add("sampling", plain(params))
        text = f"answer to {params.messages[0].content.text}"
        return self.types.CreateMessageResult(
            role="assistant", model="matrix-model", content=self.types.TextContent(type="text", text=text))

    async def on_elicitation(self, context, params):
        await self.inbox.add("elicitation", plain(params))
        if params.message == "error":
            return self.types.ErrorData(code=-32042, message="not today", data={"why": "closed"})
        if params.message in ("decline", "cancel"):
            return self.types.ElicitResult(action=params.message)
        return self.types.ElicitResult(action="accept", content={"name": "Ada", "age": 36})

    async def on_roots(self, context):
        await self.inbox.add("roots", None)
        one, two = self.types.Root(uri="file:///srv/one", name="one"), self.types.Root(uri="file:///srv/two")
        return self.types.ListRootsResult(roots=[one, two])

    async def on_log(self, params):
        await self.inbox.add("log", plain(params))

    # What the scenario asks for

    async def _send(self, request):
        try:
            return plain(await request)
        except self.error_answer as error:
            raise Failure(error.error.code, error.error.message, error.error.data) from error

    async def prompt(self, name, arguments):
        return await self._send(self.client.get_prompt(name, arguments))

    async def complete(self, reference, argument, value, context):
        kind = self.types.PromptReference if reference["type"] == "ref/prompt" else self.types.ResourceTemplateReference
        return await self._send(self.client.complete(
            kind.model_validate(reference), {"name": argument, "value": value}, context))
