"""What a person sees while it runs: one line per step, and how long it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is being done, and when it is done."""
    started = time.monotonic()
    say(f"{title} ...")
    yield
    say(f"{title}: done ({time.monotonic() - started:.1f} s)")


def say(text: str = "") -> None:
    print(text, flush=True)


def fail(reason: str) -> None:
    """Ends the command: a person reads the reason, not a traceback."""
    sys.exit(f"stack: {reason}")
