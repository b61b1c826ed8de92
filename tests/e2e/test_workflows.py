"""Belvo's three asynchronous workflows, and a day without webhooks. At the end the table equals Belvo."""

import json
from typing import Any

import pytest
import requests
from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control
from stack.table import content

RESOURCES = ("ACCOUNTS", "TRANSACTIONS", "OWNERS")


@pytest.fixture
def belvo(belvo: Control):
    """Makes new links load at once, with few objects."""
    belvo.configure(load_delay_ms=50, load_accounts=2, load_transactions=30)
    return belvo


def test_workflow_1_a_single_link_loads_the_requested_resources(deployment: Deployment, belvo: Control):
    link_id = connect(deployment, belvo, access_mode="single")

    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})

    for resource in RESOURCES:
        assert_converged(deployment, belvo, link_id, resource)
        assert deployment.link_items(link_id, f"SYNC#{resource}")[f"SYNC#{resource}"]["check"] == "verified"


def test_workflow_2_a_recurrent_link_is_refreshed_three_times(deployment: Deployment, belvo: Control):
    link_id = connect(deployment, belvo, access_mode="recurrent")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})

    codes = ("new_transactions_available", "transactions_updated", "transactions_deleted")
    for number in (1, 2, 3):
        # The scheduled refresh. (`hour_ms` would refresh the links of all other tests as well.)
        belvo.refresh_now(link_id, add=3, update=2, delete=1)
        wait_until(
            lambda number=number: all(count_of(deployment, link_id, code) == number for code in codes),
            lambda: f"round {number}; there were {kinds(deployment, link_id)}",
        )
        wait_for_rest(deployment, link_id)
        for resource in RESOURCES:
            assert_converged(deployment, belvo, link_id, resource)

    tombstones = [each for each in deployment.records(link_id, "TRANSACTIONS").values() if "deleted_at" in each]
    assert len(tombstones) == 3


def test_workflow_3_a_retrieval_is_completed_by_the_webhook_that_names_its_request(
    deployment: Deployment, belvo: Control
):
    link_id = connect(deployment, belvo, access_mode="single")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})

    answer = invoke(deployment, "RequestFunctionName", {
        "action": "retrieve", "resource": "TRANSACTIONS", "link_id": link_id,
        "date_from": "2024-01-01", "date_to": "2024-01-31",
    })

    assert answer["status"] == "accepted"
    request_id = answer["request_id"]
    completed = wait_until(lambda: request(deployment, request_id, "completed"), "the request to be completed")
    assert (completed["resource"], completed["link_id"]) == ("TRANSACTIONS", link_id)
    wait_for_rest(deployment, link_id)
    event = deployment.events(link_id)[-1]
    assert (event["webhook_code"], event["request_id"].replace("-", "")) == ("new_transactions_available", request_id)
    assert_converged(deployment, belvo, link_id, "TRANSACTIONS")


def test_a_retrieval_whose_webhook_precedes_its_response_is_completed(deployment: Deployment, belvo: Control):
    link_id = connect(deployment, belvo, access_mode="single")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})
    belvo.set_faults({"match": {"method": "POST", "path_prefix": "/api/transactions/"}, "fault": "webhook_first", "count": 1})

    answer = invoke(deployment, "RequestFunctionName", {
        "action": "retrieve", "resource": "TRANSACTIONS", "link_id": link_id,
        "date_from": "2024-01-01", "date_to": "2024-01-31",
    })

    wait_until(lambda: request(deployment, answer["request_id"], "completed"), "the request to be completed")


def test_a_deleted_link_leaves_only_its_link_item_and_events(deployment: Deployment, belvo: Control):
    link_id = connect(deployment, belvo, access_mode="single")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})

    invoke(deployment, "RequestFunctionName", {"action": "delete_link", "link_id": link_id})

    link = wait_until(
        lambda: (deployment.link_items(link_id).get("LINK") or {}).get("purged_at") and deployment.link_items(link_id),
        "the link's data to be removed",
    )
    assert link["LINK"]["status"] == "deleted"
    assert {sk.partition("#")[0] for sk in link} == {"LINK", "EVENT"}
    assert not any("data" in item for item in link.values())


def test_a_requested_refresh_is_completed_by_its_webhooks(deployment: Deployment, belvo: Control):
    belvo.configure(refresh_cooldown_ms=0)
    link_id = connect(deployment, belvo, access_mode="recurrent")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})
    belvo.change_transactions(link_id, add=4, update=2, announce=False)

    answer = invoke(deployment, "RequestFunctionName", {"action": "refresh_link", "link_id": link_id})

    wait_until(lambda: request(deployment, answer["request_id"], "completed"), "the request to be completed")
    wait_for_rest(deployment, link_id)
    for resource in RESOURCES:
        assert_converged(deployment, belvo, link_id, resource)


def test_a_failed_login_is_shown_while_the_link_is_still_valid_at_belvo(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)

    def link() -> dict[str, Any]:
        return deployment.link_items(link_id)["LINK"]

    deployment.post(webhook(link_id, "LINK", "invalid_credentials"))
    deployment.wait_for_applied(link_id, 1)
    assert (link()["status"], link()["action"]) == ("invalid_credentials", "update_credentials")
    assert link()["announced_status"] == "invalid_credentials"

    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 2)
    assert link()["status"] == "active"
    assert not {"action", "announced_status"} & link().keys()


