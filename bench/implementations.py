"""The implementations of the two functions, for tests and benchmark.

A function runs as on Lambda: its command, with the variables of environment.py and those of this file.
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
# Output of the builds of the other implementations: a directory for each function's deployment.
DEPLOYMENTS = ROOT / ".local/bench"

FUNCTIONS = ("webhook", "sync")
ACCEPTED = 202


@dataclass(frozen=True)
class Launch:
    """The command of a function."""

    command: list[str | Path]
    variables: Mapping[str, str]
    # Required files. The last one, a file or a directory, is the content of a deployment.
    needs: list[Path]


@dataclass(frozen=True)
class Implementation:
    name: str
    launch: Callable[[str], Launch]
    # The command that builds the required files.
    hint: str
    functions: tuple[str, ...] = FUNCTIONS
    # Status of its response to a webhook; 202 only if it sends messages to the queue.
    status: int = ACCEPTED
    # The command that prints the version of its platform.
    version_command: tuple[str | Path, ...] = ()

    def missing(self, function: str) -> Path | None:
        return next((path for path in self.launch(function).needs if not path.exists()), None)

    def version(self) -> str:
        if not self.version_command:
            return ""
        return subprocess.run(self.version_command, capture_output=True, text=True, check=True).stdout.strip()

    def deployment(self, function: str) -> bytes:
        """Returns the zip of a deployment."""
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
    """Starts it as AWS's managed runtime does: the runtime client imports the handler from the task's root."""
    interpreter = ROOT / ".tools/bench-python/bin/python"
    task = DEPLOYMENTS / "python" / function
    # Lambda sets two variables for the region; boto3 uses this one.
    variables = {"LAMBDA_TASK_ROOT": str(task), "PYTHONPATH": str(task), "AWS_DEFAULT_REGION": "us-east-1"}
    # On Lambda the directory is read-only, so no bytecode is written.
    command = [interpreter, "-B", "-m", "awslambdaric", f"{function}.handler"]
    return Launch(command, variables, [interpreter, task])


def node(function: str) -> Launch:
    interpreter = Path(shutil.which("node") or "/no/node/on/the/path")
    task = DEPLOYMENTS / "node" / function
    runtime = ROOT / "bench/peers/node/runtime.mjs"
    variables = {
        "LAMBDA_TASK_ROOT": str(task), "_HANDLER": "index.handler",
        # Suppresses the SDK's warning about the version of Node.js.
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
# Lower bounds; see bench/floor.
FLOORS = [
    Implementation(name, floor(name), "make build-bench", functions=("webhook",), status=200)
    for name in ("empty", "one-secret")
]
EVERY = [OURS, *PEERS, *FLOORS]


def of(function: str) -> list[Implementation]:
    """Returns the implementations of this function."""
    return [each for each in EVERY if function in each.functions]
