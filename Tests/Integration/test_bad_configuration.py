"""What is wrong with a configuration or a policy is said with file, line, column and a remedy, by every command that reads it, and nothing starts."""

import os
import re
import subprocess

import pytest

from harness.gateway import NOBODY, unprivileged

HEAD = "version: v1\nrules:\n"
RULE = "- {name: a, match: {tools: [x]}, action: deny}\n"
ROUTE = "upstream: 'http://127.0.0.1:1/'"


def rule(text):
    """A policy with one rule, on line 3."""
    return HEAD + "- {name: a, match: {" + text + "}, action: deny}\n"


# Name: the text, the place of the mistake, and a part of the message that says what is wrong or what to do.
POLICIES = {
    "tab": (HEAD + "-\tname: a", "3:2", "spaces, not tabs"),
    "tab below": (HEAD + "- name: a\n\tmatch: {tools: [x]}", "4:1", "spaces, not tabs"),
    "anchor": (HEAD + "- &x " + RULE[2:], "3:3", "anchors"),
    "alias": (HEAD + "- *x", "3:3", "aliases"),
    "merge key": (HEAD + "- {name: a, <<: {mode: audit}, match: {tools: [x]}, action: deny}", "3:13", "known are"),
    "tag": (HEAD + "- !rule " + RULE[2:], "3:3", "tags"),
    "duplicate key": (HEAD + "- {name: a, name: b, match: {tools: [x]}, action: deny}", "3:13", "remove one"),
    "duplicate section": (HEAD + RULE + "rules: []", "4:1", "in line 2; remove one"),
    "duplicate rule": (HEAD + RULE + RULE, "4:3", "a name of its own"),
    "rules as a mapping": ("version: v1\nrules: {a: b}", "2:8", "a list"),
    "rules as text": ("version: v1\nrules: all", "2:8", "a list"),
    "a rule as text": (HEAD + "- deny everything", "3:3", "a mapping"),
    "tools as a mapping": (rule("tools: {x: y}"), "3:28", "a list, not a mapping"),
    "tools as nothing": (rule("tools: "), "3:28", "a list, not nothing"),
    "no tools": (rule("tools: []"), "3:28", "an empty list; remove the key"),
    "no keys": (rule(""), "3:20", 'write methods: ["*"]'),
    "no match": (HEAD + "- {name: a, action: deny}", "3:3", 'write match: {methods: ["*"]}'),
    "no action": (HEAD + "- {name: a, match: {tools: [x]}}", "3:3", "allow or deny"),
    "no name": (HEAD + "- {match: {tools: [x]}, action: deny}", "3:3", "has a name"),
    "unknown key": (rule("tolls: [x], tools: [y]"), "3:21", "did you mean tools?"),
    "unknown action": (HEAD + "- {name: a, match: {tools: [x]}, action: dney}", "3:42", "did you mean deny?"),
    "unknown mode": ("version: v1\nmode: enforced\nrules:\n" + RULE, "2:7", "did you mean enforce?"),
    "unknown mode of a rule": (HEAD + RULE[:-2] + ", mode: log}", "3:54", "enforce or audit"),
    "unknown method": (rule("methods: [tool/call]"), "3:31", "did you mean tools/call?"),
    "unknown version": ("version: v2\nrules:\n" + RULE, "1:10", "version is v1"),
    "no version": ("rules:\n" + RULE, "1:1", "version: v1"),
    "no rules": ("version: v1\n", "1:1", "every call would be denied"),
    "an empty list of rules": ("version: v1\nrules: []", "2:8", "empty list"),
    "an empty file": ("", "1:1", "the file is empty"),
    "only a comment": ("# nothing\n", "1:1", "the file is empty"),
    "a list": ("- a\n", "1:1", "a mapping"),
    "no expression": (rule("argument_patterns: {x: '(a'}"), "3:44", "missing )"),
    "a look-ahead": (rule("argument_patterns: {x: '(?=a)b'}"), "3:44", "not an expression of RE2"),
    "a back-reference": (rule("argument_patterns: {x: '(a)\\1'}"), "3:44", "not an expression of RE2"),
    "a long expression": (rule(f"argument_patterns: {{x: '{'a' * 5000}'}}"), "3:44", "at most 4096 bytes"),
    "a huge expression": (rule("argument_patterns: {x: '\\pL{1000}\\pL{1000}\\pL{1000}'}"), "3:44", "too large"),
    "repeated repetition": (rule("argument_patterns: {x: '((a{100}){100}){100}'}"), "3:44", "repetition"),
    "no expression for replies": (HEAD + RULE + "response_patterns:\n- {name: p, patterns: ['[']}", "5:24", "missing ]"),
    "no expressions": (HEAD + RULE + "response_patterns: []", "4:20", "an empty list; remove the key"),
    "no allowed tools": (HEAD + RULE + "allowed_tools: []", "4:16", "an empty list; remove the key"),
    "a long glob": (rule(f"tools: ['{'a' * 2000}']"), "3:29", "at most 1024 bytes"),
    "two documents": (HEAD + RULE + "---\nversion: v1", "4:1", "a file holds one"),
    "deep": ("version: v1\nrules: " + 200 * "[" + 200 * "]", "2:39", "inside each other"),
    "unclosed": (HEAD + "- {name: a, match: {tools: [x]}, action: deny", "4:1", "'}'"),
    "not UTF-8": (HEAD + "- {name: \udc80, match: {tools: [x]}, action: deny}", "3:10", "UTF-8"),
    "a null character": (HEAD + "- {name: a\0, match: {tools: [x]}, action: deny}", "3:11", "control characters"),
    "a line break in a name": (HEAD + '- {name: "a\\nb", match: {tools: [x]}, action: deny}', "3:10", "on one line"),
    "tools and prompts": (rule("tools: [x], prompts: [y]"), "3:33", "two rules of this one"),
    "no path": (rule("arguments: {'a[': [x]}"), "3:33", "[*] or [0]"),
}
CONFIGURATIONS = {
    "unknown mode": ("sandbox: strickt", "1:10", "did you mean strict?"),
    "unknown mode below": ("audit: {on_failure: alow}", "1:21", "did you mean allow?"),
    "unknown mode of a later section": ("server_eval: {mode: enforced}", "1:21", "did you mean enforce?"),
    "unknown plugin": ("plugins: [{name: pi}]", "1:18", "did you mean pii?"),
    "unknown mode of a plugin": ("plugins: [{name: pii, config: {mode: redcat}}]", "1:38", "did you mean redact?"),
    "tokens without a signature": ("auth: {jwt: {algorithm: none, jwks_url: 'https://a/'}}", "1:25", "is not one of"),
    "a section as text": ("audit: yes", "1:8", "a mapping"),
    "a section as a list": ("session: [a]", "1:10", "a mapping"),
    "no truth value": ("disclose_rules: maybe", "1:17", "true or false"),
    "no size": ("transport: {max_request_bytes: 4XiB}", "1:32", "such as 4MiB"),
    "negative": ("transport: {queue: -1}", "1:20", "from 1 to 65536"),
    "overflow": ("transport: {queue: 99999999999999999999}", "1:20", "from 1 to 65536"),
    "negative rate": ("rate_limit: {requests_per_second: -1}", "1:35", "from 0.001"),
    "no labels": ("audit: {label_claims: []}", "1:23", "an empty list; remove the key"),
    "no routes": ("routing: {routes: []}", "1:19", "an empty list; remove the key"),
    "a route without tools": (f"routing: {{routes: [{{name: a, match_tools: [], {ROUTE}}}]}}", "1:43", "an empty list"),
    "a typo in a route": (f"routing: {{routes: [{{name: a, match_tool: [x], {ROUTE}}}]}}", "1:30", "did you mean match_tools?"),
    "a route without a server": ("routing: {routes: [{name: a, match_tools: [x]}]}", "1:20", "has an upstream"),
    "two routes of one name": (
        f"routing: {{routes: [{{name: a, match_tools: [x], {ROUTE}}}, {{name: a, match_tools: [y], {ROUTE}}}]}}", "1:19", "another name"),
    "duplicate below": ("session:\n  ttl: 5m\n  ttl: 6m", "3:3", "in line 2; remove one"),
    "merge key": ("session: {<<: {ttl: 5m}}", "1:11", "known are"),
    "a list": ("- a", "1:1", "a mapping"),
    "an empty file": ("", "1:1", "the file is empty"),
    "text": ("hello", "1:1", "a mapping"),
    "no port": ("metrics: {addr: '127.0.0.1:99999'}", "1:17", "0 to 65535"),
    "a name to listen on": ("metrics: {addr: 'example.com:80'}", "1:17", "127.0.0.1"),
    "open metrics": ("metrics: {addr: '0.0.0.0:9091'}", "1:17", "metrics.api_key"),
    "a key that nobody can show": ("metrics: {api_key: 'two words that are long enough'}", "1:20", "visible ASCII"),
    "an open variable": ("user: ${X", "1:7", "${VARIABLE}"),
    "an open quotation": ("user: 'a", "1:9", "quoted"),
    "wrong indentation": ("session:\n  ttl: 5m\n drain: 1", "3:2", "expected key"),
    "no policy": ("policy: ''", "1:9", "is empty"),
    "a directory as policy": ("policy: /", "1:9", "not a regular file"),
}


