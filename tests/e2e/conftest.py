"""One stack for all tests: the real template, the real functions, a local AWS and fake-belvo.

It has its own ports and directory, so it does not affect the stack of `make up`. With E2E_KEEP=1 it keeps running after the
tests, until the next run.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from deployment import Deployment
from stack.settings import ROOT, Settings

STATE_DIR = ROOT / os.environ.get("E2E_STACK_DIR", ".local/e2e")

# Small, so that a failing message reaches the dead-letter queue within seconds.
PARAMETERS = {
    "RetryBaseSeconds": "1",
    "RetryCapSeconds": "2",
    "MaxReceiveCount": "4",
    # The tests send more requests in a minute than the default limit allows.
    "BelvoRequestsPer30s": "5000",
}


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    settings = Settings(
        state_dir=STATE_DIR,
        aws_port=int(os.environ.get("E2E_GATEWAY_PORT") or free_port()),
        belvo_port=int(os.environ.get("E2E_FAKE_BELVO_PORT") or free_port()),
        stack_name="belvo-sync-e2e",
    )
    # Left by an interrupted run.
    run_stack(settings, "down")
    try:
        run_stack(settings, "up", *(f"--parameter={name}={value}" for name, value in PARAMETERS.items()))
        yield Deployment.load(settings)
    finally:
        if not os.environ.get("E2E_KEEP"):
            run_stack(settings, "down")


@pytest.fixture
def belvo(deployment: Deployment):
    """fake-belvo's control interface. Clears the faults of a test at its end."""
    yield deployment.belvo
    deployment.belvo.clear_faults()


def run_stack(settings: Settings, *arguments: str) -> None:
    """Runs a command of the stack as a process, as `make up` does. pytest shows its output if it fails."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "tools"),
        "STACK_DIR": str(settings.state_dir),
        "STACK_NAME": settings.stack_name,
        "GATEWAY_PORT": str(settings.aws_port),
        "FAKE_BELVO_PORT": str(settings.belvo_port),
    }
    subprocess.run([sys.executable, "-m", "stack", *arguments], cwd=ROOT, env=environment, check=True)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
