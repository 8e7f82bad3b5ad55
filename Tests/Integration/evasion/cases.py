"""Techniques that get a denied call past a matcher which compares what it reads letter by letter. Each has at most five
variants: (name, body, header fields). None of the bodies may reach the upstream under POLICY."""

import base64
import json

POLICY = """
version: v1
rules:
  - {name: no-tool, match: {tools: ["delete_all", "exec_*", "files"]}, action: deny}
  - {name: no-commands, match: {arguments: {command: ["*rm -rf*", "*sudo*"]}}, action: deny}
  - {name: no-expression, match: {argument_patterns: {query: ["(?i)drop\\\\s+table"]}}, action: deny}
  - {name: no-paths, match: {arguments: {path: ["/etc/*", "*.pem", "*/.ssh/*"]}}, action: deny}
  - {name: no-nested, match: {arguments: {"files[*].path": ["/etc/*"]}}, action: deny}
  - {name: no-option, match: {arguments: {"options.mode": ["danger"]}}, action: deny}
  - {name: no-index, match: {arguments: {"list.0": ["danger"]}}, action: deny}
  - {name: no-any, match: {arguments: {"env.*": ["secret*"]}}, action: deny}
  - {name: no-port, match: {arguments: {port: ["22"]}}, action: deny}
  - {name: no-force, match: {arguments: {force: ["true"]}}, action: deny}
  - {name: no-metadata, match: {arguments: {url: ["http://169.254.169.254/*", "https://internal.example/*"]}}, action: deny}
  - {name: no-encoded, match: {arguments: {data: ["*password*"]}, decode: [percent, base64]}, action: deny}
  - {name: no-vault, match: {resources: ["vault://*", "file:///etc/*", "/etc/*"]}, action: deny}
  - {name: no-prompts, match: {prompts: ["internal_*"]}, action: deny}
  - {name: no-methods, match: {methods: ["custom/*"]}, action: deny}
  - {name: narrow-refuse, match: {tools: ["narrow"], arguments: {path: ["/data/*"]}}, action: allow}
  - {name: narrow-rest, match: {tools: ["narrow"]}, action: deny}
  - {name: rest, match: {methods: ["*"]}, action: allow}
"""

CASES = []
JSON = ("Content-Type", "application/json")


def add(technique, *bodies, fields=()):
    """One technique; its variants differ in where or how it is used."""
    assert 0 < len(bodies) <= 5, technique
    for body in bodies:
        CASES.append((technique, body if isinstance(body, bytes) else body.encode(), tuple(fields)))


def message(method, params, identifier="1"):
    return f'{{"jsonrpc":"2.0","id":{identifier},"method":{method},"params":{params}}}'


def tool(name, arguments="{}"):
    return message('"tools/call"', f'{{"name":{name},"arguments":{arguments}}}')


def path(*values):
    return [tool('"open"', f'{{"path":{value}}}') for value in values]


def command(*values):
    return [tool('"run"', f'{{"command":{value}}}') for value in values]


def arguments(*values):
    return [tool('"any"', value) for value in values]


def url(*values):
    return [tool('"get"', f'{{"url":{value}}}') for value in values]


def data(*values):
    return [tool('"put"', json.dumps({"data": value})) for value in values]


def b64(text):
    return base64.b64encode(text.encode()).decode()


# Names of tools.
add("tool name plain (control)", tool('"delete_all"'), tool('"exec_shell"'))
add("tool name with JSON escapes", tool(r'"delete\u005fall"'), tool(r'"\u0065xec_shell"'))
add("tool name with an invisible character", tool(r'"delete_all\u200b"'), tool(r'"exec\u2060_shell"'), tool(r'"ex\u00adec_x"'))
add("tool name in full width", tool('"ｄelete_all"'), tool('"ｅｘｅｃ＿shell"'))
add("tool name with a ligature", tool('"ﬁles"'))
add("tool name in mathematical letters", tool('"𝐝𝐞𝐥𝐞𝐭𝐞_all"'))
add("tool name with white space around", tool('" delete_all"'), tool(r'"delete_all\n"'), tool('"delete_all\u00a0"'))
add("tool name that ends at a null byte", tool(r'"delete_all\u0000.txt"'))
add("tool name with bidirectional marks", tool(r'"\u202edelete_all"'))
add("tool name twice", message('"tools/call"', '{"name":"echo","name":"delete_all"}'),
    message('"tools/call"', r'{"name":"echo","n\u0061me":"delete_all"}'))
add("tool name under a look-alike member", message('"tools/call"', '{"name":"echo","Name":"delete_all"}'),
    message('"tools/call"', r'{"name":"echo","name\u200b":"delete_all"}'))
