"""Installs the project's tools: Python packages into .tools/, Node.js packages into bench/peers/node/node_modules.

There are five virtual environments, because SAM, the local AWS and checkov need different versions of boto3:

    .tools/sam            sam, cargo-lambda (with zig), cfn-lint
    .tools/aws            ministack, pytest, boto3, requests
    .tools/checkov        checkov, for `make lint`
    .tools/bench-python   the dependencies of the benchmark's Python implementation
    .tools/bench-report   matplotlib, for the plots of the benchmark

Without arguments it installs sam and aws. All packages are pinned by hash. A file records what was installed, so that a second
run takes no time.

    python3 tools/install.py [sam] [aws] [checkov] [bench-python] [bench-node] [bench-report]
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("sam", "aws", "checkov", "bench-python", "bench-report")
UNLESS_TOLD_OTHERWISE = ("sam", "aws")
OLDEST_PYTHON = (3, 10)
NODE_PACKAGES = "bench-node"
OLDEST_NODE = 20


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"Python {sys.version.split()[0]} is too old: the tools need {oldest} or newer.")
    for name in sys.argv[1:] or UNLESS_TOLD_OTHERWISE:
        if name == NODE_PACKAGES:
            install_node_packages()
        elif name in ENVIRONMENTS:
            install(name)
        else:
            sys.exit(f"Unknown environment {name!r}. Known: {', '.join([*ENVIRONMENTS, NODE_PACKAGES])}.")


def install(name: str) -> None:
    requirements = ROOT / "tools" / f"requirements-{name}.txt"
    home = ROOT / ".tools" / name
    stamp = home / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode() + str(home).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return

    started = time.monotonic()
    say(f"installing {requirements.relative_to(ROOT)} into {home.relative_to(ROOT)} (once; a minute or two)")
    create_environment(home)
    pip_install(home, requirements)
    # Last: an interrupted installation starts again.
    stamp.write_text(wanted)
    say(f"{home.relative_to(ROOT)} is ready ({time.monotonic() - started:.0f} s)")


def create_environment(home: Path) -> None:
    try:
        venv.create(home, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        sys.exit("Python's venv cannot install pip here. On Debian and Ubuntu: apt-get install python3-venv")


def pip_install(home: Path, requirements: Path) -> None:
    """Runs pip with some lines of progress, and prints its last lines of output if it fails."""
    pip = [home / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # The list is complete, so pip has no dependencies to resolve.
    command = [*pip, "--require-hashes", "--no-deps", "-r", requirements]
    total = sum("==" in line for line in requirements.read_text().splitlines())
    output = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            output.append(line)
            fetched = sum(seen.startswith("Collecting ") for seen in output)
            if line.startswith("Collecting ") and fetched % 20 == 0:
                say(f"  {fetched} of about {total} packages")
            if line.startswith("Installing collected packages"):
                say("  unpacking")
    if process.returncode != 0:
        sys.exit("".join(output[-40:]) + f"\npip could not install {requirements.relative_to(ROOT)}.")


def install_node_packages() -> None:
    home = ROOT / "bench/peers/node"
    version = node_version()
    # npm replaces the whole directory, with this file.
    stamp = home / "node_modules/installed"
    wanted = hashlib.sha256((home / "package-lock.json").read_bytes() + version.encode() + str(home).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return

    started = time.monotonic()
    say(f"installing {home.relative_to(ROOT)}/package-lock.json (once; less than a minute)")
    npm = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if npm.returncode != 0:
        sys.exit(f"{npm.stdout}\nnpm could not install {home.relative_to(ROOT)}/package-lock.json.")
    stamp.write_text(wanted)
    say(f"{home.relative_to(ROOT)}/node_modules is ready ({time.monotonic() - started:.0f} s)")


def node_version() -> str:
    needed = f"The benchmark's Node.js implementation needs node {OLDEST_NODE} or newer, and npm"
    if not (shutil.which("node") and shutil.which("npm")):
        sys.exit(f"{needed}; they are not on the PATH. See https://nodejs.org/en/download")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major = re.match(r"v(\d+)", version)
    if not major or int(major[1]) < OLDEST_NODE:
        sys.exit(f"{needed}; this is {version}.")
    return version


def say(text: str) -> None:
    print(f"tools: {text}", flush=True)


if __name__ == "__main__":
    main()
