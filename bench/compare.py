"""Compares the implementations: python3 bench/compare.py [--quick] [--only webhook|sync]

Every implementation of bench/implementations.py does the same work under the same runtime API, with the same stand-ins. Each
round runs all of them in turn, so that load on the machine affects all. The function has its own core; everything else uses the
others. The median and spread of each figure go to bench/results.json, and bench/report.py writes docs/performance.md from them
(`make bench`). Takes half an hour on an idle machine.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import sync
import webhook
from environment import Server
from implementations import EVERY, OURS, TARGET, Implementation, of
from summary import as_text, summarized

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench/results.json"
QUICK_RESULTS = ROOT / ".local/bench/quick.json"
# The setting of a run: the rounds of one implementation under one setting are summarized.
WEBHOOK_SETTING = ("sqs_ms", "secrets_ms")
SYNC_SETTING = ("scenario", "items", "latency_ms")
CAPACITY = TARGET / "release/examples/capacity"
# Without latency, for the function's own share; and with typical latencies within a region.
LATENCIES = [webhook.Latency(), webhook.Latency(sqs=5, secrets=10)]
STORE_LATENCIES_MS = [0, 5]
# Number of transactions: number of rounds.
SYNC_ROUNDS = {1_000: 7, 10_000: 5, 100_000: 3}
MILLION = 1_000_000
STARTS, WARM_ROUNDS, EVENTS = 25, 5, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds, and no list above 10,000")
    parser.add_argument("--only", choices=["webhook", "sync"], help="keep the stored figures of the other function")
    parser.add_argument("--million", choices=["none", "ours", "all"], default="ours", help="implementations that read a million transactions")
    parser.add_argument("--results", type=Path, help="output file (default: bench/results.json, or .local/bench/quick.json)")
    arguments = parser.parse_args()
    arguments.results = arguments.results or (QUICK_RESULTS if arguments.quick else RESULTS)
    if not CAPACITY.is_file():
        sys.exit(f"{CAPACITY} is missing: make build-bench")
    for implementation in EVERY:
        for function in implementation.functions:
            if missing := implementation.missing(function):
                sys.exit(f"{missing} is missing: {implementation.hint}")
    own_core = keep_a_core()
    results = json.loads(arguments.results.read_text()) if arguments.results.is_file() else {}
    if arguments.only != "sync":
        results["webhook"] = {"run": described(), "zip_bytes": zips("webhook"), **webhooks(own_core, arguments.quick)}
        write(arguments.results, results)
    if arguments.only != "webhook":
        loads = {"put_floor": put_floor(own_core), "runs": syncs(own_core, arguments.quick, arguments.million)}
        results["sync"] = {"run": described(), "zip_bytes": zips("sync"), **loads}
        write(arguments.results, results)


def write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(as_text(results))


def described() -> dict[str, Any]:
    """Returns the machine, date, commit and versions of these figures."""
    return {**sync.machine(), "date": time.strftime("%Y-%m-%d"), "commit": commit(),
            "versions": {each.name: each.version() for each in EVERY}}


def keep_a_core() -> int | None:
    """Reserves the last core for the functions. This script and its servers use the others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    os.sched_setaffinity(0, cores[:-1])
    return cores[-1]


def webhooks(core: int | None, quick: bool) -> dict[str, Any]:
    cold, warm = [], []
    implementations = of("webhook")
    for latency in LATENCIES:
        calls = {"sqs_ms": latency.sqs, "secrets_ms": latency.secrets}
        for turn in range(STARTS // 5 if quick else STARTS):
            for each in turned(implementations, turn):
                cold.append({"name": each.name, "round": turn, **calls, **webhook.cold_start(each, latency, core)})
        say(f"webhook, cold starts at {calls}")
        for turn in range(1 if quick else WARM_ROUNDS):
            for each in turned(implementations, turn):
                warm.append({"name": each.name, "round": turn, **calls, **webhook.warm(each, latency, EVENTS, core)})
                say(f"webhook, warm: {each.name} {warm[-1]['cpu_ms_per_event']:.3f} ms of CPU an event")
    return {"cold": summarized(cold, WEBHOOK_SETTING, OURS.name), "warm": summarized(warm, WEBHOOK_SETTING, OURS.name)}


def syncs(core: int | None, quick: bool, million: str) -> list[dict[str, Any]]:
    runs = []
    for items, rounds in SYNC_ROUNDS.items():
        if quick and items > 10_000:
            break
        for latency_ms in STORE_LATENCIES_MS:
            for turn in range(1 if quick else rounds):
                runs += [load(each, items, latency_ms, turn, core) for each in turned(of("sync"), turn)]
    if not quick and million != "none":
        who = [OURS] if million == "ours" else of("sync")
        runs += [load(each, MILLION, STORE_LATENCIES_MS[-1], 0, core) for each in who]
    return summarized(runs, SYNC_SETTING, OURS.name)


def load(implementation: Implementation, items: int, latency_ms: int, turn: int, core: int | None) -> dict[str, Any]:
    arguments = argparse.Namespace(implementation=implementation, binary=None, core=core, wrapper="")
    run = sync.run(arguments, "load", items, latency_ms)
    say(f"sync: {implementation.name} {items:,} at {latency_ms} ms: {run['cpu_s_per_1000']:.3f} s of CPU for 1,000, "
        f"{run['items_per_s']:,} a second, {run['peak_mib']:.0f} MiB")
    return {"name": implementation.name, "round": turn, **run}


def put_floor(core: int | None) -> dict[str, float]:
    """Measures a PutItem without an SDK: see bench/stand-ins/examples/capacity.rs."""
    aws = Server([TARGET / "release/stand-ins", "--listen", "127.0.0.1:0"])
    try:
        before = aws.cpu_s()
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        said = subprocess.run(
            [*pinned, CAPACITY, aws.address], capture_output=True, text=True, check=True
        ).stdout
        calls, per_second, sender_us = re.fullmatch(r"(\d+) calls on .*: (\d+) a second, (\d+) us .*\n", said).groups()
        return {"calls_a_second": int(per_second), "sender_cpu_us": int(sender_us),
                "stand_ins_cpu_us": round((aws.cpu_s() - before) / int(calls) * 1e6, 1)}
    finally:
        aws.end()


def turned(implementations: list[Implementation], turn: int) -> list[Implementation]:
    """Rotates the order, so that none always runs after the same one."""
    start = turn % len(implementations)
    return implementations[start:] + implementations[:start]


def zips(function: str) -> dict[str, int]:
    return {each.name: len(each.deployment(function)) for each in of(function)}


def commit() -> str:
    """Returns the commit, with `-dirty` if files other than the results have changed."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    is_dirty = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return git("describe", "--always") + ("-dirty" if is_dirty else "")


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
