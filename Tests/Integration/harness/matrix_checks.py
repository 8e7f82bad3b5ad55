"""What each feature must show when no gateway is between: a comparison of two empty or failed runs would prove nothing."""


def text_of(result):
    return result["content"][0]["text"]


def greeting(seen, modern):
    capabilities = seen["greeting"]["capabilities"]
    assert {"tools", "resources", "prompts", "completions", "logging"} <= set(capabilities)
    if modern:
        assert seen["greeting"]["supportedVersions"] == ["2026-07-28"]
    else:
        assert seen["greeting"]["protocolVersion"] == "2025-11-25"


def tools(seen, modern):
    pages = seen["pages"]
    assert len(pages) >= 3
    names = [tool["name"] for page in pages for tool in page["tools"]]
    assert len(names) == len(set(names)) and {"echo", "add", "weather", "hang", "ask_twice"} <= set(names)
    assert all("inputSchema" in tool for page in pages for tool in page["tools"])


def calls(seen, modern):
    assert text_of(seen["echo"]) == "grüße \u0000 \U0001f600 \u2028 \\ \" </script>"
    assert text_of(seen["empty"]) == ""
    assert text_of(seen["add"]) == "42"
    assert seen["structured"]["structuredContent"] == {"city": "Zürich", "celsius": -3.5, "tags": ["snow", "wind", "ü"]}
    assert [one["type"] for one in seen["media"]["content"]] == ["text", "image", "audio", "resource_link", "resource"]
    assert text_of(seen["header arguments"]) == "eu wést 7"
    assert seen["failed"]["isError"] is True


def errors(seen, modern):
    assert seen["bad params"] is True
    refused = {name for name, one in seen.items()
               if name != "bad params" and ("error" in one or one.get("no error", {}).get("isError"))}
    assert refused == {"unknown tool", "wrong arguments", "missing arguments", "unknown method", "unknown resource",
                       "unknown cursor", "unknown prompt"}
    assert seen["unknown cursor"]["error"]["code"] == -32602
    assert isinstance(seen["unknown method"]["error"]["code"], int)
    assert text_of(seen["still alive"]) == "2"


def big(seen, modern):
    assert seen["result"][0] == 1_000_000
    assert seen["argument"] == [{"type": "text", "text": "500000"}]


def resources(seen, modern):
    assert [one["uri"] for one in seen["list"]["resources"]] == ["demo://greeting", "demo://pixel"]
    assert seen["text"]["contents"][0]["text"] == "Hello from the matrix."
    assert seen["bytes"]["contents"][0]["blob"] == "iVBORw0KGgogcGl4ZWw="


def templates(seen, modern):
    assert [one["uriTemplate"] for one in seen["list"]["resourceTemplates"]] == ["demo://user/{name}"]
    assert seen["read"]["contents"][0]["text"].startswith("User ada")


def prompts(seen, modern):
    assert {one["name"] for one in seen["list"]["prompts"]} == {"summarise", "greet"}
    assert seen["filled"]["messages"][0]["content"]["text"] == "Summarise gateways in one poetic sentence."
    assert seen["bare"]["messages"][0]["content"]["text"] == "Say hello."


def completion(seen, modern):
    assert seen["prompt"]["completion"]["values"] == ["gateways", "gates", "gardens"]
    assert seen["context"]["completion"]["values"] == ["plain", "poetic", "topic=gates"]
    assert seen["template"]["completion"]["values"] == ["ada", "adam"]


def logging(seen, modern):
    assert [one["level"] for _, one in seen["from warning"]] == ["warning", "error"]
    assert [one["level"] for _, one in seen["from debug"]] == ["debug", "info", "warning", "error"]
    assert all(one["data"]["text"] == "grüße" for _, one in seen["from debug"])


def progress(seen, modern):
    assert seen["own"] == [[step, 4, f"step {step}"] for step in (1, 2, 3, 4)]
    assert [one["progressToken"] for _, one in seen["by name"]] == ["tökén 7", "tökén 7"]
    assert [one["progressToken"] for _, one in seen["by number"]] == ["7", "7"]


def sampling(seen, modern):
    assert text_of(seen["result"]) == "matrix-model: answer to Why?"
    assert len(seen["asked"]) == 1 and seen["asked"][0][1]["systemPrompt"] == "Be brief."
    assert text_of(seen["two at once"]) == "first:answer to first second:answer to second"
    assert len(seen["both asked"]) == 2


def elicitation(seen, modern):
    assert text_of(seen["accepted"]) == "accept: {'name': 'Ada', 'age': 36}"
    assert text_of(seen["declined"]).startswith("decline") and text_of(seen["cancelled"]).startswith("cancel")
    assert "not today" in str(seen["refused"])
    assert [one["message"] for _, one in seen["asked"]] == ["Name?", "decline", "cancel", "error"]


def roots(seen, modern):
    assert text_of(seen["result"]) == "one=file:///srv/one, None=file:///srv/two"
    assert seen["asked"] == [["roots", None]]


def ping(seen, modern):
    assert text_of(seen["server to client"]) == "pinged"
    assert "error" not in seen["client to server"]


def subscriptions(seen, modern):
    assert [(one["method"], one["params"]["uri"]) for _, one in seen["updated"]] == [("notifications/resources/updated", "RUN")]
    assert [one["method"] for _, one in seen["then"]] == ["notifications/tools/list_changed"]


def list_changes(seen, modern):
    assert [one["method"] for _, one in seen["seen"]] == [
        f"notifications/{what}/list_changed" for what in ("tools", "resources", "prompts")]


def cancellation(seen, modern):
    assert seen["cancelled at the server"] == 1
    assert "no error" not in seen["call"]
    assert text_of(seen["still alive"]) == "2"


def resumption(seen, modern):
    assert text_of(seen["result"]) == "resumed: True"
    assert [one[:2] for one in seen["progress"]] == [[1, 3], [2, 3], [3, 3]]
    assert [one["method"] for _, one in seen["session"]] == [
        f"notifications/{what}/list_changed" for what in ("tools", "prompts", "resources")]


def rounds(seen, modern):
    assert text_of(seen["booked"]) == (
        "round 2 for Rome by Ada; answer to Describe Rome.; ['file:///srv/one', 'file:///srv/two']")
    assert [[kind for kind, _ in one] for one in seen["asked"]] == [["elicitation"], ["sampling"], ["roots"]]
    assert seen["first round"]["resultType"] == "input_required" and seen["has state"] is True
    assert list(seen["first round"]["inputRequests"]) == ["who"]
    assert text_of(seen["only state"]) == "came back with waiting"
    assert "error" in seen["forged state"]


def listen(seen, modern):
    assert seen["honored"] == {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True,
                               "resourceSubscriptions": ["RUN"]}
    assert seen["events"] == [["ToolsListChanged", None], ["PromptsListChanged", None], ["ResourcesListChanged", None],
                              ["ResourceUpdated", "RUN"]]
    assert seen["narrow"] == ["ResourceUpdated", "RUN"]
    assert seen["carried"] == [["narrow", "notifications/resources/updated"], *(
        ["wide", f"notifications/{what}"] for what in (
            "prompts/list_changed", "resources/list_changed", "resources/updated", "tools/list_changed"))]


def delete(seen, modern):
    assert seen == {"at the server": 1, "afterwards": 404}
