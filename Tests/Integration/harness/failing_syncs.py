"""A disk that fails, as one process sees it: attaches to PROCESS, lets its first COUNT calls of fdatasync return EIO, and prints every write and every sync
as a line of JSON, in order. (strace cannot: what it injects is seen by a seccomp filter.) x86-64 only; ends with the process or when it is told to."""

import ctypes
import errno
import json
import os
import signal
import sys

CONTINUE_TO_CALL, POKE_USER, SEIZE, INTERRUPT, CALL_INFO = 24, 6, 0x4206, 0x4207, 0x420e
MARK_CALLS, FOLLOW_THREADS, ALL_CHILDREN = 1, 8, 0x40000000
ENTRY, EXIT = 1, 2
RAX = 80
WRITE, FDATASYNC = 1, 75

ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
ptrace.restype = ctypes.c_long


class Info(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32), ("instruction", ctypes.c_uint64),
                ("stack", ctypes.c_uint64), ("values", ctypes.c_uint64 * 8)]


def tell(**event):
    print(json.dumps(event), flush=True)


def main(process, count):
    for thread in os.listdir(f"/proc/{process}/task"):
        if ptrace(SEIZE, int(thread), 0, MARK_CALLS | FOLLOW_THREADS) or ptrace(INTERRUPT, int(thread), 0, 0):
            raise OSError(ctypes.get_errno(), "cannot attach")
    tell(event="attached")
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        calls = {}
        while True:
            try:
                thread, status = os.waitpid(-1, ALL_CHILDREN)
            except ChildProcessError:
                return
            if not os.WIFSTOPPED(status):
                continue
            passed = 0
            if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
                info = Info()
                ptrace(CALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
                if info.op == ENTRY:
                    calls[thread] = info.values[0]
                    if info.values[0] == WRITE:
                        memory.seek(info.values[2])
                        tell(event="write", file=info.values[1], text=memory.read(info.values[3]).decode("latin-1"))
                elif info.op == EXIT and calls.get(thread) == FDATASYNC:
                    if count > 0:
                        count -= 1
                        ptrace(POKE_USER, thread, RAX, ctypes.c_void_p(2**64 - errno.EIO))
                        tell(event="sync", failed=True)
                    else:
                        tell(event="sync", failed=info.values[0] != 0)
            elif not status >> 16:
                passed = os.WSTOPSIG(status)
            ptrace(CONTINUE_TO_CALL, thread, 0, passed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