def test_after_a_day_without_webhooks_the_schedule_updates_a_link(
    deployment: Deployment, belvo: Control
):
    link_id = connect(deployment, belvo, access_mode="recurrent")
    wait_for_events(deployment, link_id, {resource: {"historical_update"} for resource in RESOURCES})
    invoke(deployment, "ReconcileFunctionName", {})
    belvo.set_faults({"fault": "webhook_lost"})
    belvo.refresh_now(link_id, add=3, update=4, delete=2)
    belvo.set_status(link_id, "token_required")
    newer_link_id = belvo.create_link(accounts=1, transactions=12)
    before = len(deployment.events(link_id))

    # Belvo refreshes weekly: two weeks without a webhook mean that webhooks are missing.
    deployment.let_time_pass(link_id, days=15)
    report = invoke(deployment, "ReconcileFunctionName", {})

    assert report["discovered"] >= 1 and report["status_reads"] == 1 and report["links"] >= 2
    wait_until(lambda: len(deployment.events(link_id)) >= before + len(RESOURCES) + 1, "listings, and a read of the link")
    wait_until(lambda: deployment.link_items(newer_link_id, "SYNC#TRANSACTIONS"), "a listing of the newer link")
    wait_for_rest(deployment, link_id)
    wait_for_rest(deployment, newer_link_id)
    for resource in RESOURCES:
        assert_converged(deployment, belvo, link_id, resource)
    assert_converged(deployment, belvo, newer_link_id, "TRANSACTIONS")
    gone = [each for each in deployment.records(link_id, "TRANSACTIONS").values() if "missing_since" in each]
    assert len(gone) == 2, "objects deleted without a webhook are marked and kept"
    assert deployment.link_items(link_id)["LINK"]["status"] == "token_required"
    assert {event["source"] for event in deployment.events(link_id)[before:]} == {"reconcile"}


def test_without_any_webhook_the_schedule_makes_the_table_equal_belvo(
    deployment: Deployment, belvo: Control
):
    belvo.set_faults({"fault": "webhook_lost"})
    # Created long ago, so its first webhooks are overdue.
    link_id = belvo.create_link(accounts=2, transactions=30, resources={"OWNERS": 2}, external_id="user-of-a-lost-day")
    belvo.refresh_now(link_id, add=3, update=2, delete=1)
    assert deployment.link_items(link_id) == {}

    report = invoke(deployment, "ReconcileFunctionName", {})

    assert report["discovered"] >= 1
    wait_until(lambda: len(deployment.link_items(link_id, "SYNC#")) >= len(RESOURCES), "listings")
    wait_for_rest(deployment, link_id)
    for resource in RESOURCES:
        assert_converged(deployment, belvo, link_id, resource)
    assert {event["source"] for event in deployment.events(link_id)} == {"reconcile"}
    assert deployment.link_items(link_id)["LINK"]["external_id"] == "user-of-a-lost-day"


def connect(deployment: Deployment, belvo: Control, **properties: Any) -> str:
    """Creates a link through Belvo's API."""
    body = {
        "institution": "erebor_mx_retail", "username": "bnk100", "password": "full",
        "fetch_resources": list(RESOURCES), **properties,
    }
    key = deployment.belvo_key
    login = (key.secret_id, key.secret_password)
    answer = requests.post(f"{belvo.url}/api/links/", json=body, auth=login, timeout=30)
    answer.raise_for_status()
    return answer.json()["id"]


def invoke(deployment: Deployment, output: str, payload: dict) -> Any:
    functions = deployment.aws.client("lambda")
    answer = functions.invoke(FunctionName=deployment.outputs[output], Payload=json.dumps(payload))
    text = answer["Payload"].read()
    assert "FunctionError" not in answer, text
    return json.loads(text)


def request(deployment: Deployment, request_id: str, status: str) -> dict | None:
    item = deployment.items(f"REQUEST#{request_id}").get("REQUEST")
    return item if item and item["status"] == status else None


def kinds(deployment: Deployment, link_id: str) -> list[tuple[str, str, str]]:
    return [(each["webhook_type"], each["webhook_code"], each["outcome"]) for each in deployment.events(link_id)]


def count_of(deployment: Deployment, link_id: str, code: str) -> int:
    return sum(kind[1] == code for kind in kinds(deployment, link_id))


def wait_for_events(deployment: Deployment, link_id: str, expected: dict[str, set[str]]) -> None:
    """Waits until these webhooks were received and all events have ended."""

    def received() -> bool:
        there = {(kind, code) for kind, code, _ in kinds(deployment, link_id)}
        return all((kind, code) in there for kind, codes in expected.items() for code in codes)

    wait_until(received, lambda: f"{expected}; there were {kinds(deployment, link_id)}")
    wait_for_rest(deployment, link_id)


def wait_for_rest(deployment: Deployment, link_id: str) -> None:
    def at_rest() -> bool:
        return deployment.depth() == 0 and not any(kind[2] == "processing" for kind in kinds(deployment, link_id))

    wait_until(at_rest, lambda: f"rest; there were {kinds(deployment, link_id)}")


def assert_converged(deployment: Deployment, belvo: Control, link_id: str, resource: str) -> None:
    truth = {each["id"]: content(each, of=resource) for each in belvo.truth(link_id, resource)}
    stored = deployment.records(link_id, resource)
    live = {key: content(item["data"], of=resource) for key, item in stored.items() if "deleted_at" not in item}
    live = {key: value for key, value in live.items() if "missing_since" not in stored[key]}
    assert truth and live == truth
