"""Configuration: flag before environment before file, every mistake named with its place, secrets never told."""

import os
import re
import shutil
import subprocess

import pytest

from harness.gateway import NOBODY, unprivileged
from harness.http import Connection, call
from harness.servers import CHECKOUT

SECRET = "s3cr3t-of-many-letters"
# The seed's example of every section, as it stands there.
EXAMPLE = """\
upstream: http://localhost:8080
listen: ":9090"
policy: policy.yaml
audit_log: audit.jsonl

audit:
  label_claims: ["project_id", "department"]   # JWT claims to extract as labels
  signing_key: ${MCPGW_AUDIT_SIGNING_KEY}      # HMAC-SHA256 signing (optional)

auth:
  api_keys:
    - key: ${API_KEY_AGENT_1}
      name: agent-1
  jwt:
    algorithm: RS256
    jwks_url: https://auth.example.com/.well-known/jwks.json

rate_limit:
  requests_per_second: 100
  burst: 20

circuit_breaker:
  max_failures: 5
  timeout: "30s"

session:
  ttl: "30m"

metrics:
  addr: ":9091"
  api_key: ${MCPGW_MGMT_KEY}    # protect dashboard API (optional)

server_eval:
  enabled: true
  mode: enforce
  auto_approve:
    risk_levels: ["low"]

plugins:
  - name: pii
    config:
      mode: redact
  - name: injection
    config:
      threshold: 0.7
  - name: schema
    config:
      strict: true

routing:
  routes:
    - match_tools: ["exec_*", "run_*"]
      upstream: http://sandboxed-server:8080
    - match_tools: ["*"]
      upstream: http://default-server:8080

cors:
  allowed_origins: ["https://example.com"]

alerting:
  webhook_url: "https://hooks.slack.com/..."
  dedup_window: "5m"

telemetry:
  otlp_endpoint: "http://otel-collector:4317"
  service_name: "mcpgw"
"""
LATER = ["auth.jwt", "circuit_breaker", "server_eval", "plugins", "cors", "alerting", "telemetry"]
KEYS = {"MCPGW_AUDIT_SIGNING_KEY": SECRET + "-1", "API_KEY_AGENT_1": SECRET + "-2", "MCPGW_MGMT_KEY": SECRET + "-3"}
POLICY = "version: v1\nrules:\n- {name: all, match: {methods: ['*']}, action: allow}\n"


@pytest.fixture
def files(directory):
    """Writes a file that belongs to the gateway's user."""
    def write(name, text, mode=0o600):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        os.chmod(path, mode)
        return path
    return write


@pytest.fixture
def config(binary):
    """Runs `mcpgw config`, and gives its exit status, output and errors."""
    def run(*arguments, environment=None):
        done = subprocess.run(
            [binary, "config", *arguments], env={"PATH": os.environ["PATH"], **(environment or {})}, cwd="/", text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False, **unprivileged())
        return done.returncode, done.stdout, done.stderr
    return run


def test_the_seeds_example_is_accepted_whole_and_nothing_starts_without_its_sections(config, files, refusal):
    files("policy.yaml", POLICY)
    path = files("mcpgw.yaml", EXAMPLE, 0o644)
    status, output, errors = config("check", path, environment=KEYS)
    assert status == 0 and all(name in output for name in LATER), errors
    assert SECRET not in output + errors
    message = refusal.proxy("--config", path, upstream=None, environment=KEYS)
    # The warnings of a configuration that is refused are not told.
    assert all(name in message for name in LATER) and SECRET not in message and path in message


def test_the_seeds_example_without_its_keys_is_refused_with_their_places(config, files):
    files("policy.yaml", POLICY)
    path = files("mcpgw.yaml", EXAMPLE)
    status, _, errors = config("check", path)
    assert status == 2
    for name in KEYS:
        line = next(number for number, text in enumerate(EXAMPLE.splitlines(), 1) if name in text)
        assert re.search(rf"^{re.escape(path)}:{line}:\d+: .*{name}", errors, re.M), errors


def test_what_is_built_of_the_seeds_example_serves(make_gateway, files, fast_upstream):
    policy = files("policy.yaml", POLICY)
    text = (f"upstream: {fast_upstream.url}\npolicy: {os.path.basename(policy)}\n"
            "audit: {label_claims: [project_id]}\nrate_limit: {requests_per_second: 100000, burst: 1000}\n"
            "session: {ttl: 30m}\nuser: ${NAME}\n")
    gateway = make_gateway("", "--config", files("mcpgw.yaml", text), environment={"NAME": "nobody"})
    gateway.start()
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()
    assert gateway.metrics()["mcpgw_policy_loaded"] == 1


