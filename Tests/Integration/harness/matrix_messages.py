"""JSON-RPC messages as the tests compare them, and whether they are what a revision of the protocol allows."""

import functools
import json
import os
from collections import Counter

import jsonschema

from .servers import CHECKOUT

SCHEMAS = os.path.join(os.path.dirname(CHECKOUT), "shared", "data", "mcp-schema")
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
# Errors to which the revision of 2026-07-28 gives a form of their own.
ERROR_FORMS = {-32020: "HeaderMismatchError", -32021: "MissingRequiredClientCapabilityError",
               -32022: "UnsupportedProtocolVersionError"}


def read(text):
    """JSON with the numbers as they are spelled: 1.0 is not 1."""
    return json.loads(text, parse_float=lambda spelled: f"<{spelled}>")


def without_identifiers(message):
    """The message with every identifier a gateway may replace taken out, as text that compares."""
    message = json.loads(json.dumps(message))
    if "id" in message:
        message["id"] = "ID"
    for part in (message.get("params"), message.get("result")):
        if not isinstance(part, dict):
            continue
        for name in ("progressToken", "requestId", "cursor", "nextCursor", "requestState"):
            if name in part:
                part[name] = name
        meta = part.get("_meta")
        if isinstance(meta, dict):
            for name in ("progressToken", SUBSCRIPTION):
                if name in meta:
                    meta[name] = name
    return json.dumps(message, sort_keys=True, ensure_ascii=False)


def difference(one, other):
    """The messages of `one` that are not in `other`, identifiers apart."""
    left = Counter(without_identifiers(message) for message in one) - Counter(without_identifiers(message) for message in other)
    missing = []
    for message in one:
        text = without_identifiers(message)
        if left[text] > 0:
            left[text] -= 1
            missing.append(message)
    return missing


def is_request(message):
    return "method" in message and "id" in message


@functools.cache
def schema(revision):
    with open(os.path.join(SCHEMAS, f"{revision}.json"), encoding="utf-8") as file:
        return json.load(file)


def validate(message, revision, to_server):
    """Raises if the revision does not allow that message from a client (`to_server`) or from a server."""
    content = schema(revision)
    group = "$defs" if "$defs" in content else "definitions"
    definitions = content[group]
    forms = ["JSONRPCMessage"]
    side = "Client" if to_server else "Server"
    if "method" in message:
        forms.append(f"{side}Request" if is_request(message) else f"{side}Notification")
    elif "error" in message:
        forms.append("JSONRPCErrorResponse" if "JSONRPCErrorResponse" in definitions else "JSONRPCError")
        form = ERROR_FORMS.get(message["error"].get("code"))
        if form in definitions:
            forms.append(form)
    for form in forms:
        assert form in definitions, f"{revision} has no {form}: {message}"
        whole = {"$schema": content["$schema"], group: definitions, "$ref": f"#/{group}/{form}"}
        jsonschema.validators.validator_for(whole)(whole).validate(message)
