"""How the benchmarks measure: CPU from schedstat, wrk's own latencies, medians of interleaved rounds."""

import json
import os
import statistics
import subprocess

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


def wrk(url, connections, seconds, keepalive=True):
    """One sample: requests, their time, percentiles in microseconds. Any error voids a benchmark."""
    environment = dict(os.environ)
    environment.pop("NO_KEEPALIVE", None)
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
    """Something that answers at a URL, and the processes whose CPU is its cost."""

    def __init__(self, name, url, pids):
        self.name, self.url, self.pids = name, url, pids

    def sample(self, path, connections, seconds, keepalive):
        before = cpu_nanoseconds(self.pids)
        sample = wrk(self.url + path, connections, seconds, keepalive)
        sample["cpu"] = cpu_between(before, cpu_nanoseconds(self.pids)) / 1000 / sample["requests"]
        sample["rate"] = sample["requests"] * 1e6 / sample["microseconds"]
        return sample


def interleaved(targets, rounds, **settings):
    """`rounds` samples of each target by name; a round measures every target once, one after the other."""
    samples = {target.name: [] for target in targets}
    for target in targets:
        target.sample(seconds=1, **{name: value for name, value in settings.items() if name != "seconds"})
    for _ in range(rounds):
        for target in targets:
            samples[target.name].append(target.sample(**settings))
    return samples


def median(samples, field):
    return statistics.median(sample[field] for sample in samples)


def ratio(samples, over, field="cpu"):
    """The ratio paired per round: its median, least and greatest."""
    pairs = [one[field] / other[field] for one, other in zip(samples, over)]
    return statistics.median(pairs), min(pairs), max(pairs)


def table(title, head, rows):
    print(f"\n{title}\n")
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(
            str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))) + " |")
