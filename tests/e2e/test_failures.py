"""Failed messages are retried, go to the dead-letter queue in the end, and block no other link."""

from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control


def failing(link_id: str, count: int | None = None) -> dict:
    """Returns a fault rule: requests about this link get a 500, `times` times or always."""
    rule = {"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 500}}
    return rule if count is None else rule | {"count": count}


def test_a_message_is_retried_while_belvo_returns_500(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=2, transactions=60)
    # More than the quick retries of one invocation, less than the attempts that a message has.
    belvo.set_faults(failing(link_id, count=8))

    assert deployment.post(webhook(link_id)).status_code == 202

    event = deployment.wait_for_outcome(link_id, "applied")
    assert event["attempts"] > 1
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 60
    assert deployment.outcomes(link_id) == ["applied"], "one event for all attempts"
    wait_until(lambda: deployment.depth() == 0, "the message to be gone")
    assert deployment.dead_letters() == []


def test_a_message_that_keeps_failing_is_dead_lettered_and_blocks_no_other_link(
    deployment: Deployment, belvo: Control
):
    broken = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    healthy = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    belvo.set_faults(failing(broken))
    body = webhook(broken)

    assert deployment.post(body).status_code == 202
    wait_until(lambda: "processing" in deployment.outcomes(broken), "the broken link's first attempt")
    assert deployment.post(webhook(healthy)).status_code == 202

    deployment.wait_for_outcome(healthy, "applied")
    assert deployment.dead_letters() == [], "the failing link is still retried when the healthy one is done"
    [letter] = wait_until(deployment.dead_letters, "the dead letter")
    assert letter["attributes"]["MessageGroupId"] == broken
    assert body["webhook_id"] in str(letter["body"]), "the letter contains the webhook"
    assert deployment.records(broken, "TRANSACTIONS") == {}
    assert deployment.depth() == 0


def test_a_later_webhook_of_the_same_link_waits(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    belvo.set_faults(failing(link_id, count=8))

    deployment.post(webhook(link_id))
    deployment.post(webhook(link_id, "HOROSCOPES", "unheard_of"))

    deployment.wait_for_outcome(link_id, "unknown")
    assert deployment.outcomes(link_id) == ["applied", "unknown"]
