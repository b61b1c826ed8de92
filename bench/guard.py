"""Does the product grow? python3 bench/guard.py [--write WHY]

Compares the release binaries (`make build` first) with bench/baseline.json: their sizes, and the instructions that
callgrind counts for one webhook (parsed, authenticated, enqueued, answered) and for a thousand transactions (fetched,
read, hashed, marshalled, sent). Each count is the difference of two runs of the real binary, so that the start is not in
it; the start has a count of its own. Instructions do not depend on what else a machine does, but a little on the
processor: cryptographic code chooses by it. Fails when a figure is more than 5 % away from its baseline, downwards too: a
baseline that is too high lets things grow. Needs valgrind.
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
    parser.add_argument("--write", metavar="WHY", help="make these figures the baseline, and say why")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("guard: valgrind is not installed (Debian, Ubuntu: apt-get install valgrind)")
    if arguments.write is not None and not arguments.write.strip():
        parser.error("say why")
    baseline = None if arguments.write else json.loads(BASELINE.read_text())["figures"]
    figures = measure()
    if baseline is None:
        BASELINE.write_text(json.dumps({"why": arguments.write, "figures": figures}, indent=2) + "\n")
        print(f"guard: {BASELINE.relative_to(ROOT)} is written")
        return
    if moved := compare(baseline, figures):
        sys.exit(f"guard: more than {TOLERANCE:.0%} away from the baseline: {', '.join(moved)}. If that is meant to be: "
                 "python3 bench/guard.py --write WHY, in a commit that says why.")


def compare(baseline: dict[str, int], figures: dict[str, int]) -> list[str]:
    """Prints a table, and gives the names of what has grown or shrunk."""
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
        # With the reading of the secret: a slow machine leaves that to the first event.
        "instructions, start of webhook": few - EVENTS[0] * one,
        "instructions, one webhook": one,
        "instructions, 1,000 transactions": (more - thousand) * 1_000 // (TRANSACTIONS[1] - TRANSACTIONS[0]),
    }


def instructions_of_webhooks(count: int) -> int:
    """From the start on. Once more when the machine was so slow that a time limit of the function's came first."""
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
        sys.exit(f"guard: callgrind counted nothing:\n{text[-2_000:]}")
    return int(found[1])


if __name__ == "__main__":
    main()
