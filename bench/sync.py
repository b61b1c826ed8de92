"""Measures the sync function: python3 bench/sync.py [SCENARIO ...] [--items N ...] [--latency-ms MS ...]

Runs the release binary (`make build` first) under a Lambda runtime API, with fake-belvo and stand-ins for DynamoDB, SQS and
Secrets Manager (bench/stand-ins). Delivers `TRANSACTIONS historical_update` and all continuations. The limit on requests to
Belvo is raised, so that it does not dominate the result. Every run checks the table, and fails when it is wrong.

    load        the first load of a link
    unchanged   the same list again, in a new environment: no record may be written
    duplicates  forty copies of one webhook
    short       a function with a timeout of 10 seconds, and a list that takes many times as long
    outage      Belvo is down for an hour (the backoff is added up without waiting)
    throttled   a store with 1,000 write units of a link in a second, as a partition of DynamoDB

Prints a table to standard error, and one JSON object to standard output. CPU time and memory are those of the function, as the
operating system counts them. Wall time depends on the machine's load. Standard library only; Linux only.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

from environment import TABLE, Environment, Server
from implementations import EVERY, OURS, TARGET

PAGE = 1_000
ACCOUNTS = 3
# As in template.yaml.
FUNCTION_TIMEOUT_S = 120
MAX_RECEIVE_COUNT = 20
# Lambda's maximum: the other implementations read a list in one invocation.
PEERS_TIMEOUT_S = 900
# The largest valid limit. With the default, every run would measure 72 requests in 30 seconds.
MAX_REQUESTS_PER_30S = 100_000
SHORT_TIMEOUT_S = 10
COPIES = 40
OUTAGE_S = 3_600
# DynamoDB's limit for a partition, in a second.
PARTITION_WRITE_UNITS = 1_000
# An event counts as covered when it was received more than 250 ms before a listing began.
QUEUED_S = 0.5
# Up to this number, every key is compared; beyond, only their number.
COMPARED_ITEMS = 10_000
DEFAULT_ITEMS = {"load": [1_000, 10_000, 100_000], "unchanged": [100_000], "duplicates": [10_000], "short": [200_000],
                 "outage": [10_000], "throttled": [30_000]}


class Wrong(Exception):
    """An error: the function had a wrong result, so its figures are invalid."""


def check(what: str, is_value: Any, should_be: Any) -> None:
    if is_value != should_be:
        raise Wrong(f"{what}: {is_value!r} instead of {should_be!r}")


class World:
    """A fake Belvo server with one link, and empty stand-ins for AWS."""

    def __init__(self, arguments: argparse.Namespace, items: int, latency_ms: int) -> None:
        self.items = items
        self.functions: list[Function] = []
        key = ["--secret-id", "id", "--secret-password", "password"]
        self.belvo = Server([TARGET / "release/fake-belvo", "--listen", "127.0.0.1:0", "--empty", *key])
        self.aws = Server([TARGET / "release/stand-ins", "--listen", "127.0.0.1:0", "--table", TABLE])
        self.aws.call("PUT", "/_secrets/belvo", json.dumps({"secret_id": "id", "secret_password": "password"}).encode())
        self.latency_ms = latency_ms
        self.set_store(latency_ms)
        link = self.belvo.call("POST", "/_control/links", {"transactions": items, "accounts": ACCOUNTS})
        self.link = link["link_id"]

    def set_store(self, latency_ms: int, partition_write_units: int = 0) -> None:
        settings = {"dynamodb_latency_ms": latency_ms, "partition_write_units": partition_write_units}
        self.aws.call("PUT", "/_settings", settings)

    def historical_update(self, received_at_ms: int | None = None) -> dict[str, str]:
        """Returns the message of the webhook function."""
        path = f"/_control/links/{self.link}/announce"
        webhook = self.belvo.call("POST", path, {"type": "TRANSACTIONS", "code": "historical_update"})["body"]
        key = f"{hashlib.sha256(json.dumps(webhook).encode()).hexdigest()}-0"
        received_at = received_at_ms or time.time_ns() // 1_000_000
        message = {"v": 1, "received_at": received_at, "source": "webhook", "key": key, "part": {"index": 0, "of": 1},
                   "webhook": webhook}
        return {"message_id": "1", "body": json.dumps(message), "group_id": self.link, "deduplication_id": key}

    def begin_counting(self) -> None:
        self.aws.call("DELETE", "/_stats")
        self.belvo.call("DELETE", "/_control/requests")
        self.others_cpu_s = (self.aws.cpu_s(), self.belvo.cpu_s())

    def counts(self) -> dict[str, Any]:
        stats = self.aws.call("GET", "/_stats")
        requests = self.belvo.call("GET", "/_control/requests")
        calls = {service: {} for service in ("dynamodb", "sqs", "secretsmanager")}
        for name, count in stats["calls"].items():
            service, _, operation = name.partition(".")
            calls[service][operation] = count
        aws_cpu_s, belvo_cpu_s = self.others_cpu_s
        return {
            "belvo_requests": requests["total"],
            "belvo_failed": sum(count["count"] for count in requests["counts"] if count["status"] != 200),
            **calls,
            "refused": stats["refused"],
            "dynamodb_units": stats["units"],
            "dynamodb_in_flight_peak": stats["dynamodb_in_flight_peak"],
            # Shows whether the stand-ins were the bottleneck.
            "others_cpu_s": {
                "stand_ins": round(self.aws.cpu_s() - aws_cpu_s, 2),
                "fake_belvo": round(self.belvo.cpu_s() - belvo_cpu_s, 2),
            },
        }

    def stored(self, prefix: str, what: str = "") -> Any:
        query = urllib.parse.urlencode({"pk": f"LINK#{self.link}", "prefix": prefix})
        return self.aws.call("GET", f"/_table{what}?{query}")

    def check_table(self) -> None:
        """Fails unless the table has all objects of Belvo, and a complete sync state."""
        check("records", self.stored("TRANSACTIONS#"), {"items": self.items, "tombstones": 0, "missing": 0})
        check("accounts", self.stored("ACCOUNTS#"), {"items": ACCOUNTS, "tombstones": 0, "missing": 0})
        if self.items <= COMPARED_ITEMS:
            truth = self.belvo.call("GET", f"/_control/links/{self.link}/truth?resource=transactions")
            ids = {json.loads(line)["id"] for line in truth.splitlines()}
            check("the ids", {key.partition("#")[2] for key in self.stored("TRANSACTIONS#", "/keys").split()}, ids)
        [state] = self.stored("SYNC#TRANSACTIONS", "/item")
        check("the sync state's count", state.get("count"), str(self.items))
        check("the sync state's check", state.get("check"), "verified")
        check("the sync state's last_error", state.get("last_error"), None)
        check("a watermark is there", "watermark" in state, True)

    def end(self) -> None:
        for function in self.functions:
            function.end()
        self.belvo.end()
        self.aws.end()


@dataclasses.dataclass
class Delivered:
    """Results of some messages and their continuations."""

    invocations: int = 0
    failures: int = 0
    most_receives: int = 0
    longest_s: float = 0.0
    waited_s: float = 0.0


class Function(Environment):
    """An execution environment of the sync function."""

    def __init__(self, arguments: argparse.Namespace, world: World, timeout_s: int = FUNCTION_TIMEOUT_S) -> None:
        self.world, self.timeout_s = world, timeout_s if arguments.implementation is OURS else PEERS_TIMEOUT_S
        launch = arguments.implementation.launch("sync")
        variables = {
            "BELVO_BASE_URL": world.belvo.url,
            "BELVO_REQUESTS_PER_30S": str(MAX_REQUESTS_PER_30S),
            "SYNC_MAX_CONCURRENCY": "1",
            **launch.variables,
        }
        command = [arguments.binary] if arguments.binary else launch.command
        super().__init__("sync", command, world.aws, variables, core=arguments.core, wrapper=arguments.wrapper)
        world.functions.append(self)

    def deliver(self, *first: dict[str, str], while_failing: Any = None) -> Delivered:
        """Delivers messages in order, with retries, and then their continuations."""
        delivered, waiting = Delivered(), list(first)
        receives: dict[str, int] = {}
        while waiting:
            message = waiting.pop(0)
            receive = receives[message["message_id"]] = receives.get(message["message_id"], 0) + 1
            if receive > MAX_RECEIVE_COUNT:
                raise Wrong(f"a message would be in the dead-letter queue; the log is {self.keep_log()}")
            is_done, elapsed_s = self.take(message, receive)
            delivered.invocations += 1
            delivered.most_receives = max(delivered.most_receives, receive)
            delivered.longest_s = max(delivered.longest_s, elapsed_s)
            if not is_done:
                delivered.failures += 1
                if while_failing is None:
                    raise Wrong(f"the function gave a message back; the log is {self.keep_log()}")
                delivered.waited_s += while_failing()
                waiting.insert(0, message)
            waiting += self.world.aws.call("DELETE", "/_queue")
        return delivered

    def take(self, message: dict[str, str], receive: int) -> tuple[bool, float]:
        now = str(time.time_ns() // 1_000_000)
        record = {
            "messageId": message["message_id"], "receiptHandle": message["message_id"], "body": message["body"],
            "attributes": {
                "ApproximateReceiveCount": str(receive), "SentTimestamp": now, "ApproximateFirstReceiveTimestamp": now,
                "MessageGroupId": message["group_id"], "MessageDeduplicationId": message["deduplication_id"],
            },
            "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue.fifo",
        }
        answer = self.invoke({"Records": [record]}, self.timeout_s * 1_000)
        if answer["outcome"] != "response":
            raise Wrong(f"the invocation ended with {answer}; the log is {self.keep_log()}")
        return not answer["payload"]["batchItemFailures"], answer["elapsed_us"] / 1e6

    def keep_log(self) -> str:
        kept = Path(tempfile.gettempdir()) / "sync-bench-failed.log"
        kept.write_bytes(Path(self.log.name).read_bytes())
        return str(kept)

    def cost(self) -> dict[str, float]:
        """Ends the process and returns its CPU time and memory."""
        peak, at_end = self.memory_mib("VmHWM"), self.memory_mib("VmRSS")
        used = self.cpu_s() - self.start_cpu_s
        usage = self.end()
        return {
            "cpu_s": round(used, 3), "user_s": round(usage.ru_utime, 2), "system_s": round(usage.ru_stime, 2),
            "peak_mib": round(peak, 1), "at_start_mib": round(self.start_mib, 1), "at_end_mib": round(at_end, 1),
        }


def run(arguments: argparse.Namespace, scenario: str, items: int, latency_ms: int) -> dict[str, Any]:
    world = World(arguments, items, latency_ms)
    try:
        result = SCENARIOS[scenario](arguments, world)
    finally:
        world.end()
    cpu_per_1000 = round(result["cpu_s"] / items * 1_000, 4)
    return {"scenario": scenario, "items": items, "latency_ms": latency_ms, "cpu_s_per_1000": cpu_per_1000, **result}


def measured(function: Function, world: World, *messages: dict[str, str], **options: Any) -> dict[str, Any]:
    world.begin_counting()
    began = time.perf_counter()
    delivered = function.deliver(*messages, **options)
    wall_s = time.perf_counter() - began
    counts = world.counts()
    return {
        "wall_s": round(wall_s, 2), "items_per_s": round(world.items / wall_s), **function.cost(), **counts,
        "invocations": delivered.invocations, "failures": delivered.failures,
        "most_receives": delivered.most_receives, "longest_invocation_s": round(delivered.longest_s, 2),
    }


def pages(world: World) -> int:
    return -(-world.items // PAGE)


def load(arguments: argparse.Namespace, world: World, timeout_s: int = FUNCTION_TIMEOUT_S) -> dict[str, Any]:
    function = Function(arguments, world, timeout_s)
    result = measured(function, world, world.historical_update())
    world.check_table()
    # Each continuation reads the last page of the message before it again.
    check("requests to Belvo", result["belvo_requests"], pages(world) + result["invocations"] - 1)
    # Each message stores the accounts in its pages, if they changed.
    most = world.items + ACCOUNTS * result["invocations"]
    check("each record was written once", world.items + ACCOUNTS <= result["dynamodb"]["PutItem"] <= most, True)
    check("refused calls", result["refused"], {})
    return result


def unchanged(arguments: argparse.Namespace, world: World) -> dict[str, Any]:
    world.set_store(latency_ms=0)
    first = Function(arguments, world)
    first.deliver(world.historical_update())
    first.end()
    world.set_store(world.latency_ms)
    time.sleep(QUEUED_S)
    result = measured(Function(arguments, world), world, world.historical_update())
    world.check_table()
    check("records written", result["dynamodb"].get("PutItem", 0), 0)
    check("requests to Belvo", result["belvo_requests"], pages(world) + result["invocations"] - 1)
    return result


def duplicates(arguments: argparse.Namespace, world: World) -> dict[str, Any]:
    """All copies were received before the first is processed: the first one covers the others."""
    message = world.historical_update()
    copies = [message | {"message_id": str(copy)} for copy in range(COPIES)]
    time.sleep(QUEUED_S)
    result = measured(Function(arguments, world), world, *copies)
    world.check_table()
    check("requests to Belvo: one listing", result["belvo_requests"], pages(world))
    check("records written", result["dynamodb"]["PutItem"], world.items + ACCOUNTS)
    # They share an event item, which describes the last of them.
    [event] = world.stored("EVENT#", "/item")
    check("the event's outcome and attempts", (event["outcome"], event["attempts"]), ("covered", str(COPIES)))
    return result


def short(arguments: argparse.Namespace, world: World) -> dict[str, Any]:
    result = load(arguments, world, SHORT_TIMEOUT_S)
    check("no invocation came to its limit", result["longest_invocation_s"] < SHORT_TIMEOUT_S, True)
    check("messages returned to the queue", result["failures"], 0)
    check("more than one message", result["invocations"] > 1, True)
    return result


def outage(arguments: argparse.Namespace, world: World) -> dict[str, Any]:
    world.belvo.call("POST", "/_control/faults", [{"match": {"path_prefix": "/api/"}, "fault": {"status": 503}}])
    clock = {"s": 0.0}

    def wait() -> float:
        """Returns the visibility timeout that the function set, without waiting."""
        changes = world.aws.call("GET", "/_queue")["visibility_changes"]
        waited = changes[-1]["visibility_timeout"]
        clock["s"] += waited
        if clock["s"] >= OUTAGE_S:
            world.belvo.call("DELETE", "/_control/faults")
        return waited

    result = measured(Function(arguments, world), world, world.historical_update(), while_failing=wait)
    world.check_table()
    check("the outage was long enough", clock["s"] >= OUTAGE_S, True)
    return result | {"waited_s": round(clock["s"])}


def throttled(arguments: argparse.Namespace, world: World) -> dict[str, Any]:
    world.set_store(world.latency_ms, PARTITION_WRITE_UNITS)
    result = measured(Function(arguments, world), world, world.historical_update())
    world.check_table()
    check("writes were throttled", result["refused"].get("dynamodb.PutItem ThrottlingException", 0) > 0, True)
    return result


SCENARIOS = {"load": load, "unchanged": unchanged, "duplicates": duplicates, "short": short, "outage": outage,
             "throttled": throttled}


def machine() -> dict[str, Any]:
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"processor": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 2)}


def table(runs: list[dict[str, Any]]) -> str:
    columns = {
        "scenario": lambda run: run["scenario"], "items": lambda run: f"{run['items']:,}",
        "store ms": lambda run: run["latency_ms"], "wall s": lambda run: run["wall_s"],
        "items/s": lambda run: f"{run['items_per_s']:,}", "CPU s/1,000": lambda run: f"{run['cpu_s_per_1000']:.3f}",
        "peak MiB": lambda run: run["peak_mib"], "Belvo": lambda run: f"{run['belvo_requests']:,}",
        "Put": lambda run: f"{run['dynamodb'].get('PutItem', 0):,}",
        "other DynamoDB": lambda run: f"{sum(run['dynamodb'].values()) - run['dynamodb'].get('PutItem', 0):,}",
        "messages": lambda run: run["invocations"],
    }
    lines = [list(columns)] + [[str(value(run)) for value in columns.values()] for run in runs]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"all, or some of: {', '.join(SCENARIOS)}")
    parser.add_argument("--items", type=int, nargs="+", help="transactions of the link")
    parser.add_argument("--latency-ms", type=int, nargs="+", default=[5], help="latency of a call to DynamoDB")
    parser.add_argument("--implementation", choices=[each.name for each in EVERY], default=OURS.name)
    parser.add_argument("--binary", type=Path, help="another build of the function")
    parser.add_argument("--core", type=int, help="run the function on this core, and everything else on others")
    parser.add_argument("--wrapper", default="", help="a command that runs the binary, such as a profiler")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(unknown)}")
    arguments.implementation = next(each for each in EVERY if each.name == arguments.implementation)
    if missing := arguments.implementation.missing("sync"):
        parser.error(f"{missing} is missing: {arguments.implementation.hint}")

    report: dict[str, Any] = {"implementation": arguments.implementation.name, "machine": machine()}
    runs = report["runs"] = []
    try:
        for scenario in arguments.scenarios or SCENARIOS:
            for items in arguments.items or DEFAULT_ITEMS[scenario]:
                for latency_ms in arguments.latency_ms:
                    runs.append(run(arguments, scenario, items, latency_ms))
                    print(table(runs[-1:]), file=sys.stderr, flush=True)
    except Wrong as wrong:
        sys.exit(f"WRONG: {scenario} of {items} items: {wrong}")
    finally:
        if runs:
            print(f"\n{table(runs)}", file=sys.stderr)
            print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
