"""Odd responses of Belvo, as users have reported them: a wrong object, page or link affects nothing else."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control

TRANSACTIONS = "/api/transactions/"


# Pages


def test_a_page_size_that_belvo_caps_silently_is_learned_from_the_first_page(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=450)
    belvo.set_faults(rule(link_id, {"page_size_cap": 100}))

    deployment.post(webhook(link_id, total_transactions=450))
    deployment.wait_for_outcome(link_id, "applied")

    assert deployment.records(link_id, "TRANSACTIONS").keys() == ids(belvo, link_id)
    assert state(deployment, link_id)["check"] == "verified"
    assert "watermark" in state(deployment, link_id)
    assert len(listed(belvo, link_id)) < 10, "five pages, read once"


def test_a_row_that_is_listed_twice_does_not_count_as_a_moving_list(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=1)
    belvo.set_faults(rule(link_id, {"doubled_rows": 1}))

    deployment.post(webhook(link_id, total_transactions=1))
    deployment.wait_for_outcome(link_id, "applied")

    assert len(deployment.records(link_id, "TRANSACTIONS")) == 1
    assert state(deployment, link_id)["check"] in ("verified", "unverified")
    assert "watermark" in state(deployment, link_id)
    assert len(listed(belvo, link_id)) < 3


@pytest.mark.parametrize(
    "next_page", ["http://proxy.internal/api/transactions/?page=2", "/api/transactions/?page=2", "?page=2", "ftp://x"]
)
def test_the_url_in_next_is_never_followed(deployment: Deployment, belvo: Control, next_page: str):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=1_100)
    belvo.set_faults(rule(link_id, {"foreign_next": next_page}, page=1))

    deployment.post(webhook(link_id, total_transactions=1_100))
    deployment.wait_for_outcome(link_id, "applied")

    assert deployment.records(link_id, "TRANSACTIONS").keys() == ids(belvo, link_id)
    assert state(deployment, link_id)["check"] == "verified"


def test_an_object_that_makes_its_page_fail_is_isolated(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=2_100)
    order = [each["id"] for each in belvo.truth(link_id, "transactions")]
    failing = order[1_500]
    belvo.set_faults({"match": {"path_prefix": TRANSACTIONS}, "fault": {"failing_object": failing}})

    deployment.post(webhook(link_id, total_transactions=2_100))
    deployment.wait_for_outcome(link_id, "applied")

    assert deployment.records(link_id, "TRANSACTIONS").keys() == set(order) - {failing}
    assert state(deployment, link_id)["check"] == "drift"
    assert deployment.events(link_id)[-1]["unreadable"] == 1
    wait_until(lambda: deployment.depth() == 0, "the message to be gone")
    assert dead_letters(deployment, link_id) == []


# Objects


@pytest.mark.parametrize("form", ["nan", "infinity", "invalid_utf8", "not_an_object", "null", "no_id"])
def test_an_unreadable_object_is_left_out_and_counted(deployment: Deployment, belvo: Control, form: str):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=30)
    order = [each["id"] for each in belvo.truth(link_id, "transactions")]
    broken = {"broken_object": {"id": order[17], "form": form}}
    belvo.set_faults({"match": {"path_prefix": TRANSACTIONS}, "fault": broken})

    deployment.post(webhook(link_id, total_transactions=30))
    event = deployment.wait_for_outcome(link_id, "applied")

    assert deployment.records(link_id, "TRANSACTIONS").keys() == set(order) - {order[17]}
    assert event["unreadable"] == 1
    assert state(deployment, link_id)["check"] == "drift"
    assert dead_letters(deployment, link_id) == []


@pytest.mark.parametrize("form", ["lone_surrogate", "deep"])
def test_an_unusual_object_is_stored_with_the_others(
    deployment: Deployment, belvo: Control, form: str
):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=30)
    order = [each["id"] for each in belvo.truth(link_id, "transactions")]
    broken = {"broken_object": {"id": order[17], "form": form}}
    belvo.set_faults({"match": {"path_prefix": TRANSACTIONS}, "fault": broken})

    deployment.post(webhook(link_id, total_transactions=30))
    deployment.wait_for_outcome(link_id, "applied")

    assert deployment.records(link_id, "TRANSACTIONS").keys() == set(order)
    assert state(deployment, link_id)["check"] == "verified"


def test_a_time_without_a_zone_is_in_utc_and_refreshes_a_balance(deployment: Deployment, belvo: Control):
    link_id, account_id = one_account(belvo, transactions=5)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    belvo.set_members(
        link_id, "accounts", account_id, {"collected_at": now(), "balance": {"current": 4321.55, "available": 1}}
    )

    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 2)

    assert account(deployment, link_id)["balance"]["current"] == Decimal("4321.55")


def test_an_object_with_only_a_new_save_time_is_no_change(deployment: Deployment, belvo: Control):
    link_id, _ = one_account(belvo, transactions=10)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    before = deployment.records(link_id, "TRANSACTIONS") | deployment.records(link_id, "ACCOUNTS")
    belvo.change_transactions(link_id, resave=10, refresh_accounts=False)

    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 2)

    assert deployment.records(link_id, "TRANSACTIONS") | deployment.records(link_id, "ACCOUNTS") == before
    assert deployment.events(link_id)[-1]["written"] == 0


def test_two_copies_of_an_account_on_a_page_do_not_change_its_category(deployment: Deployment, belvo: Control):
    link_id, account_id = one_account(belvo, transactions=10)
    today = now()
    checking = {"category": "CHECKING_ACCOUNT", "collected_at": f"{today}.123Z"}
    loan = {"category": "LOAN_ACCOUNT", "collected_at": f"{today}.126Z"}
    belvo.set_members(link_id, "accounts", account_id, checking, loan)
    deployment.post(webhook(link_id, "ACCOUNTS", "historical_update", total_accounts=1))
    deployment.wait_for_applied(link_id, 1)
    assert account(deployment, link_id)["category"] == "CHECKING_ACCOUNT", "the value in the accounts' own list"

    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 2)
    assert account(deployment, link_id)["category"] == "CHECKING_ACCOUNT"

    # Now the other copy is the later one.
    belvo.set_members(link_id, "accounts", account_id, checking | {"collected_at": f"{today}.129Z"}, loan)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 3)
    assert account(deployment, link_id)["category"] == "CHECKING_ACCOUNT"


def test_announced_ids_that_a_list_lacks_are_requested_by_id(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=6)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    changed = belvo.change_transactions(link_id, update=2, delete=2, announce=False)
    updated = changed["updated"] + changed["deleted"]

    deployment.post(webhook(link_id, "TRANSACTIONS", "transactions_updated", count=4, updated_transactions=updated))
    deployment.wait_for_applied(link_id, 2)

    stored = deployment.records(link_id, "TRANSACTIONS")
    assert {each for each, item in stored.items() if "deleted_at" in item} == set(changed["deleted"])
    truth = {each["id"]: each for each in belvo.truth(link_id, "transactions")}
    for each in changed["updated"]:
        assert stored[each]["data"]["description"] == truth[each]["description"]


# Links


def test_links_behind_a_page_that_always_fails_are_discovered(deployment: Deployment, belvo: Control):
    # Lists are ordered by id: one link on the first page, one on the last.
    first, last = (belvo.create_link(id=f"{digit * 8}-{new_link_id()[9:]}", transactions=2) for digit in "0f")
    belvo.set_faults(
        {"match": {"path_prefix": "/api/links/"}, "fault": {"page_size_cap": max(1, len(belvo.links()) // 3)}},
        {"match": {"path_prefix": "/api/links/", "page": 2}, "fault": {"status": 500}},
    )

    for _ in range(6):
        reconcile(deployment)
        if all("LINK" in deployment.link_items(each) for each in (first, last)):
            break

    for link_id in (first, last):
        wait_until(lambda: len(deployment.records(link_id, "TRANSACTIONS")) == 2, f"the data of {link_id}")
    # The next discovery begins with the first page again, and with the usual size.
    belvo.clear_faults()
    for _ in range(2):
        reconcile(deployment)


def test_a_link_with_odd_members_is_discovered_and_synced(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    belvo.set_link_members(
        link_id, external_id=12345, refresh_rate=24, institution={"name": "x"}, fetch_resources=[None]
    )

    for _ in range(6):
        reconcile(deployment)
        if "LINK" in deployment.link_items(link_id):
            break

    assert "LINK" in deployment.link_items(link_id)
    # Its odd members do not name its resources; a webhook does.
    deployment.post(webhook(link_id))
    wait_until(lambda: len(deployment.records(link_id, "TRANSACTIONS")) == 3, "the link's data")
    link = deployment.link_items(link_id)["LINK"]
    assert link["status"] == "active" and "external_id" not in link


def test_a_link_that_belvo_does_not_know_is_gone(deployment: Deployment, belvo: Control):
    deployment.post(webhook(link_id := new_link_id()))

    wait_until(lambda: deployment.link_items(link_id).get("LINK", {}).get("status") == "gone", "the status")
    # A wrong API key has the same symptom, so an operator must see it.
    wait_until(lambda: dead_letters(deployment, link_id), "the dead letter")


def test_announced_credentials_are_shown_as_invalid_until_data_comes(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)

    belvo.announce(link_id, "LINK", "invalid_credentials", keep_status=True)
    deployment.wait_for_applied(link_id, 1)
    assert deployment.link_items(link_id)["LINK"]["status"] == "invalid_credentials"

    belvo.announce(link_id, "TRANSACTIONS", "historical_update")
    deployment.wait_for_applied(link_id, 2)
    assert deployment.link_items(link_id)["LINK"]["status"] == "active"


def rule(link_id: str, fault: dict, **match: Any) -> dict:
    """Returns a fault rule for the link's lists of transactions."""
    return {"match": {"path_prefix": TRANSACTIONS, "link": link_id} | match, "fault": fault}


