"""An upstream whose tool opens a stream and leaves the rest to the test, and what such streams carry."""

from .http import tool_call
from .scripted import ScriptedUpstream

UNAVAILABLE = -31013
# Above this size a message is read on another thread.
LARGE = 300_000
LISTED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def log(number, size=0):
    return {"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": "d" * size, "number": number}}


def modern(tool="echo", identifier=1):
    return tool_call(tool, {"text": "x"}, identifier, "modern")


def streaming_upstream():
    """Its tool `echo` answers at once; every other begins a stream with one message and leaves it open."""
    def begin(answer):
        if answer.params["name"] == "echo":
            return answer.text(answer.params["arguments"].get("text", ""))
        answer.begin_events()
        answer.event(log(0))
        return answer.wait_closed()

    return ScriptedUpstream({"tools/call": begin})
