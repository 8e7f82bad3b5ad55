"""What a flood of denials, each on disk before its answer, does to calls that pass; and what one record costs."""

import os
import subprocess
import threading

from measure import spread, table, wrk

POLICY = """
version: v1
mode: enforce
rules:
  - {name: no-exec, match: {tools: ["exec_*"]}, action: deny}
  - {name: rest, match: {methods: ["*"]}, action: allow}
"""
# Passes' p99 during a flood as a multiple of its quiet value, at most.
TARGET = 2.0
PASSING, FLOODING = 4, 16


class Flood(threading.Thread):
    """Calls of one tool from many connections, for as long as a sample takes and a little longer on both sides."""

    def __init__(self, url, tool, seconds):
        super().__init__()
        self.url, self.tool, self.seconds, self.sample = url, tool, seconds, None

    def run(self):
        self.sample = wrk(self.url, FLOODING, self.seconds + 1, tool=self.tool)


def sample(url, flood, seconds):
    """The p99 of passes in microseconds, and the flood's answers a second."""
    if not flood:
        return wrk(url, PASSING, seconds)["p99"], 0
    thread = Flood(url, flood, seconds)
    thread.start()
    passes = wrk(url, PASSING, seconds)
    thread.join()
    if not thread.sample:
        raise SystemExit("the flood ended with an error")
    return passes["p99"], thread.sample["requests"] * 1e6 / thread.sample["microseconds"]


def show(gateways, rounds, seconds):
    """A table: quiet, a flood of denials, and as many calls that pass, which need the same CPU and no disk."""
    kinds = {"quiet": None, "a flood of denials": "exec_x", "a flood of calls that pass": "echo"}
    found = {name: [] for name in kinds}
    policy = os.path.join(gateways.directory, "denials.yaml")
    with open(policy, "w", encoding="utf-8") as file:
        file.write(POLICY)
    os.chmod(policy, 0o644)
    with gateways.make("", "--policy", policy) as gateway:
        url = gateway.url
        for _ in range(rounds):
            for name, tool in kinds.items():
                found[name].append(sample(url, tool, seconds))
    quiet = [p99 for p99, _ in found["quiet"]]
    rows = []
    for name, samples in found.items():
        pairs = sorted(p99 / base for (p99, _), base in zip(samples, quiet))
        times = sorted(p99 for p99, _ in samples)
        rows.append([
            name, round(sorted(rate for _, rate in samples)[len(samples) // 2]),
            spread((times[len(times) // 2], times[0], times[-1]), 0), spread((pairs[len(pairs) // 2], pairs[0], pairs[-1]))])
    table(f"Passes from {PASSING} connections during a flood from {FLOODING}: median (least to greatest)",
          ["", "flood, answers/s", "passes' p99, µs", f"of quiet (denials: at most {TARGET:.1f})"], rows)


def show_records(binary, directory):
    """What one record costs a worker and the recorder, with and without `sig`."""
    program = os.path.join(os.path.dirname(binary), "RecordBench")
    if not os.access(program, os.X_OK):
        print("\nSKIPPED 1: the cost of a record, there is no RecordBench beside the program")
        return
    rows = []
    for sig in ([], ["--sign"]):
        result = subprocess.run(
            [program, os.path.join(directory, "records.jsonl"), "400000", *sig], stdin=subprocess.DEVNULL, check=True,
            capture_output=True, text=True, timeout=300)
        found = dict(word.split("=") for word in result.stdout.split())
        rows.append(["with sig" if sig else "without sig", found["worker_ns"], found["recorder_ns"],
                     found["per_second_on_one_core"]])
    table("Records through the ring to the file, one core (at least 100000 a second)",
          ["", "worker, ns", "recorder, ns", "records/s"], rows)