add("tool name as an array", message('"tools/call"', '{"name":["delete_all"],"arguments":{}}'))
add("method with another case", message('"Tools/Call"', '{"name":"delete_all"}'), message('"TOOLS/CALL"', '{"name":"delete_all"}'))
add("method with JSON escapes", message(r'"tools\/call"', '{"name":"delete_all"}'), message(r'"\u0074ools/call"', '{"name":"delete_all"}'))
add("method with an invisible character", message(r'"tools/call\u200b"', '{"name":"delete_all"}'))
add("method with white space around", message('"tools/call "', '{"name":"delete_all"}'))
add("method in full width", message('"ｔools/call"', '{"name":"delete_all"}'))
add("method twice", '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_all"}}')
add("method under a look-alike member", '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_all"}}')
add("params twice", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"delete_all"}}')
add("a call as a notification", '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_all"}}')
add("an extension's method under a deny", message('"custom/danger"', "{}"), message(r'"custom\u200b/danger"', "{}"))
add("batch", "[" + tool('"delete_all"') + "]", "[" + tool('"echo"') + "," + tool('"delete_all"') + "]")

# Commands.
add("doubled white space", *command('"rm  -rf /"', r'"rm\t-rf /"', r'"rm\n-rf /"'))
add("other white space", *command('"rm\u00a0-rf /"', '"rm\u3000-rf /"', '"rm\u2009-rf /"', r'"rm\u2028-rf /"'))
add("escaped letters in a value", *command(r'"r\u006d -rf /"', r'"\u0073udo x"'))
add("invisible characters in a value", *command(r'"r\u200bm -rf /"', r'"su\ufeffdo x"', r'"su\u2060do"', r'"su\u180edo"'))
add("tag characters", *command(r'"su\udb40\udc41do x"'))
add("variation selectors", *command(r'"su\ufe0fdo x"', r'"su\udb40\udd00do"'))
add("control characters in a value", *command(r'"su\u0008do x"', r'"su\u001bdo x"', r'"su\u007fdo x"'))
add("a null byte in a value", *command(r'"s\u0000udo x"'))
add("full-width letters", *command('"ｒｍ －ｒｆ /"', '"ｓｕｄｏ x"'))
add("mathematical letters", *command('"𝐫𝐦 -𝐫𝐟 /"', '"𝚜𝚞𝚍𝚘 x"'))
add("circled and long letters", *command('"ⓢudo x"', '"ſudo x"'))
add("bidirectional overrides", *command(r'"s\u202eudo x"', r'"su\u2066do"'))
add("soft hyphens", *command(r'"r\u00adm -rf /"'))
add("hangul fillers", *command(r'"su\u3164do"', r'"su\uffa0do"'))
add("an array in place of a string", *command('["rm -rf /"]', '["rm","-rf","/"]', '[["sudo"]]'))
add("an object in place of a string", *command('{"line":"sudo x"}', '{"a":{"b":["sudo"]}}'))
add("the denied element last", *command('["ls","-l","sudo x"]'))
add("a very long value", *command('"' + "echo lorem; " * 90_000 + 'sudo x"'))
add("very many elements", *command("[" + ",".join('"a"' for _ in range(20_000)) + ',"sudo"]'))
add("deep nesting", *command("[" * 60 + '"sudo"' + "]" * 60))
add("an expression in disguise", *[tool('"db"', f'{{"query":{v}}}') for v in ('"DROP\u00a0TABLE x"', r'"dr\u200bop table x"', '"ＤＲＯＰ table"')])

