"""How the benchmarks measure: CPU from schedstat, wrk's own latencies, medians of interleaved rounds; tables in Markdown."""

import json
import os
import statistics
import subprocess

from harness.http import Connection, tool_call

HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_nanoseconds(pids):
    """What each thread of those processes has run so far."""
    spent = {}
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                spent[task] = int(file.read().split()[0])
    return spent


def cpu_between(before, after):
    """The nanoseconds between two such accounts. A thread that ended took its time with it: no account, no sample."""
    if before.keys() - after.keys():
        raise SystemExit("a thread of a proxy ended while its CPU was measured")
    return sum(after.values()) - sum(before.values())


def wrk(url, connections, seconds, keepalive=True, key=None, tool="echo"):
    """One sample: requests, their time, percentiles in microseconds. Any error voids a benchmark."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_KEEPALIVE", "API_KEY")}
    environment["TOOL"] = tool
    if key:
        environment["API_KEY"] = key
    if not keepalive:
        environment["NO_KEEPALIVE"] = "1"
    result = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", os.path.join(HERE, "post.lua"), url],
        env=environment, capture_output=True, text=True, timeout=seconds + 60, check=True)
    sample = json.loads(next(line for line in result.stdout.splitlines() if line.startswith("RESULT "))[7:])
    if sample["errors"] or not sample["requests"]:
        raise SystemExit(f"wrk at {url} with {connections} connections: {sample}\n{result.stdout}")
    return sample


class Target:
    """Something that answers at a URL, to a key if one is named, and the processes whose CPU is its cost."""

    def __init__(self, name, url, pids, key=None):
        self.name, self.url, self.pids, self.key = name, url, pids, key

    def call(self, key):
        headers, body = tool_call("echo", {}, 1, "legacy")
        with Connection(self.url) as connection:
            connection.send("POST", headers=headers + ([("X-API-Key", key)] if key else []), body=body)
            return connection.receive()

    def check(self, size):
        """One call must bring a text of that size. Returns the length of the body: replies of a sample that are shorter on
        the average are errors, which wrk does not see because errors may have the status 200."""
        if self.key and self.call(None).status != 401:
            raise SystemExit(f"{self.name} serves without a key")
        reply = self.call(self.key)
        result = reply.json().get("result") if reply.status == 200 else None
        if not result or len(result["content"][0]["text"]) != size:
            raise SystemExit(f"{self.name} does not answer as it should: {reply.status} {reply.body[:300]}")
        return len(reply.body)

    def sample(self, connections, seconds, keepalive):
        before = cpu_nanoseconds(self.pids)
        sample = wrk(self.url, connections, seconds, keepalive, self.key)
        sample["cpu"] = cpu_between(before, cpu_nanoseconds(self.pids)) / 1000 / sample["requests"]
        sample["rate"] = sample["requests"] * 1e6 / sample["microseconds"]
        return sample


def interleaved(targets, rounds, size, connections, seconds, keepalive):
    """`rounds` samples of each target by name; a round measures every target once, one after the other."""
    samples = {target.name: [] for target in targets}
    lengths = {target.name: target.check(size) for target in targets}
    for target in targets:
        target.sample(connections, 1, keepalive)
    for _ in range(rounds):
        for target in targets:
            sample = target.sample(connections, seconds, keepalive)
            if sample["bytes"] < sample["requests"] * lengths[target.name]:
                raise SystemExit(f"{target.name} answered with errors: {sample}")
            samples[target.name].append(sample)
    return samples


def median(samples, field):
    return statistics.median(sample[field] for sample in samples)


def ratio(samples, over, field="cpu"):
    """The ratio paired per round: its median, least and greatest."""
    pairs = [one[field] / other[field] for one, other in zip(samples, over)]
    return statistics.median(pairs), min(pairs), max(pairs)


def spread(values, digits=2):
    """Median, least and greatest as text."""
    middle, least, greatest = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({least} to {greatest})"


def table(title, head, rows):
    print(f"\n{title}\n", flush=True)
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(
            str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))) + " |")
