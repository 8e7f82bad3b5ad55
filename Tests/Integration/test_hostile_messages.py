"""Messages that two readers could read differently, bodies that are too large, packed or of another type: each gets its error in
the form of its era, and no byte of it reaches the upstream."""

import gzip
import json

import pytest

from harness.http import Connection, tool_call
from test_hostile_framing import BODY, CHUNKED, LENGTH, MARK, Shared, request, until_closed

UNREADABLE, NO_MESSAGE, TOO_LARGE = -32700, -32600, -31015
CALL = BODY.decode()
LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def shared(binary):
    with Shared(binary) as one:
        yield one


def post(shared, body, era="legacy", fields=()):
    headers = [*tool_call(MARK, {}, 1, era)[0], *fields]
    with Connection(shared.url) as connection:
        connection.send("POST", headers=headers, body=body)
        return connection.receive()


def text_with(value):
    """A call with a value, given as bytes, among its arguments."""
    return BODY.replace(b'"arguments": {}', b'"arguments": {"x": ' + value + b"}")


TEXTS = {
    "a byte order mark": b"\xef\xbb\xbf" + BODY,
    "UTF-16, the low byte first": CALL.encode("utf-16-le"),
    "UTF-16, the high byte first": CALL.encode("utf-16-be"),
    "UTF-16 with its mark": CALL.encode("utf-16"),
    "UTF-32": CALL.encode("utf-32"),
    "UTF-7": CALL.replace('"', "+ACI-").encode(),
    "NaN": text_with(b"NaN"), "Infinity": text_with(b"Infinity"), "minus Infinity": text_with(b"-Infinity"),
    "an overlong slash": text_with(b'"\xc0\xaf"'), "an overlong NUL": text_with(b'"\xc0\x80"'),
    "an overlong slash of three bytes": text_with(b'"\xe0\x80\xaf"'),
    "a raw surrogate": text_with(b'"\xed\xa0\x80"'), "a raw pair of surrogates": text_with(b'"\xed\xa0\xbd\xed\xb8\x80"'),
    "Latin-1": text_with(b'"\xe9"'), "beyond Unicode": text_with(b'"\xf4\x90\x80\x80"'),
    "half a character": text_with(b'"\xe2\x82"'),
    "a high surrogate alone": text_with(rb'"\ud83d"'), "a low surrogate alone": text_with(rb'"\ude00"'),
    "surrogates the wrong way round": text_with(rb'"\ude00\ud83d"'), "two high surrogates": text_with(rb'"\ud83d\ud83d"'),
    "a surrogate in a name": text_with(rb'{"\ud83d": 1}'),
    "12,000 arrays": text_with(b"[" * 12_000 + b"]" * 12_000), "12,000 arrays left open": text_with(b"[" * 12_000),
    "12,000 objects": text_with(b'{"a":' * 12_000 + b"1" + b"}" * 12_000), "129 arrays": text_with(b"[" * 129 + b"]" * 129),
    "a member twice": text_with(b'{"a": 1, "a": 2}'), "a member twice, once escaped": text_with(rb'{"a": 1, "\u0061": 2}'),
    "a tab in a string": text_with(b'"\t"'), "a NUL in a string": text_with(b'"\x00"'), "a comment": text_with(b"/**/1"),
    "a trailing comma": text_with(b"[1,]"), "single quotes": text_with(b"'a'"), "a leading zero": text_with(b"01"),
    "a NUL behind": BODY + b"\x00", "another message behind": BODY + BODY, "only white space": b" \r\n\t", "cut off": BODY[:-1],
}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_no_strict_json_is_answered_with_a_parse_error(shared, kind, era):
    before = len(shared.witness.seen)
    reply = post(shared, TEXTS[kind], era)
    assert reply.status == (200 if era == "legacy" else 400)
    message = reply.json()
    assert message["error"]["code"] == UNREADABLE and message.get("id") is None, message
    assert MARK not in reply.body.decode() and len(shared.witness.seen) == before


def message(**changes):
    made = {**json.loads(BODY), **changes}
    return json.dumps({name: value for name, value in made.items() if value is not ...}, ensure_ascii=False).encode()


