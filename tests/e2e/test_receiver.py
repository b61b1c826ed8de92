"""The scenarios that a receiver of webhooks has to stand, one row each: what a sender does, what it is answered, and how
many messages are in the queue afterwards. Nothing works the queue off meanwhile.

Credentials that are missing, near misses or retired have rows of their own in test_front_door.py and test_operator.py, and
what may not show in a log in test_privacy.py.
"""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from deployment import Deployment, new_link_id, wait_until, webhook
from sqs_proxy import ANSWER_LOST, HALF_TAKEN, between
from stack.fake_belvo import Control
from stack.table import content

# What Belvo makes of an answer that does not come, or of 5xx: it sends the webhook again.
NO_ANSWER = None


@dataclass(frozen=True)
class Scenario:
    """A sender's deeds, each giving the status that it saw."""

    deeds: Callable[[Deployment, str], list[int | None]]
    statuses: list[int | None]
    messages: int
    # Ids in the webhook: 500 travel in one message.
    ids: int = 1


def post(deployment: Deployment, body: str) -> int:
    return deployment.post(body).status_code


def at_once(deployment: Deployment, body: str, times: int) -> list[int]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: post(deployment, body), range(times)))


def hang_up(deployment: Deployment, body: str, sent: int | None = None) -> None:
    """Sends so many bytes of the body, or all of it, and closes the connection without waiting for an answer."""
    url = urlsplit(deployment.webhook_url)
    data = body.encode()
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: {deployment.authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(head.encode() + data[:sent])


def after_a_restart(deployment: Deployment, body: str) -> int:
    with deployment.environment("WebhookFunctionName", "RESTARTED", "yes"):
        return post(deployment, body)


def through(fate, deployment: Deployment, body: str) -> int:
    """A delivery while the function's calls to SQS meet this fate."""
    with (
        between(deployment.aws, fate) as address,
        deployment.environment("WebhookFunctionName", "AWS_ENDPOINT_URL_SQS", address),
    ):
        return post(deployment, body)


def with_content_type(deployment: Deployment, body: str, content_type: str) -> int:
    return deployment.request("POST", body, deployment.authorization, content_type).status_code


SCENARIOS = {
    "a single delivery": Scenario(lambda it, body: [post(it, body)], [202], 1),
    "the same again, one after the other": Scenario(lambda it, body: [post(it, body) for _ in range(3)], [202] * 3, 1),
    "the same, eight times at once": Scenario(lambda it, body: at_once(it, body, 8), [202] * 8, 1),
    "the sender does not wait for the answer, and sends it again": Scenario(
        lambda it, body: [hang_up(it, body), post(it, body)], [NO_ANSWER, 202], 1
    ),
    "the connection is lost in the middle of the body, and it is sent again": Scenario(
        lambda it, body: [hang_up(it, body, sent=40), post(it, body)], [NO_ANSWER, 202], 1
    ),
    "the connection is lost in the middle of the body, and it is not sent again": Scenario(
        lambda it, body: [hang_up(it, body, sent=40)], [NO_ANSWER], 0
    ),
    "the function is restarted between two attempts": Scenario(
        lambda it, body: [post(it, body), after_a_restart(it, body)], [202, 202], 1
    ),
    "the function dies behind the queue's back, and it is sent again": Scenario(
        lambda it, body: [through(ANSWER_LOST, it, body), post(it, body)], [503, 202], 1
    ),
    "the queue takes a part of it, and it is sent again": Scenario(
        lambda it, body: [through(HALF_TAKEN, it, body), post(it, body)], [503, 202], 3, ids=1_200
    ),
    "the queue takes a part of it, and it is not sent again": Scenario(
        lambda it, body: [through(HALF_TAKEN, it, body)], [503], 1, ids=1_200
    ),
    "a body that breaks off": Scenario(lambda it, body: [post(it, body[:-2])], [400], 0),
    "a body that is no object": Scenario(lambda it, body: [post(it, f"[{body}]")], [400], 0),
    "a body that is no text": Scenario(lambda it, body: [it.post(b"\xff\xfe" + body.encode()).status_code], [400], 0),
    "an empty body": Scenario(lambda it, body: [post(it, "")], [400], 0),
    # Belvo documents none; the body alone decides.
    "another content type": Scenario(lambda it, body: [with_content_type(it, body, "text/plain")], [202], 1),
    "a form": Scenario(
        lambda it, body: [with_content_type(it, "webhook_type=ACCOUNTS", "application/x-www-form-urlencoded")], [400], 0
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(deployment: Deployment, name: str):
    scenario = SCENARIOS[name]
    ids = [f"transaction-{number:05}" for number in range(scenario.ids)]
    link_id = deployment.belvo.create_link(id=new_link_id(), accounts=1, transactions=0)
    body = json.dumps(webhook(link_id, "TRANSACTIONS", "transactions_deleted", deleted_transactions=ids))
    with deployment.paused_sync():
        assert scenario.deeds(deployment, body) == scenario.statuses
        # A delivery whose sender went away may still be at work.
        deployment.wait_for_depth(scenario.messages)


def test_a_webhook_of_direct_debit_that_is_too_large_for_a_message_is_kept_as_unknown(deployment: Deployment):
    """Cut to its envelope, it still has the members from which type and code are read."""
    code = f"payment_request_failed_{new_link_id()}"
    body = {"eventType": "payment_request_update", "eventCode": code, "details": {"documentNumber": "X", "notes": "x" * 300_000}}
    assert deployment.post(body).status_code == 202

    def kept() -> list[dict]:
        days = [time.strftime("UNROUTED#%Y-%m-%d", time.gmtime(time.time() - ago)) for ago in (0, 24 * 60 * 60)]
        events = [event for day in days for event in deployment.items(day).values()]
        return [event for event in events if event["webhook_code"] == code and event["outcome"] == "unknown"]

    [event] = wait_until(kept, "the event")
    assert event["webhook_type"] == "payment_request_update"
    assert int(event["withheld_bytes"]) == len(json.dumps(body))


def test_what_comes_in_reversed_order_ends_as_if_it_had_come_in_order(deployment: Deployment, belvo: Control):
    """A deletion first, then the load that had it, then once more the deletion's twin from an attempt that was given up."""
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=6)
    gone = belvo.change_transactions(link_id, delete=2, announce=False)["deleted"]
    deletion = webhook(link_id, "TRANSACTIONS", "transactions_deleted", deleted_transactions=gone)
    for body in (deletion, webhook(link_id), deletion | {"webhook_id": "again"}):
        assert deployment.post(body).status_code == 202
    deployment.wait_for_applied(link_id, 3)

    stored = deployment.records(link_id, "TRANSACTIONS")
    live = {key: content(item["data"], of="TRANSACTIONS") for key, item in stored.items() if "deleted_at" not in item}
    truth = {each["id"]: content(each, of="TRANSACTIONS") for each in belvo.truth(link_id, "TRANSACTIONS")}
    assert live == truth and len(truth) == 4
    assert {key for key, item in stored.items() if "deleted_at" in item} == set(gone)
