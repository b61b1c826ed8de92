"""What fails is tried again, in the end put aside, and holds nobody else back."""

from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control


def failing(link_id: str, count: int | None = None) -> dict:
    """A rule for fake-belvo: requests about this link get 500, so many times or for ever."""
    rule = {"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 500}}
    return rule if count is None else rule | {"count": count}


def test_while_belvo_answers_500_the_event_is_redelivered_and_ends_applied(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=2, transactions=60)
    # More than the quick retries of one invocation, less than the attempts that a message has.
    belvo.set_faults(failing(link_id, count=8))

    assert deployment.post(webhook(link_id)).status_code == 202

    event = deployment.wait_for_outcome(link_id, "applied")
    assert event["attempts"] > 1
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 60
    assert deployment.outcomes(link_id) == ["applied"], "one event, however many attempts it took"
    wait_until(lambda: deployment.depth() == 0, "the message to be gone")
    assert deployment.dead_letters() == []


def test_when_belvo_answers_500_for_good_the_message_is_dead_lettered_and_another_link_is_not_held_back(
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
    assert deployment.dead_letters() == [], "the broken link is still being tried while the healthy one is done"
    [letter] = wait_until(deployment.dead_letters, "the dead letter")
    assert letter["attributes"]["MessageGroupId"] == broken
    assert body["webhook_id"] in str(letter["body"]), "it is the webhook as it came"
    assert deployment.records(broken, "TRANSACTIONS") == {}
    assert deployment.depth() == 0


def test_a_later_webhook_of_the_same_link_waits_its_turn(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    belvo.set_faults(failing(link_id, count=8))

    deployment.post(webhook(link_id))
    deployment.post(webhook(link_id, "HOROSCOPES", "unheard_of"))

    deployment.wait_for_outcome(link_id, "unknown")
    assert deployment.outcomes(link_id) == ["applied", "unknown"]