# Names of arguments.
add("argument name with another case", *arguments('{"Command":"sudo x"}', '{"PATH":"/etc/passwd"}'))
add("argument name with escapes", *arguments(r'{"com\u006dand":"sudo x"}'))
add("argument name with invisible characters", *arguments(r'{"com\u200bmand":"sudo x"}', r'{"path\u200d":"/etc/passwd"}'))
add("argument name in full width", *arguments('{"ｃommand":"sudo x"}'))
add("argument name with white space", *arguments('{"command ":"sudo x"}', r'{"\tcommand":"sudo x"}'))
add("argument name that ends at a null byte", *arguments(r'{"command\u0000x":"sudo x"}'))
add("argument name twice", *arguments('{"command":"ls","command":"sudo x"}', r'{"command":"ls","comm\u0061nd":"sudo x"}'))
add("argument names that fold alike", *arguments('{"command":"ls","Command":"sudo x"}', '{"path":"/srv/a","Path":"/etc/passwd"}'))
add("argument name with the Kelvin sign or a long s", *arguments('{"fileſ":[{"path":"/etc/x"}]}'))
add("dotted argument name", *arguments('{"options.mode":"danger"}', '{"files[0].path":"/etc/passwd"}', '{"files[*].path":"/etc/x"}'))
add("partly dotted argument name", *arguments('{"files[0]":{"path":"/etc/passwd"}}'))
add("prototype members", *arguments('{"__proto__":{"command":"sudo x"}}', '{"options":{"__proto__":{"mode":"danger"}}}'))
add("arguments as a string", tool('"any"', '"sudo x"'), tool('"any"', r'"{\"path\":\"/etc/passwd\"}"'))
add("arguments as an array", tool('"any"', '[{"command":"sudo x"}]'), tool('"any"', '["sudo x"]'))
add("an object in place of an array", *arguments('{"files":{"path":"/etc/passwd"}}', '{"files":{"0":{"path":"/etc/passwd"}}}'))
add("an array in an array", *arguments('{"files":[[{"path":"/etc/x"}]]}'))
add("JSON in a string", *arguments(r'{"files":"[{\"path\":\"/etc/passwd\"}]"}', r'{"path":"[\"/etc/passwd\"]"}', r'{"options":"{\"mode\":\"danger\"}"}'))
add("JSON in a string, not strict", *arguments(r'{"files":"[{\"path\":\"/srv\",\"path\":\"/etc/passwd\"}]"}', r'{"path":"[\"/etc/passwd\",NaN]"}'))
add("JSON in an element", *arguments(r'{"files":["{\"path\":\"/etc/passwd\"}"]}'))
add("an index for a name", *arguments('{"list":["danger"]}', '{"list":{"0":"danger"}}'))
add("any member", *arguments('{"env":{"X":"secret-1"}}', '{"env":[{"X":"secret-1"}]}'))

# Values.
add("a number spelt otherwise", *arguments('{"port":22.0}', '{"port":2.2e1}', '{"port":220E-1}'))
add("a number as a text", *arguments('{"port":"022"}', '{"port":"+22"}', '{"port":" 22 "}', '{"port":"22.0"}'))
add("a truth value as a text", *arguments('{"force":"True"}', '{"force":"yes"}', '{"force":"ON"}'))
add("a truth value as a number", *arguments('{"force":1}', '{"force":1.0}'))

# Paths.
add("doubled slashes", *path('"//etc/passwd"', '"/etc//passwd"'))
add("dot segments", *path('"/./etc/passwd"', '"/srv/../etc/passwd"', '"/srv/./../etc/passwd"'))
add("a relative path that climbs", *path('"../../../etc/passwd"', '"a/../../etc/passwd"'))
add("back slashes", *path(r'"\\etc\\passwd"', r'"..\\..\\etc\\passwd"'))
add("escaped slashes", *path(r'"\/etc\/passwd"', r'"\u002fetc\u002fpasswd"'))
add("file URL", *path('"file:///etc/passwd"', '"FILE:///etc/passwd"', '"file:/etc/passwd"', '"file://localhost/etc/passwd"'))
add("file URL with percent signs", *path('"file:///%65tc/passwd"', '"file:///etc%2fpasswd"'))
add("file URL with a fragment", *path('"file:///etc/passwd#x"', '"file:///srv/../etc/passwd?x"'))
add("file URL with a line break", *path(r'"fi\nle:///etc/passwd"', r'"file:///et\tc/passwd"'))
add("the root of a process", *path('"/proc/self/root/etc/passwd"', '"/proc/1/root/etc/passwd"', '"/proc/thread-self/root/etc/passwd"', '"/proc/self/task/7/root/etc/passwd"'))
add("the working directory of a process", *path('"/proc/self/cwd/../../etc/passwd"'))
add("descriptors as a path", *path('"/dev/fd/../root/etc/passwd"'))
add("full-width slashes", *path('"／etc／passwd"'))
add("a full-width dot", *path('"/srv/key．pem"', '"/srv/．．/etc/passwd"'))
add("a null byte in a path", *path(r'"/srv/key.pem\u0000.txt"', r'"/e\u0000tc/passwd"'))
add("a slash at the end", *path('"/srv/key.pem/"', '"/srv/key.pem/."'))
add("spaces around a path", *path('" /etc/passwd"', r'"/etc/passwd\n"'))
add("a scheme that climbs", *path('"ab://../../etc/passwd"'))

