"""Matchers that compare what they read letter by letter, each in a way that is common: what a technique gets past at least one of them."""

import fnmatch
import json
import re

TOOLS = ("delete_all", "exec_*", "files")
GLOBS = {
    "command": ("*rm -rf*", "*sudo*"), "path": ("/etc/*", "*.pem", "*/.ssh/*"), "url": ("http://169.254.169.254/*", "https://internal.example/*"),
    "port": ("22",), "data": ("*password*",),
}
RESOURCES = ("vault://*", "file:///etc/*", "/etc/*")
WORDS = ("delete_all", "exec_", '"files"', "rm -rf", "sudo", "/etc/", ".pem", "/.ssh/", "169.254.169.254", "internal.example", "password",
         "vault://", "internal_", "custom/", "drop table", '"danger"', '"secret', '"port":22,', '"port":22}', '"force":true')


def matches(text, globs):
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)


def denies_message(message):
    """What a few lines of code in front of a server do: exact names, texts compared with globs."""
    method, params = message.get("method"), message.get("params")
    if not isinstance(method, str) or not isinstance(params, dict):
        return False
    if method.startswith("custom/"):
        return True
    name, uri = params.get("name"), params.get("uri")
    if method == "prompts/get" and isinstance(name, str) and name.startswith("internal_"):
        return True
    if method.startswith("resources/") and isinstance(uri, str) and matches(uri, RESOURCES):
        return True
    if method != "tools/call":
        return False
    if isinstance(name, str) and matches(name, TOOLS):
        return True
    arguments = params.get("arguments")
    if not isinstance(arguments, dict):
        return name == "narrow"
    if name == "narrow" and not (isinstance(arguments.get("path"), str) and arguments["path"].startswith("/data/")):
        return True
    if isinstance(arguments.get("query"), str) and re.search("(?i)drop table", arguments["query"]):
        return True
    if arguments.get("options") == {"mode": "danger"} or arguments.get("force") is True:
        return True
    return any(isinstance(arguments.get(key), (str, int)) and matches(str(arguments[key]), globs) for key, globs in GLOBS.items())


def first_wins(pairs):
    found = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def reads(body, **options):
    """Whether a matcher of messages denies what it can read; what it cannot read it leaves to the server."""
    try:
        message = json.loads(body.decode(), **options)
    except ValueError:
        return False
    # Batches are gone from the protocol, and forgotten.
    return isinstance(message, dict) and denies_message(message)


def searches(body):
    """Whether one of the words stands in the bytes."""
    text = body.decode("utf-8", "replace")
    return any(word in text for word in WORDS)


FILTERS = [re.compile(pattern, re.DOTALL) for pattern in (
    r'"id":[^,]+,"method":"tools/call","params":{"name":"(delete_all|exec_[^"]*|files)"',
    r'"command":"[^"]*(rm -rf|sudo)', r'"path":"(/etc/|[^"]*\.pem"|[^"]*/\.ssh/)', r'"query":"[^"]*(drop|DROP) (table|TABLE)',
    r'"port":"?22[",}]', r'"force":"?true', r'"mode":"danger"', r'"url":"(http://169\.254\.169\.254|https://internal\.example)/',
    r'"data":"[^"]*password', r'"method":"resources/read","params":{"uri":"(vault:|file:///etc|/etc)', r'"name":"internal_', r'"method":"custom/',
    r'"name":"narrow","arguments":{"path":"(?!/data/)', r'"(env|list)":.*(secret|danger)')]


def filters(body):
    """Regular expressions over the first 64 KiB, as firewalls of the web have them."""
    text = body[:65536].decode("utf-8", "replace")
    return any(pattern.search(text) for pattern in FILTERS)


def believes_headers(body, fields):
    """A matcher that decides by the headers where there are any, as the modern era invites."""
    names = {name.lower(): value for name, value in fields}
    if "content-encoding" in names or names.get("content-type", "application/json") != "application/json":
        return False
    if "mcp-method" not in names:
        return reads(body)
    return names["mcp-method"] == "tools/call" and matches(names.get("mcp-name", ""), TOOLS)


def bypassed(body, fields):
    """The naive matchers that let it pass."""
    found = {
        "last wins": reads(body), "first wins": reads(body, object_pairs_hook=first_wins), "words": searches(body),
        "filters": filters(body), "headers": believes_headers(body, fields)}
    return [name for name, denied in found.items() if not denied]
