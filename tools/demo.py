"""make demo: shows the whole flow. Exits with 1 unless the table has converged on Belvo.

The real template runs on a local AWS, beside a fake Belvo server. The demo shows Belvo's three asynchronous workflows: a
recurrent link with its first load and a refresh, a retrieval through the request function, and a single link. At the end it
stops everything.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing

import requests
from stack import lifecycle
from stack.console import fail, say
from stack.lifecycle import Running
from stack.settings import ROOT, Settings
from stack.table import content

ACCOUNTS, TRANSACTIONS = 3, 2_500
# Timeout of a step, far longer than any takes.
PATIENCE_SECONDS = 180
RECURRENT = ("ACCOUNTS", "TRANSACTIONS")
SINGLE = ("ACCOUNTS", "TRANSACTIONS", "OWNERS")


def main() -> None:
    settings = Settings(
        state_dir=ROOT / ".local/demo", aws_port=free_port(), belvo_port=free_port(), stack_name="belvo-sync-demo"
    )
    started = time.monotonic()
    headline("belvo-sync: from a bank connection to rows in DynamoDB")
    lifecycle.end(settings)
    try:
        title("1", "Build the functions, start a local AWS and a fake Belvo server, deploy template.yaml")
        running = lifecycle.start(settings, {})
        converged = Demo(running).play()
    finally:
        lifecycle.end(settings)
    say()
    if not converged:
        fail(red("the table has not converged on Belvo"))
    say(green(f"The table equals Belvo, digit by digit. Nothing is left running. ({time.monotonic() - started:.0f} s)"))
    say("Next: `make up` starts all of this and leaves it running; README.md says how to deploy it to AWS.")


class Demo:
    def __init__(self, running: Running) -> None:
        self.belvo, self.table = running.belvo.control, running.table
        self.running = running
        self.shown = 0
        self.link_id = ""

    def play(self) -> bool:
        self.belvo.configure(load_accounts=ACCOUNTS, load_transactions=TRANSACTIONS)
        title("2", f"A user connects a bank with {ACCOUNTS} accounts and {TRANSACTIONS:,} transactions")
        recurrent = self.connect_bank("recurrent", RECURRENT)
        say("   Belvo loads the data in the background and announces each resource by a webhook:")
        self.follow(webhooks=2)

        title("3", "Belvo refreshes the link: 5 new transactions, 3 changed ones, and 2 that were duplicates")
        self.belvo.change_transactions(recurrent, add=5, update=3, delete=2, announce=True)
        self.follow(webhooks=3)

        title("4", "You ask Belvo for a month of transactions, through the request function")
        request_id = self.retrieve(recurrent)
        self.follow(webhooks=1)
        request = self.table.items(f"REQUEST#{request_id}")["REQUEST"]
        say(f"   the request is {request['status']}")

        title("5", "Another user's bank is loaded once, with the owners of its accounts")
        self.belvo.configure(load_transactions=120)
        single = self.connect_bank("single", SINGLE)
        self.follow(webhooks=3)

        title("6", "Does the table equal Belvo?")
        equal = [self.compare(recurrent, resource) for resource in RECURRENT]
        equal += [self.compare(single, resource) for resource in SINGLE]
        return all(equal) and request["status"] == "completed"

    def connect_bank(self, access_mode: str, fetch_resources: tuple[str, ...]) -> str:
        """Creates a link, as the Connect Widget or your own call does."""
        key = self.running.belvo_key
        body = {
            "institution": "erebor_mx_retail", "username": "bnk100", "password": "full", "access_mode": access_mode,
            "external_id": "your-user-7", "fetch_resources": list(fetch_resources),
        }
        login = (key.secret_id, key.secret_password)
        answer = requests.post(f"{self.running.belvo_url}/api/links/", json=body, auth=login, timeout=30)
        answer.raise_for_status()
        self.link_id = answer.json()["id"]
        say(f"   POST /api/links/ at Belvo: {access_mode} link {self.link_id}")
        return self.link_id

    def retrieve(self, link_id: str) -> str:
        """Invokes the request function, as `aws lambda invoke` does. Returns Belvo's id of the request."""
        action = {
            "action": "retrieve", "resource": "TRANSACTIONS", "link_id": link_id,
            "date_from": "2024-01-01", "date_to": "2024-01-31",
        }
        functions, name = self.running.aws.client("lambda"), self.running.outputs["RequestFunctionName"]
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(action))
        text = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            fail(red(f"the request function returned {text}"))
        say(f"   {text}")
        return json.loads(text)["request_id"]

    def follow(self, webhooks: int) -> None:
        """Shows the webhooks and the responses, waits until the queue is empty, and shows the table's rows."""
        say(dim(f"   {'webhook':<48} {'response':<8} {'latency':>8}"))
        expected = self.shown + webhooks
        wait_until(lambda: self.show_deliveries() >= expected, "the webhooks")
        started = time.monotonic()
        wait_until(self.is_drained, "an empty queue", tick=self.show_progress)
        rows = ", ".join(self.rows_in_words(resource) for resource in SINGLE if self.rows(resource))
        clear_line()
        say(f"   queue empty after {time.monotonic() - started:.1f} s; in the table: {rows}")
        for event in self.table.items(f"LINK#{self.link_id}", "EVENT#").values():
            if event["outcome"] != "applied":
                say(red(f"   {event['webhook_type']} {event['webhook_code']} ended as {event['outcome']}"))

    def show_deliveries(self) -> int:
        done = [each for each in self.belvo.deliveries() if each["state"] != "pending"]
        for delivery in done[self.shown:]:
            attempt = delivery["attempts"][-1]
            status = attempt["status"] or attempt["error"]
            name = f"{delivery['webhook_type']} {delivery['webhook_code']}"
            colour = green if delivery["state"] == "delivered" else red
            say(f"   {name:<48} {colour(f'{status!s:<8}')} {attempt['elapsed_ms']:>5} ms")
        self.shown = max(self.shown, len(done))
        return self.shown

    def is_drained(self) -> bool:
        return sum(lifecycle.queue_depth(self.running.aws, self.running.outputs["QueueUrl"])) == 0

    def show_progress(self) -> None:
        if sys.stdout.isatty():
            clear_line()
            print(dim(f"   {self.rows('TRANSACTIONS'):,} transactions so far ..."), end="", flush=True)

    def rows_in_words(self, resource: str) -> str:
        stored = self.table.records(self.link_id, resource)
        tombstones = sum("deleted_at" in item for item in stored.values())
        words = f"{len(stored) - tombstones:,} {resource.lower()}"
        return f"{words} and {tombstones} tombstones" if tombstones else words

    def rows(self, resource: str) -> int:
        return self.table.count(f"LINK#{self.link_id}", f"{resource}#")

    def compare(self, link_id: str, resource: str) -> bool:
        """Returns `True` if the table has exactly Belvo's objects, with the same content. All other records must be tombstones."""
        truth = {each["id"]: content(each, of=resource) for each in self.belvo.truth(link_id, resource.lower())}
        stored = self.table.records(link_id, resource)
        live = {key: content(item["data"], of=resource) for key, item in stored.items() if "deleted_at" not in item}
        equal = sum(live.get(key) == value for key, value in truth.items())
        tombstones = len(stored) - len(live)
        converged = live.keys() == truth.keys() and equal == len(truth)
        verdict = green("converged") if converged else red("NOT converged")
        say(f"   {resource:<13} {equal:>5,} of {len(truth):>5,} equal, {tombstones} tombstones   {verdict}")
        return converged


def wait_until(done: Callable[[], bool], what: str, tick: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            fail(f"timeout of {PATIENCE_SECONDS} s while waiting for {what}")
        tick()
        time.sleep(0.3)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def headline(text: str) -> None:
    say(bold(text))


def title(number: str, text: str) -> None:
    say(f"\n{bold(f'{number}  {text}')}")


def clear_line() -> None:
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)


def bold(text: str) -> str:
    return styled("1", text)


def dim(text: str) -> str:
    return styled("2", text)


def green(text: str) -> str:
    return styled("32", text)


def red(text: str) -> str:
    return styled("31", text)


def styled(code: str, text: str) -> str:
    """Adds colour on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"


if __name__ == "__main__":
    main()