# Members that some reader takes for those of the protocol, and messages that are two things at once.
ENVELOPES = {
    "an error beside a method": message(error={"code": 1, "message": "x"}), "a result beside a method": message(result={}),
    "a null result beside a method": message(result=None), "a null error beside a method": message(error=None),
    "an error beside a result": message(method=..., params=..., result={}, error={"code": 1, "message": "x"}),
    "neither": message(method=..., params=...),
    "Method": message(Method="tools/list"), "METHOD alone": message(method=..., METHOD="tools/call"), "ID": message(ID=2),
    "Params": message(Params={}), "Result": message(Result={}), "Error": message(Error={}), "JSONRPC": message(JSONRPC="2.0"),
    "a wide method": message(**{"\uff4dethod": "ping"}), "an invisible character in a name": message(**{"me\u200bthod": "ping"}),
    "a soft hyphen in a name": message(**{"pa\u00adrams": {}}), "a wide ID": message(**{"\uff29d": 2}),
    "a long s": message(**{"param\u017f": {}}),
    "Name in params": message(params={"name": MARK, "arguments": {}, "Name": "other"}),
    "NAME alone in params": message(params={"NAME": MARK, "arguments": {}}),
    "Arguments in params": message(params={"name": MARK, "arguments": {}, "Arguments": {"a": 1}}),
    "a wide name in params": message(params={"name": MARK, "arguments": {}, "\uff4eame": "other"}),
    "an invisible character in params": message(params={"name": MARK, "arguments": {}, "na\u200dme": "other"}),
    "_Meta in params": message(params={"name": MARK, "arguments": {}, "_Meta": {}}),
    "another version": message(jsonrpc="1.0"), "a number as version": message(jsonrpc=2.0), "no version": message(jsonrpc=...),
    "a null id": message(id=None), "a fractional id": message(id=1.5), "an id of an object": message(id={}),
    "an id of a list": message(id=[1]), "a true id": message(id=True), "a method that is no string": message(method=7),
    "params that are text": message(params="x"), "a name that is no string": message(params={"name": 7}),
    "a batch without a session": b"[" + BODY + b"]", "an empty batch": b"[]", "a batch in a batch": b"[[" + BODY + b"]]",
    "a string": b'"tools/call"', "a number": b"1", "null": b"null",
}


@pytest.mark.parametrize("kind", ENVELOPES)
def test_what_is_not_exactly_one_message_is_answered_with_an_error(shared, kind):
    before = len(shared.witness.seen)
    reply = post(shared, ENVELOPES[kind])
    assert reply.status == 200
    answer = reply.json()
    assert answer["error"]["code"] in (NO_MESSAGE, -32602) and "result" not in answer, answer
    assert len(shared.witness.seen) == before


@pytest.mark.parametrize("text", [
    b'{"Name": "a", "name": "b"}', b'{"METHOD": 1, "error": 2, "Id": 3}', "{\"\uff4eame\": 1, \"name\": 2}".encode()])
def test_names_that_fold_alike_pass_where_they_mean_nothing(shared, text):
    before = len(shared.witness.seen)
    assert post(shared, text_with(text)).json()["result"] == {}
    assert text in shared.witness.seen[before:]


@pytest.mark.parametrize("kind, status", [
    ("text/plain", 415), ("application/xml", 415), ("application/jsonp", 415), ("application/json-rpc", 415),
    ("application/x-www-form-urlencoded", 415), ("multipart/form-data; boundary=x", 415), ("text/json", 415),
    ("application/json; charset=utf-16", 415), ("application/json; charset=iso-8859-1", 415),
    ("application/json, text/plain", 415), ("application/json; boundary=x", 415), ("json", 415), ("", 415), (None, 415),
    ("application/json", 200), ("APPLICATION/JSON", 200), ("application/json;charset=utf-8", 200),
    ('application/json; charset="UTF-8"', 200), ("application/json;", 200), ("application/json ; charset=utf-8 ; ", 200)])