def test_a_flag_wins_over_the_environment_and_that_over_the_file(make_gateway, files, fast_upstream):
    def upstream(number):
        return fast_upstream.url + f"?{number}"
    path = files("mcpgw.yaml", f"upstream: {upstream('file')}\n")
    for expected, environment, flags in [
            ("file", {}, []), ("environment", {"MCPGW_UPSTREAM": upstream("environment")}, []),
            ("flag", {"MCPGW_UPSTREAM": upstream("environment")}, ["--upstream", upstream("flag")])]:
        gateway = make_gateway("", *flags, environment={"MCPGW_CONFIG": path, **environment})
        gateway.start()
        assert gateway.status()["routes"][0]["upstream"] == upstream(expected)
        gateway.stop()


def test_warnings_are_logged(make_gateway, files, fast_upstream):
    rules = POLICY + "- {name: never, match: {methods: [ping]}, action: deny}\n"
    path = files("mcpgw.yaml", f"policy: {files('policy.yaml', rules)}\n")
    gateway = make_gateway(fast_upstream.url, "--config", path).start()
    assert re.search(r"warning supervisor\[\d+\]: .*policy.yaml:4:\d+: .*never", gateway.log()), gateway.log()


def shown(output):
    """The options `config show` prints, each with its value and origin."""
    lines = (re.fullmatch(r"(\S+): (.*?)\s+# (.*)", line) for line in output.splitlines())
    return {line[1]: (line[2], line[3]) for line in lines if line}


def test_show_prints_values_with_their_origins_and_no_secret(config, files):
    key = files("key", SECRET + "\n")
    path = files("mcpgw.yaml", (
        "upstream: http://127.0.0.1:1/?${TOKEN}\nsession:\n  ttl: 5m\ndrain_timeout: 9s\n"
        "metrics:\n  api_key: ${file:key}\nauth:\n  api_keys:\n  - {name: one, key: " + SECRET + ", roles: [a]}\n"))
    status, output, errors = config(
        "show", "--config", path, "--drain-timeout", "7s", "--audit-signing-key", "${file:" + key + "}",
        environment={"TOKEN": SECRET, "MCPGW_DENIALS": "error"})
    assert status == 0, errors
    values = shown(output)
    assert values["upstream"] == ("http://127.0.0.1:1/?${TOKEN}", f"{path}:1")
    assert values["session.ttl"] == ("5m", f"{path}:3")
    assert values["drain_timeout"] == ("7s", "--drain-timeout")
    assert values["denials"] == ("error", "MCPGW_DENIALS")
    assert values["sandbox"] == ("default", "default")
    assert values["metrics.api_key"] == ("(secret)", f"{path}:6")
    assert values["audit.signing_key"] == ("(secret)", "--audit-signing-key")
    assert values["auth.api_keys"][0] == "{name: one, hash: (secret), roles: [a]}"
    assert SECRET not in output + errors


