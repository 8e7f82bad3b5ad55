"""The loads: each reply at each number of connections, direct, through plain nginx and through the gateway, side by side."""

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
# CPU at 16 connections as a multiple of nginx's, at most; microseconds that the p50 at one connection is above nginx's, at most.
RATIO_TARGETS = {"JSON 200 B": 1.7, "JSON 4 KB": 1.9, "JSON 64 KB": 2.3}
LATENCY_TARGET = 80


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
        with self.gateways.make(path) as gateway:
            targets.append(Target("mcpgw", gateway.url, [process.pid for process in gateway.processes()]))
            run()
            if keepalive and (seen := costs.memory(gateway)):
                seen["nginx, both"] = sum(map(costs.private_dirty_kilobytes, self.nginx.pids))
                self.memory[reply, title] = seen

    # What was seen

    def show(self):
        names = list(next(iter(self.samples.values())))
        if "mcpgw" in names:
            self._show_ratios()
            self._show_targets()
        self._show_details(names)
        if self.memory:
            self._show_memory()

    def _ratio(self, reply, title):
        samples = self.samples[reply, title]
        return ratio(samples["mcpgw"], samples["nginx"])

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
        if ("JSON 200 B", "1") in self.samples:
            samples = self.samples["JSON 200 B", "1"]
            found = median(samples["mcpgw"], "p50") - median(samples["nginx"], "p50")
            rows.append([
                "p50 above nginx's, JSON 200 B, 1 connection (us)", f"{found:.0f}", f"{LATENCY_TARGET}",
                "yes" if found <= LATENCY_TARGET else "no"])
        table("Targets", ["", "measured", "at most", "met"], rows)

    def _show_details(self, names):
        fields = [("requests/s", "rate", 0), ("p50 us", "p50", 0), ("p99 us", "p99", 0), ("CPU us/request", "cpu", 1)]
        rows = []
        for (reply, title), samples in self.samples.items():
            row = [reply, title]
            for _, field, digits in fields:
                row.append(" / ".join(
                    "-" if name == "direct" and field == "cpu" else f"{median(samples[name], field):.{digits}f}"
                    for name in names))
            rows.append(row)
        table(" / ".join(names), ["reply", "connections", *(title for title, _, _ in fields)], rows)

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