def listed(belvo: Control, link_id: str) -> list[dict]:
    """Returns the requested pages of transactions."""
    return [request for request in belvo.requests_about(link_id) if request["path"] == TRANSACTIONS]


def ids(belvo: Control, link_id: str) -> set[str]:
    return {each["id"] for each in belvo.truth(link_id, "transactions")}


def state(deployment: Deployment, link_id: str) -> dict:
    return deployment.link_items(link_id)["SYNC#TRANSACTIONS"]


def one_account(belvo: Control, transactions: int) -> tuple[str, str]:
    """Creates a link with one account. Returns both ids."""
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=transactions)
    [account] = belvo.truth(link_id, "accounts")
    return link_id, account["id"]


def account(deployment: Deployment, link_id: str) -> dict:
    [item] = deployment.records(link_id, "ACCOUNTS").values()
    return item["data"]


def now() -> str:
    """Returns a time without a zone and without fractions of a second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def dead_letters(deployment: Deployment, link_id: str) -> list[dict]:
    return [each for each in deployment.dead_letters() if each["attributes"]["MessageGroupId"] == link_id]


def reconcile(deployment: Deployment) -> None:
    """Invokes the reconcile function once."""
    name = deployment.outputs["ReconcileFunctionName"]
    deployment.aws.client("lambda").invoke(FunctionName=name, Payload=b"{}")