def test_every_option_is_a_flag(binary, config):
    text = subprocess.run(
        [binary, "proxy", "--help"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    flags = set(re.findall(r"^  (--[a-z-]+)", text, re.M))
    everything = ["--user", "x", "--auth-api-keys", "[{name: a, hash: 'sha256:" + 64 * "0" + "'}]", "--rate-limit-burst", "1",
                  "--rate-limit-requests-per-second", "1", "--audit-label-claims", "a,b", "--auth-required", "true",
                  "--routing-routes", "[{match_tools: [a], upstream: 'http://127.0.0.1:1/'}]"]
    status, output, errors = config("show", *everything, "--upstream", "http://127.0.0.1:1/", environment={
        "HOME": "/nowhere", "MCPGW_AUDIT_SIGNING_KEY": SECRET, "MCPGW_METRICS_API_KEY": SECRET})
    assert status == 0, errors
    options = {"--" + re.sub("[._]", "-", path) for path in shown(output)} | {"--policy"}
    assert options | {"--config"} == flags - {"--help"}
    assert len(options) >= 45


@pytest.mark.parametrize("name", ["mcpgw.yaml", "policy.yaml"])
def test_the_samples_are_valid(config, files, name):
    for sample in ("policy.yaml", "mcpgw.yaml"):
        with open(os.path.join(CHECKOUT, "etc", sample), encoding="utf-8") as file:
            path = files(sample, file.read(), 0o644)
    if name == "mcpgw.yaml":
        assert config("check", path) == (0, f"{path}: valid\n", "")
        return
    # What is only a suggestion is valid too.
    with open(path, encoding="utf-8") as file:
        text = file.read()
    opened = re.sub(r"^(\s*)# ((?:audit_log|label_claims|signing_key|auth|routing|api_key)\b.*|  .*)$", r"\1\2", text, flags=re.M)
    assert opened != text
    path = files("mcpgw.yaml", opened)
    credentials = os.path.join(os.path.dirname(path), "credentials")
    os.makedirs(credentials)
    for credential in ("audit-signing-key", "metrics-key"):
        shutil.move(files(credential, SECRET), credentials)
    status, _, errors = config("check", path, environment={"CREDENTIALS_DIRECTORY": credentials})
    assert status == 0, errors


BAD = {
    "typo": ("upstraem: http://127.0.0.1:1/", 1, "did you mean upstream?"),
    "nested typo": ("upstream: http://127.0.0.1:1/\nsession:\n  tll: 5m", 3, "did you mean ttl?"),
    "tab": ("upstream: http://127.0.0.1:1/\nsession:\n\tttl: 5m", 3, "spaces, not tabs"),
    "anchor": ("upstream: &a http://127.0.0.1:1/", 1, "anchors"),
    "alias": ("upstream: *a", 1, "aliases"),
    "tag": ("upstream: !x http://127.0.0.1:1/", 1, "tags"),
    "duplicate": ("upstream: http://127.0.0.1:1/\nupstream: http://127.0.0.1:2/", 2, "line 1"),
    "two documents": ("upstream: http://127.0.0.1:1/\n---\nupstream: http://127.0.0.1:1/", 2, "second document"),
    "list for a value": ("upstream: [a]", 1, "not a list"),
    "text for a number": ("transport: {queue: many}", 1, "'many'"),
    "number in quotation marks": ("transport: {queue: '5'}", 1, "quotation marks"),
    "unknown word": ("denials: resutl", 1, "did you mean result?"),
    "empty list": ("auth: {api_keys: []}", 1, "empty list"),
    "short key": ("auth: {api_keys: [{name: a, key: abc}]}", 1, "guessed"),
    "nobody": ("auth: {required: true}", 1, "nobody could authenticate"),
    "unset variable": ("drain_timeout: 1s\nupstream: ${NOPE}", 2, "NOPE"),
    "no file": ("upstream: ${file:nowhere}", 1, "nowhere"),
    "no time": ("session: {ttl: forever}", 1, "'forever'"),
    "open listener": ("listen: ':9090'", 1, "auth.api_keys"),
    "deep": ("upstream: " + 100 * "[" + 100 * "]", 1, "inside each other"),
    "not UTF-8": ("user: \udc80", 1, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_place_by_both_commands(config, directory, files, refusal, name):
    text, line, message = BAD[name]
    path = files("mcpgw.yaml", "")
    with open(path, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    status, output, errors = config("check", path)
    assert (status, output) == (2, "")
    assert re.search(rf"^{re.escape(path)}:{line}:\d+: .*{re.escape(message)}", errors, re.M), errors
    told = refusal.proxy("--config", path, without=[f"--{name}" for name in ("listen", "upstream") if name in text])
    assert f"{path}:{line}:" in told and message in told


def test_every_mistake_is_named(config, files):
    path = files("mcpgw.yaml", "upstream: x\ndenials: y\nsession: {ttl: z}\nnonsense: 1\naudit: {sync: w}\n")
    status, _, errors = config("check", path)
    assert status == 2
    assert [line.split(":")[1] for line in errors.splitlines()] == ["1", "2", "3", "4", "5"], errors


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("which", ["mcpgw.yaml", "policy.yaml"])
def test_a_file_others_can_write_is_refused_with_what_to_do(files, refusal, which, mode):
    modes = {"mcpgw.yaml": 0o600, "policy.yaml": 0o600, which: mode}
    policy = files("policy.yaml", POLICY, modes["policy.yaml"])
    path = files("mcpgw.yaml", f"policy: {policy}\n", modes["mcpgw.yaml"])
    message = refusal.proxy("--config", path)
    assert f"chmod go-w {policy if which == 'policy.yaml' else path}" in message


@pytest.mark.root
def test_a_file_of_another_user_is_refused(files, refusal):
    path = files("mcpgw.yaml", "drain_timeout: 1s\n", 0o644)
    os.chown(path, 4711, 4711)
    assert "4711" in refusal.proxy("--config", path)


@pytest.mark.parametrize("text", [
    f"metrics: {{api_key: '{SECRET}'}}", f"audit: {{signing_key: '{SECRET}'}}",
    f"auth: {{api_keys: [{{name: a, key: '{SECRET}'}}]}}"])
def test_a_secret_others_can_read_is_refused_and_not_told(config, files, refusal, text):
    path = files("mcpgw.yaml", text, 0o644)
    message = refusal.proxy("--config", path)
    assert f"chmod go-r {path}" in message and SECRET not in message
    files("key", SECRET, 0o644)
    path = files("mcpgw.yaml", text.replace(SECRET, "${file:key}"), 0o644)
    message = refusal.proxy("--config", path)
    assert "chmod go-r" in message and SECRET not in message
    files("key", SECRET)
    assert config("check", path)[0] == 0


def test_a_secret_on_a_command_line_is_refused_and_not_told(refusal):
    message = refusal.proxy("--metrics-api-key", SECRET)
    assert "--metrics-api-key" in message and SECRET not in message


@pytest.mark.parametrize("key", [SECRET[:10], "a" + "${" + SECRET, "${" + SECRET[:5] + "-x}" + SECRET])
def test_a_secret_that_cannot_be_used_is_not_told(config, files, key):
    path = files("mcpgw.yaml", f"audit: {{signing_key: '{key}', sync: x}}\nmetrics: {{api_key: '{key}'}}\n")
    for command in (["check", path], ["show", "--config", path]):
        status, output, errors = config(*command)
        assert status == 2 and output == "" and SECRET[:5] not in errors, errors


@pytest.mark.parametrize("text, line, message", [
    ("version: v1\nrules:\n- {name: a, match: {tolls: [x], tools: [x]}, action: deny}", 3, "did you mean tools?"),
    ("version: v1\nmode: enforced\nrules:\n- {name: a, match: {tools: [x]}, action: deny}", 2, "did you mean enforce?"),
    ("version: v1\nrules: []", 2, "empty list"),
    ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {x: '('}}, action: deny}", 3, "")])
def test_a_bad_policy_is_refused_with_its_place(config, files, refusal, text, line, message):
    policy = files("policy.yaml", text)
    path = files("mcpgw.yaml", "upstream: http://127.0.0.1:1/\npolicy: policy.yaml\n")
    for told in (config("check", path)[2], refusal.proxy("--config", path), refusal.proxy("--policy", policy)):
        assert f"{policy}:{line}:" in told and message in told


def test_a_policy_that_is_not_there_is_refused(refusal):
    assert "/nowhere.yaml" in refusal.proxy("--policy", "/nowhere.yaml")


def test_a_large_file_is_read_and_a_larger_one_refused(config, files, refusal):
    comment = "# " + 1021 * "x" + "\n"
    path = files("mcpgw.yaml", "upstream: http://127.0.0.1:1/\n" + 10239 * comment)
    assert config("check", path)[0] == 0
    path = files("mcpgw.yaml", "upstream: http://127.0.0.1:1/\n" + 10241 * comment)
    assert "larger than 10MiB" in refusal.proxy("--config", path)


@pytest.mark.parametrize("path", ["", "/nowhere/mcpgw.yaml", "/dev/null", "/"])
def test_a_file_that_is_none_is_named(refusal, path):
    message = refusal.proxy("--config", path)
    assert "--config" in message and path in message


def test_a_control_character_makes_no_second_line(refusal, files):
    message = refusal.proxy("--config", files("mcpgw.yaml", 'denials: "a\\n\\x1b[2Jb\\u2028c"\n'))
    assert "\x1b" not in message and "\u2028" not in message


@pytest.mark.parametrize("command", [["config"], ["config", "check"], ["config", "show"], ["proxy"]])
def test_every_command_explains_itself(binary, command):
    done = subprocess.run([binary, *command, "--help"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and "USAGE" in done.stdout


def test_check_without_a_file_is_refused(refusal):
    assert "file" in refusal.run("config", "check")
