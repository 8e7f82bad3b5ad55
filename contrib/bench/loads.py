"""The loads: each reply at each number of connections, direct, through plain nginx and through the gateway, side by side."""

import contextlib

import costs
from harness.http import Connection, call
from measure import Target, interleaved, median, ratio, spread, table

# Name, size of the text, path of the fast upstream.
REPLIES = [
    ("JSON 200 B", 200, "/200"),
    ("JSON 4 KB", 4096, "/4096"),
    ("JSON 64 KB", 65536, "/65536"),
    ("SSE 200 B", 200, "/events/200"),
    ("SSE 4 KB", 4096, "/events/4096"),
]
# Title, connections, keep-alive.
SHAPES = [("1", 1, True), ("16", 16, True), ("64", 64, True), ("16, a connection per call", 16, False)]
QUICK_SHAPES = [("16", 16, True)]
# What a sample tells: title, field, digits.
FIELDS = [("requests/s", "rate", 0), ("p50 us", "p50", 0), ("p99 us", "p99", 0), ("CPU us/request", "cpu", 1)]
# CPU at 16 connections as a multiple of nginx's, at most; microseconds that the p50 at one connection is above nginx's, at most.
RATIO_TARGETS = {"JSON 200 B": 1.7, "JSON 4 KB": 1.9, "JSON 64 KB": 2.3}
LATENCY_TARGET = 80
# The same with the README's policy, API keys and records, JSON 200 B, by connections.
GUARDED = "mcpgw, policy + keys + records"
GUARDED_REPLY = "JSON 200 B"
GUARDED_TARGETS = {"16": 2.3, "64": 2.0}


class Loads:
    """Measures all of it and keeps what the tables show."""

    def __init__(self, options, upstream, nginx, gateways):
        self.options, self.upstream, self.nginx, self.gateways = options, upstream, nginx, gateways
        self.shapes = QUICK_SHAPES if options.quick else SHAPES
        self.samples, self.memory = {}, {}

    def measure(self):
        for reply in REPLIES:
            for shape in self.shapes:
                self._measure(*reply, *shape)

    def _measure(self, reply, size, path, title, connections, keepalive):
        direct = [] if self.options.quick else [Target("direct", self.upstream.url + path, [])]
        targets = [*direct, Target("nginx", self.nginx.url + path, self.nginx.pids)]

        def run():
            self.samples[reply, title] = interleaved(
                targets, self.options.rounds, size, connections, self.options.seconds, keepalive)
        if not self.gateways:
            run()
            return
        # The path sets the reply. The gateway's clients do not choose it: it is part of its upstream's URL.
        with contextlib.ExitStack() as stack:
            gateway = stack.enter_context(self.gateways.make(path))
            targets.append(Target("mcpgw", gateway.url, [process.pid for process in gateway.processes()]))
            if reply == GUARDED_REPLY and title in GUARDED_TARGETS:
                guarded, key = self.gateways.make_guarded(path)
                stack.enter_context(guarded)
                if guarded.metrics()["mcpgw_policy_loaded"] != 1:
                    raise SystemExit("the gateway decides by no policy")
                targets.append(Target(GUARDED, guarded.url, [process.pid for process in guarded.processes()], key))
            run()
            if keepalive and (seen := costs.memory(gateway)):
                seen["nginx, both"] = sum(map(costs.private_dirty_kilobytes, self.nginx.pids))
                self.memory[reply, title] = seen

    # What was seen

    def show(self):
        names = [name for name in next(iter(self.samples.values())) if name != GUARDED]
        if "mcpgw" in names:
            self._show_ratios()
            self._show_targets()
            self._show_guarded()
        self._show_details(names)
        if self.memory:
            self._show_memory()

    def _ratio(self, reply, title, name="mcpgw"):
        samples = self.samples[reply, title]
        return ratio(samples[name], samples["nginx"])

    def _guarded_titles(self):
        return [title for title in GUARDED_TARGETS if GUARDED in self.samples.get((GUARDED_REPLY, title), {})]

    def _show_guarded(self):
        """The gateway without and with what makes it a firewall, side by side."""
        rows = []
        for title in self._guarded_titles():
            samples = self.samples[GUARDED_REPLY, title]
            for name in ("mcpgw", GUARDED):
                rows.append([
                    name, title, spread(self._ratio(GUARDED_REPLY, title, name)),
                    *(f"{median(samples[name], field):.{digits}f}" for _, field, digits in FIELDS)])
        table(f"{GUARDED_REPLY}, without policy and keys, and with those of the README (both write records)",
              ["", "connections", "CPU / nginx", *(title for title, _, _ in FIELDS)], rows)

    def _show_ratios(self):
        table(
            "CPU per request of all processes of mcpgw as a multiple of nginx's: median (least to greatest), by connections",
            ["reply", *(title for title, _, _ in self.shapes)],
            [[reply, *(spread(self._ratio(reply, title)) for title, _, _ in self.shapes)] for reply, _, _ in REPLIES])

    def _show_targets(self):
        rows = []
        for reply, limit in RATIO_TARGETS.items():
            found = self._ratio(reply, "16")[0]
            rows.append([f"CPU / nginx, {reply}, 16 connections", f"{found:.2f}", f"{limit}", "yes" if found <= limit else "no"])
        for title in self._guarded_titles():
            found, limit = self._ratio(GUARDED_REPLY, title, GUARDED)[0], GUARDED_TARGETS[title]
            rows.append([
                f"CPU / nginx, {GUARDED_REPLY}, policy + keys + records, {title} connections", f"{found:.2f}", f"{limit}",
                "yes" if found <= limit else "no"])
        if ("JSON 200 B", "1") in self.samples:
            samples = self.samples["JSON 200 B", "1"]
            found = median(samples["mcpgw"], "p50") - median(samples["nginx"], "p50")
            rows.append([
                "p50 above nginx's, JSON 200 B, 1 connection (us)", f"{found:.0f}", f"{LATENCY_TARGET}",
                "yes" if found <= LATENCY_TARGET else "no"])
        table("Targets", ["", "measured", "at most", "met"], rows)

    def _show_details(self, names):
        rows = []
        for (reply, title), samples in self.samples.items():
            row = [reply, title]
            for _, field, digits in FIELDS:
                row.append(" / ".join(
                    "-" if name == "direct" and field == "cpu" else f"{median(samples[name], field):.{digits}f}"
                    for name in names))
            rows.append(row)
        table(" / ".join(names), ["reply", "connections", *(title for title, _, _ in FIELDS)], rows)

    def _show_memory(self):
        """After each load at the most connections; the idle process is the first column."""
        with self.gateways.make() as gateway:
            with Connection(gateway.url) as connection:
                call(connection, "echo")
            idle = costs.memory(gateway)
        title = [title for title, _, keepalive in self.shapes if keepalive][-1]
        columns = {"idle": idle, **{reply: self.memory[reply, title] for reply, _, _ in REPLIES}}
        roles = dict.fromkeys(role for seen in columns.values() for role in seen)
        table(
            f"Private memory (Private_Dirty, KB), idle and right after the load of {title} connections", ["process", *columns],
            [[role, *(seen.get(role, "-") for seen in columns.values())] for role in roles])
