"""Every implementation of the two functions, and how each is started: the one list that tests and benchmark share.

A function runs as Lambda would run it: its command, in an environment with the variables of the stage (see
environment.py) and those that are named here.
"""

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
# What the peers' build steps make: for each function the directory that its deployment carries.
DEPLOYMENTS = ROOT / ".local/bench"

FUNCTIONS = ("webhook", "sync")
ACCEPTED = 202


@dataclass(frozen=True)
class Launch:
    """How a function is started."""

    command: list[str | Path]
    variables: Mapping[str, str]
    # What has to be there; its last one is what a deployment carries, a file or a directory.
    needs: list[Path]


@dataclass(frozen=True)
class Implementation:
    name: str
    launch: Callable[[str], Launch]
    # What makes what is needed.
    hint: str
    functions: tuple[str, ...] = FUNCTIONS
    # What it answers to a webhook. Only who has put it into the queue says that it is accepted.
    status: int = ACCEPTED
    # Prints a version of what it runs on.
    version_command: tuple[str | Path, ...] = ()

    def missing(self, function: str) -> Path | None:
        return next((path for path in self.launch(function).needs if not path.exists()), None)

    def version(self) -> str:
        if not self.version_command:
            return ""
        return subprocess.run(self.version_command, capture_output=True, text=True, check=True).stdout.strip()

    def deployment(self, function: str) -> bytes:
        """The zip that a deployment of it would carry."""
        carried = self.launch(function).needs[-1]
        files = sorted(path for path in carried.rglob("*") if path.is_file()) if carried.is_dir() else [carried]
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in files:
                archive.write(path, path.relative_to(carried) if carried.is_dir() else path.name)
        return content.getvalue()


def ours(function: str) -> Launch:
    binary = TARGET / "lambda" / function / "bootstrap"
    return Launch([binary], {}, [binary])


def python(function: str) -> Launch:
    """As AWS's managed runtime does it: its runtime client imports the handler from the task's root."""
    interpreter = ROOT / ".tools/bench-python/bin/python"
    task = DEPLOYMENTS / "python" / function
    # Lambda names the region twice, and boto3 looks at this one.
    variables = {"LAMBDA_TASK_ROOT": str(task), "PYTHONPATH": str(task), "AWS_DEFAULT_REGION": "us-east-1"}
    # The directory is read-only in Lambda: nothing is compiled into it.
    command = [interpreter, "-B", "-m", "awslambdaric", f"{function}.handler"]
    return Launch(command, variables, [interpreter, task])


def node(function: str) -> Launch:
    interpreter = Path(shutil.which("node") or "/no/node/on/the/path")
    task = DEPLOYMENTS / "node" / function
    runtime = ROOT / "bench/peers/node/runtime.mjs"
    variables = {
        "LAMBDA_TASK_ROOT": str(task), "_HANDLER": "index.handler",
        # The SDK's warning that it will want a newer Node.js next year is no part of a function's log.
        "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true",
    }
    return Launch([interpreter, runtime], variables, [interpreter, runtime, task])


def floor(name: str) -> Callable[[str], Launch]:
    binary = TARGET / "lambda" / name / "bootstrap"
    return lambda _: Launch([binary], {}, [binary])


OURS = Implementation("ours", ours, "make build", version_command=("rustc", "--version"))
PEERS = [
    Implementation(
        "python", python, "python3 tools/install.py bench-python, then python3 bench/peers/python/build.py",
        version_command=(ROOT / ".tools/bench-python/bin/python", "--version"),
    ),
    Implementation(
        "node", node, "python3 tools/install.py bench-node, then node bench/peers/node/build.mjs",
        version_command=("node", "--version"),
    ),
]
# What nobody can be faster than: see bench/floor.
FLOORS = [
    Implementation(name, floor(name), "make build-bench", functions=("webhook",), status=200)
    for name in ("empty", "one-secret")
]
EVERY = [OURS, *PEERS, *FLOORS]


def of(function: str) -> list[Implementation]:
    """All that have this function."""
    return [each for each in EVERY if function in each.functions]
