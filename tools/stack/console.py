"""Progress output: one line for each step, with its duration."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(title: str) -> Iterator[None]:
    """Prints the title of a step, and its duration at the end."""
    started = time.monotonic()
    say(f"{title} ...")
    yield
    say(f"{title}: done ({time.monotonic() - started:.1f} s)")


def say(text: str = "") -> None:
    print(text, flush=True)


def fail(reason: str) -> None:
    """Ends the command with a message instead of a traceback."""
    sys.exit(f"stack: {reason}")