def test_only_json_in_utf8_is_a_message(shared, kind, status):
    fields = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")]
    if kind is not None:
        fields.append(("Content-Type", kind))
    before = len(shared.witness.seen)
    with Connection(shared.url) as connection:
        connection.send("POST", headers=fields, body=BODY)
        assert connection.receive().status == status
    assert (len(shared.witness.seen) == before) == (status == 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-gzip", "identity, gzip", "GZIP", "unheard-of"])
def test_a_packed_body_is_refused_whatever_is_in_it(shared, coding):
    before = len(shared.witness.seen)
    for body in (gzip.compress(BODY), BODY):
        head = request([f"Content-Length: {len(body)}", f"Content-Encoding: {coding}"], body)
        with Connection(shared.url) as connection:
            connection.socket.sendall(head)
            received = until_closed(connection)
        assert received.startswith(b"HTTP/1.1 415 ") and MARK.encode() not in received
    assert len(shared.witness.seen) == before


@pytest.mark.parametrize("accept, status", [
    ("application/json, text/event-stream", 200), ("*/*", 200), ("application/*", 200), ("application/json", 200), (None, 200),
    ("text/html", 406), ("image/*", 406), ("application/json;q=0, text/event-stream;q=0", 406), ("*/*;q=0", 406)])
def test_only_an_accept_that_excludes_every_answer_is_refused(shared, accept, status):
    fields = [("Content-Type", "application/json"), ("MCP-Protocol-Version", "2025-11-25")]
    with Connection(shared.url) as connection:
        connection.send("POST", headers=fields + ([("Accept", accept)] if accept else []), body=BODY)
        assert connection.receive().status == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "post"])
def test_another_method_is_told_which_there_are(shared, method):
    with Connection(shared.url) as connection:
        connection.socket.sendall(request(["Content-Length: 0"], line=f"{method} /mcp HTTP/1.1"))
        received = until_closed(connection)
    assert received.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: POST, GET, DELETE\r\n" in received


@pytest.mark.parametrize("target", ["/mcp/", "/MCP", "/mcp/../mcp", "/m%63p", "//mcp", "/mcp;x", "/healthz", "/metrics", "/x"])
def test_another_path_is_not_found(shared, target):
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([LENGTH], BODY, line=f"POST {target} HTTP/1.1"))
        assert until_closed(connection).startswith(b"HTTP/1.1 404 ")


def test_a_declared_body_over_the_limit_is_refused_unread(shared):
    before = len(shared.witness.seen)
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([f"Content-Length: {LIMIT + 1}"]))
        received = until_closed(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and b"connection: close" in head.lower()
    assert json.loads(body)["error"]["code"] == TOO_LARGE
    assert len(shared.witness.seen) == before


@pytest.mark.parametrize("piece", [LIMIT + 1, 65536, 1 << 20])
def test_a_chunked_body_is_refused_where_it_passes_the_limit(shared, piece):
    before = len(shared.witness.seen)
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([CHUNKED]))
        try:
            for _ in range(0, 2 * LIMIT, piece):
                connection.socket.sendall(b"%x\r\n" % piece + b" " * piece + b"\r\n")
        except ConnectionError:
            pass
        received = until_closed(connection)
    # A client that goes on sending may lose the answer to the reset of its connection.
    assert received == b"" or received.startswith(b"HTTP/1.1 413 ") and b"%d" % TOO_LARGE in received, received[:300]
    assert len(shared.witness.seen) == before
    shared.serves()


def test_a_body_of_exactly_the_limit_is_served(shared):
    filler = LIMIT - len(text_with(b'""'))
    reply = post(shared, text_with(b'"' + b"x" * filler + b'"'))
    assert reply.status == 200 and reply.json()["result"] == {}


def test_more_values_than_a_message_may_hold_is_too_large_and_not_unreadable(shared):
    # Short of the limit of bytes: each value is two of them.
    count = (LIMIT - len(text_with(b"[]"))) // 2
    before = len(shared.witness.seen)
    answer = post(shared, text_with(b"[" + b"1," * (count - 1) + b"1]")).json()
    if "error" in answer:
        assert answer["error"]["code"] == TOO_LARGE and len(shared.witness.seen) == before, answer
    else:
        assert answer["result"] == {}
    shared.serves()
