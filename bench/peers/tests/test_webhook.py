"""A peer's webhook function answers as ours does, and puts the same into the queue."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import webhook_events
from conftest import require
from implementations import Implementation
from stage import TOKEN, Stage
from webhook_events import OTHERS, Event, documented, event, with_authorization

BASIC = {"username": "belvo", "password": "p:w"}


@dataclass
class Pair:
    ours: Stage
    peer: Stage

    def compare(self, event: Event) -> dict:
        """Sends the event to both; gives what both answered."""
        answers, messages = [], []
        for stage in (self.ours, self.peer):
            answers.append(answer_of(stage, event))
            messages.append(stage.take_messages())
        assert answers[1] == answers[0]
        assert messages[1] == messages[0]
        if answers[0]["status"] == 202:
            assert messages[0], "an accepted webhook is in the queue"
        else:
            assert not messages[0]
        return answers[0]


def answer_of(stage: Stage, event: Event) -> dict:
    answer = stage.invoke(event)
    text = answer.get("body") or ""
    assert not answer.get("isBase64Encoded")
    # Where Belvo's request id cannot be read, Lambda's stands in for it; each run has its own.
    body = json.loads(text) if text else None
    if body and body["request_id"].startswith("10000000-0000-4000-8000-"):
        body["request_id"] = "Lambda's"
    # Left out of the peers: ours reads the request id even of a body that breaks off behind it.
    if body and any(error["code"] == "parse_error" for error in body.get("errors", [])):
        del body["request_id"]
    headers = answer.get("headers", {}) | {n: ",".join(v) for n, v in answer.get("multiValueHeaders", {}).items()}
    return {
        "status": answer["statusCode"], "body": body, "headers": {name.lower(): value for name, value in headers.items()}
    }


@pytest.fixture(scope="module")
def pair(ours: Implementation, peer: Implementation) -> Iterator[Pair]:
    for implementation in (ours, peer):
        require(implementation, "webhook")
    with Stage(ours) as our_stage, Stage(peer) as peer_stage:
        our_stage.start("webhook")
        peer_stage.start("webhook")
        yield Pair(our_stage, peer_stage)


@pytest.mark.parametrize("name", documented())
def test_a_documented_request_is_answered_and_queued_alike(pair: Pair, name: str) -> None:
    pair.compare(documented()[name])


@pytest.mark.parametrize("name", OTHERS)
def test_a_request_beside_the_documented_ones_is_answered_and_queued_alike(pair: Pair, name: str) -> None:
    pair.compare(OTHERS[name]())


def test_the_requests_cover_every_answer_that_needs_no_trouble(pair: Pair) -> None:
    statuses = {answer_of(pair.ours, make())["status"] for make in OTHERS.values()}
    pair.ours.take_messages()
    assert statuses == {200, 202, 400, 401, 404, 405, 413}


def test_the_same_body_has_the_same_deduplication_id_however_often_it_comes(pair: Pair) -> None:
    again = webhook_events.with_body(webhook_events.webhook(data={"again": True}))
    assert pair.compare(again)["status"] == 202
    for stage in (pair.ours, pair.peer):
        assert answer_of(stage, again)["status"] == 202
        assert stage.take_messages() == [], "SQS has dropped it"


def test_a_rotated_secret_is_noticed_and_may_be_a_user_and_a_password(pair: Pair) -> None:
    with Stage(pair.ours.implementation) as our_stage, Stage(pair.peer.implementation) as peer_stage:
        rotated = Pair(our_stage, peer_stage)
        for stage in (our_stage, peer_stage):
            stage.start("webhook")
            stage.put_secret("webhook", BASIC)
        assert rotated.compare(with_authorization("Basic YmVsdm86cDp3"))["status"] == 202
        assert rotated.compare(with_authorization(f"Bearer {TOKEN}"))["status"] == 401


def test_a_secret_that_allows_nothing_is_our_trouble(pair: Pair) -> None:
    with Stage(pair.ours.implementation) as our_stage, Stage(pair.peer.implementation) as peer_stage:
        for stage in (our_stage, peer_stage):
            stage.put_secret("webhook", {"token": ""})
            stage.start("webhook")
        assert Pair(our_stage, peer_stage).compare(event())["status"] == 503


def test_a_queue_that_does_not_answer_is_our_trouble(pair: Pair) -> None:
    with Stage(pair.ours.implementation) as our_stage, Stage(pair.peer.implementation) as peer_stage:
        for stage in (our_stage, peer_stage):
            stage.start("webhook", AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
        assert Pair(our_stage, peer_stage).compare(event())["status"] == 503


def test_only_the_listed_sources_may_send(pair: Pair) -> None:
    with Stage(pair.ours.implementation) as our_stage, Stage(pair.peer.implementation) as peer_stage:
        listed = Pair(our_stage, peer_stage)
        for sources, status in (("3.130.0.0/16, 203.0.113.9", 202), ("203.0.113.0/24", 403)):
            for stage in (our_stage, peer_stage):
                stage.start("webhook", ALLOWED_SOURCE_IPS=sources)
            assert listed.compare(event())["status"] == status


def test_the_log_has_the_facts_of_a_webhook_and_nothing_personal(pair: Pair) -> None:
    secret = "María Silva"
    body = webhook_events.webhook(request_id="r-1", external_id=secret, data={"name": secret})
    for stage in (pair.ours, pair.peer):
        stage.lines()
        answer_of(stage, webhook_events.with_body(body))
        stage.take_messages()
        text = "\n".join(stage.lines())
        assert "Silva" not in text
        facts: dict = {}
        for line in text.splitlines():
            facts |= json.loads(line)
        wanted = {
            "link_id": webhook_events.LINK, "request_id": "r-1", "webhook_type": "TRANSACTIONS",
            "webhook_code": "historical_update", "messages": 1, "message": "accepted a webhook", "level": "INFO",
        }
        assert {name: facts.get(name) for name in wanted} == wanted
        assert {"accepted", "enqueue_ms"} <= metric_names(text)


def metric_names(text: str) -> set[str]:
    """What CloudWatch would keep."""
    documents = [json.loads(line) for line in text.splitlines()]
    directives = [d for document in documents for d in document.get("_aws", {}).get("CloudWatchMetrics", [])]
    return {metric["Name"] for directive in directives for metric in directive["Metrics"]}
