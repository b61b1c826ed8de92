"""Each webhook and each message writes one event, with the right metrics."""

from collections import Counter
from collections.abc import Callable

import pytest
from deployment import Deployment, new_link_id, webhook
from metric_lines import counts, datapoints, lines, wait_for_lines
from stack.fake_belvo import Control

ACCEPTED, WORKED_ON = "accepted a webhook", "worked on a message"


def test_a_known_sequence_has_the_expected_counts(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=1_200)

    first = webhook(link_id, total_transactions=1_200)
    deployment.post(first)
    deployment.wait_for_applied(link_id, 1)
    deployment.post(webhook(link_id, total_transactions=1_200))
    deployment.wait_for_applied(link_id, 2)
    gone = belvo.change_transactions(link_id, delete=2, announce=False)["deleted"]
    deployment.post(webhook(link_id, "TRANSACTIONS", "transactions_deleted", deleted_transactions=gone))
    deployment.wait_for_applied(link_id, 3)

    accepted = wait_for_lines(deployment, 3, message=ACCEPTED, link_id=link_id)
    assert counts(accepted) == {"accepted": 3}
    assert all(line["enqueue_ms"] >= 0 and line["messages"] == 1 for line in accepted)
    assert [line for line in accepted if line["request_id"] == first["request_id"]], "Belvo's own request id"
    listing, again, deletion = wait_for_lines(deployment, 3, message=WORKED_ON, link_id=link_id)
    assert counts([listing]) == {"syncs{outcome=applied}": 1, "written": 1_203, "checked": 1, "belvo_2xx": 2}
    assert counts([again]) == {"syncs{outcome=applied}": 1, "unchanged": 1_203, "checked": 1, "belvo_2xx": 2}
    assert counts([deletion]) == {"syncs{outcome=applied}": 1, "deleted": 2}
    for line in (listing, again, deletion):
        durations = {each.series: each.value for each in datapoints(line) if each.metric.endswith("_ms")}
        by_type = "{webhook_type=TRANSACTIONS}"
        assert durations["elapsed_ms"] == durations[f"elapsed_ms{by_type}"] > 0
        assert durations["age_ms"] == durations[f"age_ms{by_type}"] >= durations["elapsed_ms"]
        assert line["stack"] == deployment.settings.stack_name


def test_every_webhook_and_message_writes_one_event(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": {"status": 500}, "count": 5})

    deployment.post(webhook(link_id))
    event = deployment.wait_for_outcome(link_id, "applied")

    attempts = int(event["attempts"])
    worked_on = wait_for_lines(deployment, attempts, link_id=link_id, message=WORKED_ON)
    assert [line["outcome"] for line in worked_on] == ["failed"] * (attempts - 1) + ["applied"]
    sums = counts(worked_on)
    assert sums["failures{error=belvo_unavailable}"] == attempts - 1 > 0
    assert sums["belvo_5xx"] == 5
    assert len([line for line in lines(deployment) if line.get("link_id") == link_id]) == attempts + 1


REFUSED: dict[str, Callable[[Deployment], int]] = {
    "credentials": lambda deployment: deployment.post({}, "Bearer not-it").status_code,
    "invalid": lambda deployment: deployment.post("{").status_code,
    "size": lambda deployment: deployment.post(b" " * (1024 * 1024 + 1)).status_code,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_rejected_webhooks_are_counted_by_reason(deployment: Deployment, reason: str):
    before = len([line for line in lines(deployment) if line.get("reason") == reason])

    assert REFUSED[reason](deployment) in (400, 401, 413)

    refused = wait_for_lines(deployment, before + 1, message="refused a webhook", reason=reason)
    assert counts(refused[before:]) == {f"refused{{reason={reason}}}": 1}


def test_no_word_of_a_sender_becomes_a_series(deployment: Deployment):
    link_id = new_link_id()

    deployment.post(webhook(link_id, "CANARY_TYPE", "canary_code"))
    deployment.wait_for_outcome(link_id, "unknown")

    wait_for_lines(deployment, 2, link_id=link_id, webhook_type="other", webhook_code="other")
    series = {each.series for line in lines(deployment) for each in datapoints(line)}
    assert not any("canary" in each.lower() for each in series)


def test_a_run_and_an_action_write_one_event(deployment: Deployment):
    functions = deployment.aws.client("lambda")
    before = Counter(line.get("target") for line in lines(deployment))

    functions.invoke(FunctionName=deployment.outputs["ReconcileFunctionName"], Payload=b"{}")
    functions.invoke(FunctionName=deployment.outputs["RequestFunctionName"], Payload=b'{"action": "nothing"}')

    runs = wait_for_lines(deployment, before["reconcile"] + 1, target="reconcile")
    actions = wait_for_lines(deployment, before["request"] + 1, target="request")
    assert counts([runs[-1]])["runs"] == 1
    assert counts([actions[-1]]) == {"actions{action=unread,outcome=InvalidInput}": 1}
