"""Reads `/proc`, and keeps account of what a test started."""

import ctypes
import os

PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One entry of `/proc`, as `stat` shows it."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            text = file.read()
        self.pid = pid
        self.name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        self.state, self.parent, self.session = fields[0], int(fields[1]), int(fields[3])
        # In clock ticks after boot: with the pid, the identity of a process.
        self.started = int(fields[19])

    def __repr__(self):
        return f"{self.name}[{self.pid}] {self.state} child of {self.parent}"


def all_processes():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.append(Process(int(entry)))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def of_session(session):
    """Every process that was started, at whatever depth, in the session of that leader, zombies included."""
    return [process for process in all_processes() if process.session == session]


def children(pid):
    return [process for process in all_processes() if process.parent == pid]


def adopt_orphans():
    """Makes this process the parent of orphans below it, so that it can reap what a killed supervisor leaves."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap(processes):
    """Reaps those that are dead children of this process."""
    for process in processes:
        if process.state == "Z" and process.parent == os.getpid():
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def status_fields(pid):
    """`/proc/PID/status` as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def resident_kilobytes(pid):
    return int(status_fields(pid)["VmRSS"].split()[0])


def peak_kilobytes(pid):
    """The most that was ever resident."""
    return int(status_fields(pid)["VmHWM"].split()[0])


def descriptors(pid):
    """What each descriptor of a process points to. Needs root for a process that is not dumpable."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except FileNotFoundError:
            pass
    return found


def listening_tcp_ports(inode_links):
    """The TCP ports on which the sockets among those `socket:[inode]` links listen."""
    inodes = {link[len("socket:["):-1] for link in inode_links if link.startswith("socket:[")}
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table, encoding="ascii") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports
