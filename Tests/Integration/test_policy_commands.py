"""The policy commands, as a person runs them: what they print, and what their exit status says."""

import json
import os
import subprocess
import time

import pytest

POLICY = """version: v1
rules:
  - name: no-shell
    match: {tools: ["exec_*"]}
    action: deny
    reason: Shells are not for agents.
  - name: readers
    match:
      tools: [read_file]
      roles: [reader]
      arguments: {path: ["/data/*"]}
    action: allow
  - name: lists
    match: {methods: ["*/list"]}
    action: allow
"""
ALL = '- {name: all, match: {methods: ["*"]}, action: allow}\n'


class Policy:
    """`mcpgw policy` in a directory."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.write("policy.yaml", POLICY)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def run(self, *arguments, status=0, given=""):
        done = subprocess.run(
            [self.binary, "policy", *arguments], cwd=self.directory, capture_output=True, input=given, text=True, timeout=60)
        assert done.returncode == status, (arguments, done.returncode, done.stdout[-500:], done.stderr[-500:])
        return done.stdout + done.stderr

    def json(self, *arguments, status=0, given=""):
        return json.loads(self.run(*arguments, "--format", "json", status=status, given=given))


@pytest.fixture
def policy(binary, directory):
    return Policy(binary, directory)


# validate

def test_a_policy_without_mistakes_is_valid(policy):
    assert "valid, 3 rules" in policy.run("validate", "policy.yaml")
    assert policy.json("validate", "policy.yaml") == {
        "file": "policy.yaml", "valid": True, "rules": 3, "errors": [], "warnings": []}
    assert "-: valid" in policy.run("validate", "-", given=POLICY)


@pytest.mark.parametrize("text, place, remedy", [
    ("version: v1\nrulse:\n" + ALL, "2:1", "did you mean rules?"),
    ("version: v1\nrules:\n\t- name: x\n", "3:1", "spaces, not tabs"),
    ("version: v1\nrules: &a\n" + ALL, "2:8", "anchors"),
    ("version: v1\nrules: *a\n", "2:8", "aliases"),
    ("version: v1\nrules: !!seq\n" + ALL, "2:8", "tags"),
    ("version: v1\nversion: v1\nrules:\n" + ALL, "2:1", "there already, in line 1"),
    ("version: v1\nmode: [audit]\nrules:\n" + ALL, "2:7", "a text, not a list"),
    ("version: v1\nmode: monitor\nrules:\n" + ALL, "2:7", "enforce or audit"),
    ("version: v1\nrules: []\n", "2:8", "empty list"),
    ("version: v1\nrules:\n- {name: a, match: {tools: []}, action: deny}\n", "3:28", "empty list"),
    ("version: v1\nrules:\n- {name: a, match: {tools: [x]}, action: permit}\n", "3:42", "allow or deny"),
    ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"(\"]}}, action: deny}\n", "3:45", "RE2"),
    ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"((a{999}){999}){999}\"]}}, action: deny}\n", "3:45", "RE2"),
    ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"" + "a" * 5000 + "\"]}}, action: deny}\n", "3:45", "4096"),
    ("version: v1\nrules:\n- {name: a, match: {tools: [\"x\\u200b\"]}, action: deny}\n", "3:29", "U+200B"),
    ("version: v1\nrules:\n- name: a\n  match:\n    tools:\n    - |\n      exec_*\n  action: deny\n", "6:7", "line break"),
    ("", "1:1", "the file is empty"),
    (b"version: v1\nrules: \xff\n", "2:8", ""),
    (b"\xff\xfev\0e\0", "1:1", ""),
])
def test_a_mistake_is_shown_with_its_place_and_a_remedy(policy, text, place, remedy):
    policy.write("bad.yaml", text)
    found = policy.run("validate", "bad.yaml", status=2)
    assert any(line.startswith(f"error: bad.yaml:{place}:") and remedy in line for line in found.splitlines()), found
    line, column = map(int, place.split(":"))
    report = policy.json("validate", "bad.yaml", status=2)
    assert not report["valid"] and any((e["line"], e["column"]) == (line, column) for e in report["errors"])


def test_all_mistakes_are_found_at_once(policy):
    policy.write("bad.yaml", "version: v2\nmode: adit\nrules:\n- {name: a, match: {tool: [x]}, action: deni}\n")
    assert len(policy.json("validate", "bad.yaml", status=2)["errors"]) >= 4


def test_a_rule_that_nothing_reaches_is_a_warning_and_with_strict_an_error(policy):
    policy.write("late.yaml", "version: v1\nrules:\n" + ALL + "- {name: late, match: {tools: [x]}, action: deny}\n")
    assert "warning: late.yaml:4:3:" in policy.run("validate", "late.yaml")
    assert "error: late.yaml:4:3:" in policy.run("validate", "late.yaml", "--strict", status=2)


@pytest.mark.parametrize("unit", ["- {name: aaaaaaaa, match: {tools: [x]}, action: deny}\n", "[", "a: b\n", "\t", "- - - - ", "\"", "# x\n"])
def test_a_file_of_ten_megabytes_ends_in_a_verdict(policy, unit):
    policy.write("large.yaml", "version: v1\nrules:\n" + unit * (10_000_000 // len(unit)))
    began = time.monotonic()
    policy.run("validate", "large.yaml", status=2)
    assert time.monotonic() - began < 30


def test_a_larger_file_is_refused(policy):
    policy.write("large.yaml", b"#" * (10 * 1024 * 1024 + 1))
    assert "larger than 10 MB" in policy.run("validate", "large.yaml", status=2)


@pytest.mark.parametrize("arguments", [
    ["validate", "absent.yaml"], ["validate", "."], ["validate"], ["validate", "policy.yaml", "--format", "xml"], ["test", "policy.yaml", "absent"],
    ["explain", "absent.yaml", "--tool", "x"], ["diff", "policy.yaml", "absent"], ["replay", "absent", "--policy", "policy.yaml"],
    ["replay", "policy.yaml"], ["explain", "policy.yaml"], ["explain", "policy.yaml", "--tool", "x", "--arg", "novalue"],
    ["explain", "policy.yaml", "--method", "tools/call", "--params", "{"], ["nonsense"],
])
def test_what_cannot_be_done_is_status_2_and_says_why(policy, arguments):
    assert len(policy.run(*arguments, status=2)) > 10


@pytest.mark.parametrize("command", ["", "validate", "test", "explain", "diff", "replay"])
def test_every_command_has_help(policy, command):
    assert "USAGE" in policy.run(*command.split(), "--help")


# test

CASES = """cases:
- {name: shell, tool: exec_sh, expect: deny, rule: no-shell}
- {name: reads, tool: read_file, roles: [reader], arguments: {path: /data/x}, expect: allow, rule: readers}
- {name: elsewhere, tool: read_file, roles: [reader], arguments: {path: [/data/x, /etc/x]}, expect: deny, rule: (no rule)}
- {name: list, method: tools/list, expect: allow}
- {name: raw, message: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec\\u005fx"}}', expect: deny}
- {name: number, tool: x, arguments: {n: 1, b: true, z: null, s: "1"}, expect: deny}
"""


def test_cases_that_are_as_expected_pass(policy):
    policy.write("cases.yaml", CASES)
    assert "6 cases, 6 as expected, 0 not" in policy.run("test", "policy.yaml", "cases.yaml")


def test_a_case_that_is_not_as_expected_is_shown(policy):
    policy.write("cases.yaml", CASES + "- {name: wrong, tool: exec_x, expect: allow}\n- {name: other, tool: exec_x, expect: deny, rule: readers}\n")
    found = policy.run("test", "policy.yaml", "cases.yaml", status=1)
    assert 'cases.yaml:8:3: "wrong": expected allow, got deny by no-shell' in found
    assert 'cases.yaml:9:3: "other": expected rule readers, got deny by no-shell' in found
    assert policy.json("test", "policy.yaml", "cases.yaml", status=1)["failed"] == 2


@pytest.mark.parametrize("text, place", [
    ("", "1:1"), ("cases: []\n", "1:8"), ("- {tool: x}\n", "1:3"), ("- {tool: x, expect: maybe}\n", "1:21"), ("- {tol: x, expect: deny}\n", "1:4"),
    ("- {tool: x, prompt: y, expect: deny}\n", "1:13"), ("- {method: x, arguments: {}, expect: deny}\n", "1:15"),
])
def test_a_mistake_in_the_cases_is_status_2(policy, text, place):
    policy.write("cases.yaml", text)
    assert f"cases.yaml:{place}:" in policy.run("test", "policy.yaml", "cases.yaml", status=2)


# explain

def test_each_rule_before_the_one_that_decides_says_why_it_does_not(policy):
    found = policy.run("explain", "policy.yaml", "--tool", "read_file", "--arg", "path=/etc/x", "--role", "reader", status=1)
    assert 'policy.yaml:3: "no-shell" does not match: tools' in found
    assert '"readers" does not match: arguments.path' in found and '"lists" does not match: methods' in found
    assert "deny by (no rule)" in found
    report = policy.json("explain", "policy.yaml", "--tool", "read_file", "--arg", "path=/data/x", "--role", "reader")
    assert report["passes"] and report["rule"] == "readers" and [t["missing"] for t in report["trace"]] == [["tools"], []]
    report = policy.json("explain", "policy.yaml", "--tool", "read_file", "--arg", "path=/etc/x", status=1)
    assert report["trace"][1]["missing"] == ["roles", "arguments.path"]


def test_a_message_and_parameters_are_explained(policy):
    body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec\\u005fx"}}'
    assert "deny by no-shell: Shells are not for agents." in policy.run("explain", "policy.yaml", "--message", "-", given=body, status=1)
    assert "by no-shell" in policy.run("explain", "policy.yaml", "--method", "tools/call", "--params", '{"name":"exec_x"}', status=1)
    assert "allow by lists" in policy.run("explain", "policy.yaml", "--method", "tools/list")
    assert "no strict JSON" in policy.run("explain", "policy.yaml", "--message", "-", given="[NaN", status=2)


# diff

def test_a_policy_does_not_differ_from_itself_however_it_is_written(policy):
    other = POLICY.replace("no-shell", "renamed").replace('["exec_*"]', '[exec_*, "exec_a*"]')
    policy.write("same.yaml", other)
    assert "0 kinds of difference" in policy.run("diff", "policy.yaml", "same.yaml")


@pytest.mark.parametrize("old, new, rules", [
    ('["exec_*"]', '["exec_a*"]', ("no-shell", "(no rule)", None)),
    ("[read_file]", "[read_file, exec_*, stat]", ("(no rule)", "readers", True)),
    ("roles: [reader]", "roles: [reader, writer]", ("(no rule)", "readers", True)),
    ('["/data/*"]', '["/data/public/*"]', ("readers", "(no rule)", False)),
    ('["*/list"]', '["tools/list"]', ("lists", "(no rule)", False)),
    ("action: deny\n    reason", "action: allow\n    reason", ("no-shell", "no-shell", True)),
    ("version: v1", "version: v1\nmode: audit", ("(no rule)", "(no rule)", True)),
    ("version: v1", "version: v1\nallowed_tools: [other]", ("readers", "(allowed_tools)", False)),
])
def test_what_a_change_does_is_shown_with_an_example(policy, old, new, rules):
    policy.write("new.yaml", POLICY.replace(old, new))
    before, after, passes = rules
    if passes is None:
        # Another rule denies it still.
        assert "0 kinds" in policy.run("diff", "policy.yaml", "new.yaml")
        return
    report = policy.json("diff", "policy.yaml", "new.yaml", status=1)
    found = [d for d in report["differences"] if (d["old_rule"], d["new_rule"]) == (before, after)]
    assert found and found[0]["new"].startswith("allow" if passes else "deny"), report
    for difference in report["differences"]:
        options = [part for role in difference["roles"] for part in ("--role", role)]
        options += ["--subject", difference["subject"]] if difference["subject"] else []
        status = 0 if difference["new"].startswith("allow") else 1
        policy.run("explain", "new.yaml", "--message", "-", *options, given=json.dumps(difference["example"]), status=status)


def test_response_patterns_are_compared(policy):
    policy.write("new.yaml", POLICY + "response_patterns: [{name: keys, pattern: AKIA}]\n")
    assert policy.json("diff", "policy.yaml", "new.yaml", status=1)["added_response_patterns"] == ["keys"]


# replay

def record(**members):
    base = {"timestamp": "2026-01-01T00:00:00Z", "kind": "request", "direction": "c2s", "method": "tools/call", "action": "allow", "subject": "a"}
    return json.dumps(base | members) + "\n"


def test_recorded_calls_are_decided_again(policy):
    policy.write("audit.jsonl", "".join([
        record(tool_name="exec_sh"), record(tool_name="exec_sh", action="block"),
        record(tool_name="read_file", roles=["reader"], tool_args={"path": "/data/x"}),
        record(tool_name="read_file", roles=["reader"], tool_args={"path": "/data/x"}, action="block"),
        record(tool_name="read_file", roles=["reader"], tool_args={"path": "[hidden]"}),
        record(tool_name="read_file", roles=["reader"], tool_args="{\"pa", cut=[{"name": "tool_args", "bytes": 9, "sha256": "0"}]),
        record(tool_name="exec_sh", tool_args="{\"pa", action="block", cut=[{"name": "tool_args", "bytes": 9, "sha256": "0"}]),
        record(tool_name="read_file", action="block", threat_type="injection"),
        record(method="tools/list"), record(kind="response", method="tools/call"), record(kind="checkpoint"), "not json\n",
        record(method="sampling/createMessage", direction="s2c"), record(method="resources/subscribe"),
    ]))
    done = subprocess.run([policy.binary, "policy", "replay", "audit.jsonl", "--policy", "policy.yaml", "--format", "json"],
                          cwd=policy.directory, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "audit.jsonl:12: no line of JSON" in done.stderr
    report = json.loads(done.stdout)
    counts = {name: report[name] for name in ("calls", "same", "newly_blocked", "newly_allowed", "undecidable", "other_reason", "unreadable_lines")}
    assert counts == {"calls": 10, "same": 4, "newly_blocked": 1, "newly_allowed": 1, "undecidable": 3, "other_reason": 1, "unreadable_lines": 1}
    blocked = next(group for group in report["groups"] if group["outcome"] == "newly_blocked")
    assert blocked["rule"] == "no-shell" and blocked["examples"][0]["place"] == "audit.jsonl:1"


def test_a_log_that_would_be_decided_the_same_is_status_0(policy):
    policy.write("audit.jsonl", record(method="tools/list") * 5000)
    assert "5000 calls: 5000 as before" in policy.run("replay", "audit.jsonl", "--policy", "policy.yaml")
