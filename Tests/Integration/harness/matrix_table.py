"""Which features the matrix runs for which pair, and for every one it leaves out, why. A reason is a fact about the protocol
or an SDK, shown by a run without the gateway; nothing is left out because of the gateway."""

CLIENTS = {
    "sdk1": {"program": "matrix_sdk1.py", "python": "legacy", "mode": "legacy"},
    "sdk2-legacy": {"program": "matrix_sdk2.py", "python": "modern", "mode": "legacy"},
    "sdk2-modern": {"program": "matrix_sdk2.py", "python": "modern", "mode": "2026-07-28"},
}
SERVERS = {"sdk1": "legacy", "sdk2": "modern", "fastmcp": "modern"}
VARIANTS = ("plain", "json", "stateless", "resumable")
FEATURES = (
    "greeting", "tools", "calls", "errors", "big", "resources", "templates", "prompts", "completion", "logging", "progress",
    "sampling", "elicitation", "roots", "ping", "subscriptions", "list_changes", "cancellation", "resumption", "rounds", "listen",
    "delete")

NOT_MODERN = {
    "sampling": "the era has no requests from server to client: asked for in results, see rounds",
    "elicitation": "the era has no requests from server to client: asked for in results, see rounds",
    "roots": "the era has no requests from server to client: asked for in results, see rounds",
    "ping": "the era has no ping",
    "subscriptions": "the era has no resources/subscribe: see listen",
    "list_changes": "the era has no stream of a session: see listen",
    "resumption": "the era has no event ids",
    "delete": "the era has no sessions",
}
NOT_LEGACY = {
    "rounds": "results that ask for more came with 2026-07-28",
    "listen": "subscriptions/listen came with 2026-07-28",
}
NOT_JSON = {
    "logging": "an answer that is one JSON text has no place for notifications",
    "progress": "an answer that is one JSON text has no place for notifications",
    "sampling": "an answer that is one JSON text has no place for requests of its own",
    "elicitation": "an answer that is one JSON text has no place for requests of its own",
    "resumption": "an answer that is one JSON text has no events",
}
NOT_STATELESS = {
    "sampling": "without a session an answer to the server has nowhere to go",
    "elicitation": "without a session an answer to the server has nowhere to go",
    "roots": "without a session there is no stream of the session",
    "ping": "without a session there is no stream of the session",
    "subscriptions": "without a session nothing is remembered",
    "list_changes": "without a session there is no stream of the session",
    "logging": "without a session the level is not remembered",
    "cancellation": "without a session the server cannot know which call is meant",
    "resumption": "without a session no events are kept",
    "delete": "without a session there is nothing to end",
}
NOT_PLAIN = {"resumption": "the server keeps no events: see the variant resumable"}
# The variant differs from the plain one only in its events' ids: what has events.
RESUMABLE = (
    "greeting", "calls", "logging", "progress", "sampling", "roots", "list_changes", "cancellation", "resumption", "delete")


def reason_against(client, server, variant, feature):
    """Why the matrix does not run a feature for a pair and a variant; nothing if it does."""
    modern = CLIENTS[client]["mode"] != "legacy"
    if modern and SERVERS[server] == "legacy":
        return "the server knows the handshake era only: bridging is another matter"
    if modern and variant in ("stateless", "resumable"):
        return "a choice of the handshake era: it changes nothing in this one"
    if modern and variant == "json" and feature == "cancellation":
        return "SDK 2 does not watch for a disconnect while it prepares one JSON text"
    tables = [NOT_MODERN if modern else NOT_LEGACY]
    tables.append({"plain": NOT_PLAIN, "json": NOT_JSON, "stateless": NOT_STATELESS, "resumable": {}}[variant])
    for table in tables:
        if feature in table:
            return table[feature]
    if variant == "resumable" and feature not in RESUMABLE:
        return "has no events: the same as in the variant plain"
    return None


def features_of(client, server, variant):
    return [feature for feature in FEATURES if reason_against(client, server, variant, feature) is None]


def pairs():
    """Every pair of a client and a server that have an era in common."""
    return [(client, server) for client in CLIENTS for server in SERVERS if features_of(client, server, "plain")]


def cases():
    """Every case the matrix runs: client, server, variant, feature."""
    return [(client, server, variant, feature) for client, server in pairs() for variant in VARIANTS
            for feature in features_of(client, server, variant)]