# URLs.
add("a URL's scheme and host with other cases", *url('"HTTP://169.254.169.254/x"', '"https://INTERNAL.example/x"'))
add("an address as one number", *url('"http://2852039166/x"', '"http://0xA9FEA9FE/x"'))
add("an address in octal or three parts", *url('"http://0251.0376.0251.0376/x"', '"http://169.254.43518/x"'))
add("a scheme's own port", *url('"http://169.254.169.254:80/x"', '"https://internal.example:443/x"'))
add("a user's name in a URL", *url('"http://user:word@169.254.169.254/x"', '"https://example.com@internal.example/x"'))
add("back slashes and more slashes in a URL", *url(r'"http:\\169.254.169.254\\x"', '"http:///169.254.169.254/x"'))
add("a URL without a path", *url('"http://169.254.169.254"', '"http://169.254.169.254?x"'))
add("line breaks in a URL", *url(r'"ht\ntp://169.254.169.254/x"', r'"http://169.254.1\t69.254/x"'))
add("a dot behind a host", *url('"https://internal.example./x"'))
add("a host with percent signs or other full stops", *url('"https://intern%61l.example/x"', '"https://internal。example/x"'))

# Encodings.
add("percent signs", *data("p%61ssword", "%70%61%73%73%77%6f%72%64"))
add("percent signs twice", *data("p%2561ssword", "p%252561ssword"))
add("percent signs with overlong forms", *data("%c1%b0assword"))
add("base64", *data(b64("password"), b64("password").rstrip("="), "x=" + b64("the password is") + " | base64 -d"))
add("base64 for URLs", *data(base64.urlsafe_b64encode("??password>>".encode()).decode()))
add("base64 twice", *data(b64(b64("password"))))
add("base64 with line breaks or other characters", *data("cGFz\nc3dvcmQ=", "cGFz!c3dvcmQ="))
add("base64 with bytes that are no text", *data(base64.b64encode(b"password\xff\xff").decode()))
add("percent signs in base64 and the reverse", *data(b64("p%61ssword"), "%63GFzc3dvcmQ="))

# Resources, prompts.
add("resource plain (control)", message('"resources/read"', '{"uri":"vault://a"}'))
add("resource with percent signs", message('"resources/read"', '{"uri":"file:///%65tc/passwd"}'))
add("resource with dot segments", message('"resources/read"', '{"uri":"file:///srv/../etc/passwd"}'))
add("resource by subscription", message('"resources/subscribe"', '{"uri":"vault://a"}'), message('"resources/unsubscribe"', '{"uri":"vault://a"}'))
add("resource by completion", message('"completion/complete"', '{"ref":{"type":"ref/resource","uri":"vault://a"},"argument":{"name":"x","value":"y"}}'))
add("resource as an array", message('"resources/read"', '{"uri":["vault://a"]}'))
add("resource with an invisible character", message('"resources/read"', r'{"uri":"vault\u200b://a"}'))
add("resource under a look-alike member", message('"resources/read"', '{"uri":"x://a","URI":"vault://a"}'))
add("prompt in disguise", message('"prompts/get"', r'{"name":"internal\u005fx"}'), message('"prompts/get"', r'{"name":"\u200binternal_x"}'))
add("prompt by completion with both references", message('"completion/complete"', '{"ref":{"type":"ref/prompt","name":"internal_x","uri":"x:"},"argument":{"name":"x","value":"y"}}'))

# Allow rules that are to be narrow.
NARROW = [tool('"narrow"', f'{{"path":{value}}}') for value in (
    '"/data/../etc/passwd"', '["/data/a","/etc/passwd"]', r'"/data\\..\\..\\etc"', '[]', 'null')]
add("an allow rule and a path that leaves it", *NARROW)
add("an allow rule and a second name", tool('"narrow"', '{"path":"/data/a","Path":"/etc/passwd"}'))
add("an allow rule and no argument", tool('"narrow"'), message('"tools/call"', '{"name":"narrow"}'))
add("an allow rule and JSON in a string", tool('"narrow"', r'{"path":["/data/a","[\"/etc/passwd\"]"]}'))

