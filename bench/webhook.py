"""Measures the webhook function: python3 bench/webhook.py [--implementation NAME] [--starts 20] [--events 1000]

Runs the release binary (`make build` first), or another implementation, under a Lambda runtime API, with stand-ins for SQS and
Secrets Manager (bench/stand-ins). Prints one JSON object. A cold start consists of the start (until the process requests its
first event, reading the secret included) and the first event. Then come latency, CPU time and peak memory of many events in one
environment. CPU and memory are those of the function, as the operating system counts them. Linux only.
"""

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any

from environment import Environment, Server
from implementations import ACCEPTED, EVERY, OURS, TARGET, Implementation

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "local-webhook-token-for-sam-local-invoke-only"
EVENT = ROOT / "events/webhook/transactions-historical-update.json"
TIMEOUT_MS = 10_000
# Events before the measurement: they fill caches and complete just-in-time compilation.
WARM_UP_EVENTS = 3_000
# Events that an environment of a small deployment receives before Lambda ends it.
YOUNG_EVENTS = 300


class Wrong(Exception):
    """An error: the function had a wrong result, so its figures are invalid."""


@dataclasses.dataclass(frozen=True)
class Latency:
    """Latency of calls, in milliseconds."""

    sqs: int = 0
    secrets: int = 0


class World:
    """The stand-ins, with an empty queue and the secret."""

    def __init__(self, latency: Latency) -> None:
        self.aws = Server([TARGET / "release/stand-ins", "--listen", "127.0.0.1:0"])
        self.aws.call("PUT", "/_secrets/webhook", json.dumps({"token": TOKEN}).encode())
        self.set_latency(latency)

    def set_latency(self, latency: Latency) -> None:
        self.aws.call("PUT", "/_settings", {"sqs_latency_ms": latency.sqs, "secrets_latency_ms": latency.secrets})

    def start(self, implementation: Implementation, core: int | None = None, wrapper: str = "") -> Environment:
        launch = implementation.launch("webhook")
        return Environment("webhook", launch.command, self.aws, launch.variables, core=core, wrapper=wrapper)

    def end(self) -> None:
        self.aws.end()


class Events:
    """The documented event, each time with a new request id, so that there are no duplicates."""

    def __init__(self) -> None:
        self.event = json.loads(EVENT.read_text())
        self.body = json.loads(self.event["body"])
        self.count = 0

    def next(self) -> dict[str, Any]:
        self.count += 1
        body = {**self.body, "request_id": f"00000000-0000-4000-8000-{self.count:012}"}
        return {**self.event, "body": json.dumps(body)}


def send(environment: Environment, events: Events, expected: int = ACCEPTED) -> int:
    """Sends one event. Returns its duration in microseconds."""
    answer = environment.invoke(events.next(), TIMEOUT_MS)
    status = answer["payload"]["statusCode"] if answer["outcome"] == "response" else answer["outcome"]
    if status != expected:
        raise Wrong(f"the function answered {status}: {environment.log_text()[-2_000:]}")
    return answer["elapsed_us"]


def cold_start(implementation: Implementation, latency: Latency, core: int | None = None) -> dict[str, float]:
    """Measures a new environment with its first event."""
    world = World(latency)
    environment = world.start(implementation, core)
    try:
        cpu_ms = environment.start_cpu_s * 1_000
        first_ms = send(environment, Events(), implementation.status) / 1_000
        return {
            "start_ms": environment.start_ms, "first_event_ms": first_ms, "cold_start_ms": environment.start_ms + first_ms,
            "start_cpu_ms": cpu_ms, "start_mib": environment.start_mib,
        }
    finally:
        environment.end()
        world.end()


def warm(implementation: Implementation, latency: Latency, count: int, core: int | None = None) -> dict[str, float]:
    """Measures many sequential events in one environment."""
    world = World(Latency())
    environment = world.start(implementation, core)
    events = Events()
    try:
        send(environment, events, implementation.status)
        cpu_before = environment.cpu_s()
        for _ in range(YOUNG_EVENTS):
            send(environment, events, implementation.status)
        young_cpu_s = environment.cpu_s() - cpu_before
        for _ in range(WARM_UP_EVENTS - YOUNG_EVENTS - 1):
            send(environment, events, implementation.status)
        world.set_latency(latency)
        calls_before = world.aws.call("GET", "/_stats")["calls"]
        log_before = len(environment.log_text())
        cpu_before, others_before, began = environment.cpu_s(), world.aws.cpu_s(), time.perf_counter()
        trips = sorted(send(environment, events, implementation.status) / 1_000 for _ in range(count))
        wall_s = time.perf_counter() - began
        used_s = environment.cpu_s() - cpu_before
        calls = world.aws.call("GET", "/_stats")["calls"]
        stored = len(world.aws.call("GET", "/_queue")["messages"])
        if stored != (should_be := WARM_UP_EVENTS + count if implementation.status == ACCEPTED else 0):
            raise Wrong(f"{stored} messages came into the queue instead of {should_be}")
        return {
            "p50_ms": statistics.median(trips), "p99_ms": trips[int(len(trips) * 0.99)],
            "cpu_ms_per_event": used_s / count * 1_000,
            "young_cpu_ms_per_event": young_cpu_s / YOUNG_EVENTS * 1_000, "peak_mib": environment.memory_mib("VmHWM"),
            "calls_per_event": (sum(calls.values()) - sum(calls_before.values())) / count,
            "stand_ins_cpu_ms_per_event": (world.aws.cpu_s() - others_before) / count * 1_000,
            "log_bytes_per_event": (len(environment.log_text()) - log_before) / count, "wall_s": wall_s,
        }
    finally:
        environment.end()
        world.end()


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--implementation", choices=[each.name for each in EVERY], default=OURS.name)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--core", type=int, help="run the function on this core, and everything else on others")
    arguments = parser.parse_args()
    implementation = next(each for each in EVERY if each.name == arguments.implementation)
    if missing := implementation.missing("webhook"):
        parser.error(f"{missing} is missing: {implementation.hint}")
    starts = [cold_start(implementation, Latency(), arguments.core) for _ in range(arguments.starts)]
    print(json.dumps({
        "implementation": implementation.name, "cold": medians(starts),
        "warm": medians([warm(implementation, Latency(), arguments.events, arguments.core)]),
    }, indent=2))


if __name__ == "__main__":
    main()
