"""Waiting for a condition: the only way a test waits."""

import time

# How long anything may take on a loaded machine before a test gives up. It bounds a failure; it measures nothing.
DEADLINE = 20.0


def eventually(probe, what, deadline=DEADLINE):
    """Calls `probe` until it returns something true, and returns that. `what` says in the failure what never came."""
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what() if callable(what) else what}")
        time.sleep(0.005)