# The envelope and its bytes.
add("UTF-8 with a mark in front", b"\xef\xbb\xbf" + tool('"delete_all"').encode())
add("UTF-16", tool('"delete_all"').encode("utf-16-le"), tool('"delete_all"').encode("utf-16"))
add("bytes that are no UTF-8", tool('"delete_all"').encode().replace(b"delete", b"delet\xe5"), tool('"\\u0064elete_all"').encode() + b"\xff")
add("overlong UTF-8", tool('"@"').encode().replace(b"@", b"\xc1\xa4elete_all"))
add("a second text behind the first", tool('"echo"') + tool('"delete_all"'), tool('"echo"') + "\n" + tool('"delete_all"'))
add("comments and trailing commas", '{"jsonrpc":"2.0","id":1,/**/"method":"tools/call","params":{"name":"delete_all"}}', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all",}}')
add("lone surrogates", tool(r'"delete_all\ud800"'))
add("a call and an answer at once", '{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_all"}}')
add("a header that says another tool", tool('"delete_all"'), fields=(("Mcp-Name", "echo"), ("Mcp-Method", "tools/call")))
add("a header that says another method", tool('"delete_all"'), fields=(("Mcp-Method", "ping"),))
add("another media type", tool('"delete_all"'), fields=(("Content-Type", "text/plain"),))
add("a content encoding", tool('"delete_all"'), fields=(("Content-Encoding", "identity"),))

# What a review found that got past it once.
add("a number with more digits than readers keep", *arguments(
    '{"port":22.00000000000000001}', '{"port":22e00000000}', '{"port":220e-0000001}', '{"port":22.' + "0" * 43 + "}", '{"port":22.' + "0" * 5000 + "}"))
add("a number in another base", *arguments('{"port":"0x16"}', '{"port":"0b10110"}', '{"port":"0O26"}', '{"port":"+0x0016"}'))
add("a truth value with a long exponent", *arguments('{"force":1e00000000}'))
add("a scheme with another case", message('"resources/read"', '{"uri":"VAULT://a"}'), message('"resources/read"', r'{"uri":"Va\tult:\n//a"}'))
add("out of a home or a variable", *path('"~/../etc/passwd"', '"~root/../etc/passwd"', '"$HOME/../etc/passwd"', '"%HOME%/../etc/passwd"'))
add("out of a directory that is a link", *path('"/proc/net/../root/etc/passwd"', '"/var/run/../etc/passwd"', '"/var/run/x/../../etc/passwd"'))
add("a file URL whose query climbs", *path('"file:///tmp/x?/../../etc/passwd"', '"file:///tmp/x#/../../etc/passwd"'))
add("an address with many zeros", *url('"http://0x0000000000000000000a9fea9fe/x"', '"http://0000000000000000000251.0376.0251.0376/x"'))
add("a host with percent signs and wide letters", *url(
    '"http://%EF%BC%91%EF%BC%96%EF%BC%99.254.169.254/x"', '"https://%EF%BD%89nternal.example/x"', '"https://inter%C2%ADnal.example/x"'))
add("an address within another", *url('"http://[::ffff:169.254.169.254]/x"', '"http://[::FFFF:a9fe:a9fe]/x"', '"http://[0:0:0:0:0:ffff:a9fe:a9fe]:80/x"', '"http://[64:ff9b::a9fe:a9fe]/x"'))
add("a reference under a look-alike member",
    message('"completion/complete"', '{"ref":{"type":"ref/prompt","name":"ok","Name":"internal_x"},"argument":{"name":"x","value":"y"}}'),
    message('"completion/complete"', '{"ref":{"type":"ref/resource","uri":"x:","URI":"vault://a"},"argument":{"name":"x","value":"y"}}'))
add("JSON in a string in a string", *arguments(
    r'{"options":"{\"mode\":\"[\\\"danger\\\"]\"}"}', r'{"path":"[\"[\\\"/etc/x\\\"]\"]"}', r'{"path":"\u00a0[\"/etc/x\"]"}',
    json.dumps({"path": json.dumps([json.dumps([json.dumps([json.dumps([json.dumps(["/etc/x"])])])])])})))
add("percent signs many times", *data("p%2525252561ssword"))
add("base64 three times", *data(b64(b64(b64("password"))), b64(b64(b64(b64("password"))))))

# What must pass, so that the suite cannot pass by refusing everything.
HARMLESS = [
    tool('"echo"', '{"text":"sudo is a word"}'), tool('"any"', '{"command":"ls -la"}'), tool('"open"', '{"path":"/srv/etc/passwd"}'),
    tool('"narrow"', '{"path":"/data/a"}'), tool('"any"', '{"port":221,"force":false}'), tool('"get"', '{"url":"https://example.com/"}'),
    tool('"put"', '{"data":"documents and words"}'), tool('"open"', '{"path":"/var/run/x/../y"}'), tool('"any"', '{"port":22.5,"x":9007199254740993}'),
    tool('"any"', '{"port":"Note: 22"}'), tool('"get"', '{"url":"http://[2001:db8::1]/x"}'), tool('"open"', '{"path":"~/etc/passwd"}'), tool('"any"', r'{"files":"[{\"name\":\"/etc\"}]"}'),
]