@pytest.fixture
def write(directory):
    def write(name, text):
        path = os.path.join(directory, name)
        with open(path, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        return path
    return write


@pytest.fixture
def refused(binary):
    """Runs a command that must refuse; returns what it says. What validate finds is its output, what the others find is an error."""
    def run(*arguments):
        done = subprocess.run(
            [binary, *arguments], env={"PATH": os.environ["PATH"]}, cwd="/", capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL, **unprivileged())
        assert done.returncode == 2 and "" in (done.stdout, done.stderr), (arguments, done.returncode, done.stdout[-300:], done.stderr[-300:])
        assert arguments[0] == "policy" or done.stdout == ""
        return done.stdout + done.stderr
    return run


def told(said, path, place, message):
    lines = [line for line in said.splitlines() if f"{path}:{place}: " in line]
    return any(message in line and not re.search(r"[\x00-\x1f\x7f]", line) for line in lines)


@pytest.mark.parametrize("name", POLICIES)
def test_a_bad_policy(write, refused, refusal, name):
    text, place, message = POLICIES[name]
    path = write("policy.yaml", text)
    configuration = write("mcpgw.yaml", f"upstream: http://127.0.0.1:1/\npolicy: {path}\n")
    for said in (refused("policy", "validate", path), refused("config", "check", configuration), refusal.proxy("--policy", path)):
        assert told(said, path, place, message), said


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_bad_configuration(write, refused, refusal, name):
    text, place, message = CONFIGURATIONS[name]
    path = write("mcpgw.yaml", text)
    assert told(said := refused("config", "check", path), path, place, message), said
    # What is given as a flag does not count.
    without = ["--metrics-addr"] if text.startswith("metrics: {addr") else ["--upstream"] if text.startswith("routing") else []
    said = refusal.proxy("--config", path, without=without)
    # The first mistake is told; how many more there are, too.
    assert told(said, path, place, message) or "names all)" in said, said


def test_a_policy_of_ten_megabytes_ends_in_a_verdict_and_a_larger_one_is_refused(write, refused, refusal):
    size = 10 << 20
    broken = write("policy.yaml", HEAD + (RULE * (size // len(RULE) - 1)))
    configuration = write("mcpgw.yaml", f"upstream: http://127.0.0.1:1/\npolicy: {broken}\n")
    for said in (refused("config", "check", configuration), refusal.proxy("--policy", broken)):
        assert broken + ":" in said
        # Not a line for each of two hundred thousand mistakes.
        assert len(said) < 100_000
    larger = write("larger.yaml", HEAD + RULE + "#" * size)
    for said in (refused("policy", "validate", larger), refusal.proxy("--policy", larger)):
        assert larger in said and re.search("larger than 10 ?M", said)
