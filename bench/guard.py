"""Checks that the functions have not grown: python3 bench/guard.py [--write WHY]

Compares the release binaries (`make build` first) with bench/baseline.json: their sizes, and the instructions that callgrind
counts for one webhook and for a thousand transactions. Each count is the difference of two runs, so it excludes the start, which
has its own count. Instruction counts do not depend on the machine's load, and little on the processor, by which cryptographic
code selects its implementation. Fails when a figure differs by more than 5 % from its baseline, also downwards: a baseline that is
too high would permit growth. Needs valgrind.
"""

import argparse
import contextlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import sync
import webhook
from implementations import OURS

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "bench/baseline.json"
TOLERANCE = 0.05
FUNCTIONS = ("webhook", "sync", "request", "reconcile")
EVENTS = (20, 220)
ATTEMPTS = 5
TRANSACTIONS = (1_000, 3_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", metavar="WHY", help="store these figures as the baseline, with the reason")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("guard: valgrind is not installed (Debian, Ubuntu: apt-get install valgrind)")
    if arguments.write is not None and not arguments.write.strip():
        parser.error("--write needs a reason")
    baseline = None if arguments.write else json.loads(BASELINE.read_text())["figures"]
    figures = measure()
    if baseline is None:
        BASELINE.write_text(json.dumps({"why": arguments.write, "figures": figures}, indent=2) + "\n")
        print(f"guard: {BASELINE.relative_to(ROOT)} is written")
        return
    if moved := compare(baseline, figures):
        sys.exit(f"guard: more than {TOLERANCE:.0%} away from the baseline: {', '.join(moved)}. If this is intended: "
                 "python3 bench/guard.py --write WHY, in a commit with the reason.")


def compare(baseline: dict[str, int], figures: dict[str, int]) -> list[str]:
    """Prints a table. Returns the names of the figures that changed too much."""
    if baseline.keys() != figures.keys():
        sys.exit(f"guard: the baseline has other figures: {sorted(baseline.keys() ^ figures.keys())}")
    moved = []
    for name, figure in figures.items():
        change = figure / baseline[name] - 1
        print(f"guard: {name:38} {figure:>14,}  {change:+7.1%}")
        if abs(change) > TOLERANCE:
            moved.append(name)
    return moved


def measure() -> dict[str, int]:
    sizes = {f"bytes of {name}": (ROOT / "target/lambda" / name / "bootstrap").stat().st_size for name in FUNCTIONS}
    few, many = (instructions_of_webhooks(count) for count in EVENTS)
    one = (many - few) // (EVENTS[1] - EVENTS[0])
    thousand, more = (instructions_of_a_load(items) for items in TRANSACTIONS)
    return sizes | {
        # Includes reading the secret, which a slow machine leaves to the first event.
        "instructions, start of webhook": few - EVENTS[0] * one,
        "instructions, one webhook": one,
        "instructions, 1,000 transactions": (more - thousand) * 1_000 // (TRANSACTIONS[1] - TRANSACTIONS[0]),
    }


def instructions_of_webhooks(count: int) -> int:
    """Counts from the start. Repeats a run in which a slow machine reached a timeout of the function."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(webhook.Wrong):
            return count_webhooks(count)
    return count_webhooks(count)


def count_webhooks(count: int) -> int:
    world = webhook.World(webhook.Latency())
    with tempfile.NamedTemporaryFile(prefix="guard-") as log:
        environment = world.start(OURS, wrapper=callgrind(log.name))
        try:
            events = webhook.Events()
            for _ in range(count):
                webhook.send(environment, events)
        finally:
            environment.end()
            world.end()
        return counted(log.name)


def instructions_of_a_load(items: int) -> int:
    with tempfile.NamedTemporaryFile(prefix="guard-") as log:
        wrapper = callgrind(log.name)
        arguments = argparse.Namespace(implementation=OURS, binary=None, core=None, wrapper=wrapper)
        sync.run(arguments, "load", items, latency_ms=0)
        return counted(log.name)


def callgrind(log: str) -> str:
    return f"valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file={log}"


def counted(log: str) -> int:
    text = Path(log).read_text()
    if not (found := re.search(r"Collected : (\d+)", text)):
        sys.exit(f"guard: callgrind counted no instructions:\n{text[-2_000:]}")
    return int(found[1])


if __name__ == "__main__":
    main()
