"""Processes that outlive the command which started them; a later command stops them.

A file has the process id and the start time of each. An id alone is not enough: after a restart of the machine, another
process may have it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.console import fail


@dataclass(frozen=True)
class Process:
    name: str
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.directory / f"{self.name}.pid"

    def start(self, command: list[str | Path], environment: dict[str, str]) -> None:
        """Starts the process in its own session: Ctrl-C does not reach it, and its children end with it."""
        with self.log.open("wb") as log:
            child = subprocess.Popen(
                command, env=environment, cwd=self.directory, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        self._record.write_text(json.dumps({"pid": child.pid, "started": started_at(child.pid)}))

    def is_running(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        try:
            record = json.loads(self._record.read_text())
        except FileNotFoundError:
            return None
        return record["pid"] if started_at(record["pid"]) == record["started"] is not None else None

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_ready():
            if not self.is_running():
                fail(f"{self.name} exited during its start. The end of {self.log}:\n{self.tail()}")
            if time.monotonic() > deadline:
                fail(f"{self.name} is not ready after {seconds:.0f} s; see {self.log}")
            time.sleep(0.1)

    def stop(self, grace_seconds: float = 5) -> bool:
        """Stops the process and its children. Returns `False` if it was not running."""
        pid = self.pid()
        if pid is not None:
            signal_group(pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_seconds
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.05)
            # Also children that ignored the first signal.
            signal_group(pid, signal.SIGKILL)
        self._record.unlink(missing_ok=True)
        return pid is not None

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def started_at(pid: int) -> str | None:
    """Returns when the process started, in clock ticks since the boot; `None` without one, or for a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may contain anything. After it: the state, and nineteen fields later the time.
    state, *fields = status.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass
