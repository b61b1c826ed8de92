"""Scenarios of a webhook receiver: the actions of a sender, the responses, and the number of messages in the queue.
The sync function is paused meanwhile.

test_front_door.py and test_operator.py test missing, wrong and retired credentials, and test_privacy.py tests the logs.
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

# Belvo sends a webhook again after a timeout or a 5xx.
NO_ANSWER = None


@dataclass(frozen=True)
class Scenario:
    """The actions of a sender. Each returns the status of the response."""

    deeds: Callable[[Deployment, str], list[int | None]]
    statuses: list[int | None]
    messages: int
    # Number of ids in the webhook. A message has at most 500.
    ids: int = 1


def post(deployment: Deployment, body: str) -> int:
    return deployment.post(body).status_code


def at_once(deployment: Deployment, body: str, times: int) -> list[int]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: post(deployment, body), range(times)))


def hang_up(deployment: Deployment, body: str, sent: int | None = None) -> None:
    """Sends part of the body, or all of it, and closes the connection without waiting for a response."""
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
    """Posts a webhook while the proxy applies `fate` to the calls to SQS."""
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
    "the sender does not wait for the response, and sends it again": Scenario(
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
    "the response of SQS is lost, and it is sent again": Scenario(
        lambda it, body: [through(ANSWER_LOST, it, body), post(it, body)], [503, 202], 1
    ),
    "SQS accepts a part of it, and it is sent again": Scenario(
        lambda it, body: [through(HALF_TAKEN, it, body), post(it, body)], [503, 202], 3, ids=1_200
    ),
    "SQS accepts a part of it, and it is not sent again": Scenario(
        lambda it, body: [through(HALF_TAKEN, it, body)], [503], 1, ids=1_200
    ),
    "a truncated body": Scenario(lambda it, body: [post(it, body[:-2])], [400], 0),
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
        # The function may still work on a request whose sender closed the connection.
        deployment.wait_for_depth(scenario.messages)


def test_a_direct_debit_webhook_that_is_too_large_for_a_message_is_recorded_as_unknown(deployment: Deployment):
    """The truncated body still has the members of type and code."""
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


def test_reversed_webhooks_lead_to_the_same_table(deployment: Deployment, belvo: Control):
    """A deletion, then the load with that object, then a late duplicate of the deletion."""
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
