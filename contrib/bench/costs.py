"""What the processes cost: time to ready, time to the next answer after a kill, memory, idle streams, linked libraries."""

import os
import signal
import statistics
import subprocess
import time

from harness.http import Connection, call


def milliseconds(since):
    return (time.monotonic_ns() - since) / 1e6


def times_to_ready(make_gateway, count):
    """From before fork and exec until READY=1 stands on the notify socket."""
    times = []
    for _ in range(count):
        gateway = make_gateway()
        begin = time.monotonic_ns()
        gateway.launch()
        # Woken by the message: polling would add its own interval to the time.
        gateway.notify.wait_for("READY=1")
        times.append(milliseconds(begin))
        gateway.stop()
    return times


def times_to_next_answer(gateway, count):
    """From SIGKILL of the route worker until a call is answered well, each time with a new worker."""
    times, url = [], gateway.url
    for _ in range(count):
        pid = gateway.pid("route")
        begin = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        while True:
            if milliseconds(begin) > 10_000:
                raise SystemExit("no answer within 10 s after a kill")
            with Connection(url) as connection:
                reply = call(connection, "echo")
                # An answer of the killed worker that was already on its way does not count.
                if reply.status == 200 and "result" in reply.json() and not os.path.exists(f"/proc/{pid}"):
                    break
        times.append(milliseconds(begin))
    return times


def private_dirty_kilobytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))


def role(process):
    """What a process of the gateway is called in tables."""
    return "supervisor" if process.name == "mcpgw" else process.name.removeprefix("mcpgw-")


def memory(gateway):
    """Private_Dirty by role, in KB; nothing where this user may not see it."""
    found = {}
    for process in gateway.processes():
        try:
            found[role(process)] = private_dirty_kilobytes(process.pid)
        except PermissionError:
            return {}
    return found


EMPTY_PROGRAM = r"""
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    (void)argv;
    if (argc < 2) return 0;
    char line[256];
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Private_Dirty:", 14)) fputs(line + 14, stdout);
    return 0;
}
"""


def linked_libraries(binary):
    """The dynamic libraries the program names itself, with the paths the loader finds for them."""
    dynamic = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout
    direct = {line.split("[")[1].split("]")[0] for line in dynamic.splitlines() if "(NEEDED)" in line}
    loaded = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    paths = dict(line.split(" (")[0].strip().split(" => ") for line in loaded.splitlines() if " => " in line)
    return {name: path for name, path in paths.items() if name in direct}


def library_costs(binary, directory, runs=200):
    """Private KB and milliseconds of exec of an empty C program: alone, with each library, with all; all with -z now."""
    libraries = linked_libraries(binary)
    source = os.path.join(directory, "empty.c")
    with open(source, "w", encoding="ascii") as file:
        file.write(EMPTY_PROGRAM)
    builds = {"nothing but libc": []}
    builds |= {name: [path] for name, path in libraries.items() if not name.startswith("libc.so")}
    builds["all of them"] = [path for name, path in libraries.items() if not name.startswith("libc.so")]
    costs = {}
    for number, (name, paths) in enumerate(builds.items()):
        program = os.path.join(directory, f"empty{number}")
        places = [f"-Wl,-rpath,{os.path.dirname(path)}" for path in paths]
        subprocess.run(
            ["gcc", "-O1", "-o", program, source, "-Wl,-z,now", "-Wl,--no-as-needed", *paths, *places], check=True)
        kilobytes = int(subprocess.run([program, "show"], capture_output=True, text=True, check=True).stdout.split()[0])
        times = []
        for _ in range(runs):
            begin = time.monotonic_ns()
            os.waitpid(os.posix_spawn(program, [program], {}), 0)
            times.append(milliseconds(begin))
        costs[name] = (kilobytes, statistics.median(times))
    return costs
