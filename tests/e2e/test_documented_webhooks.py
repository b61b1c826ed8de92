"""The webhooks of ACCOUNTS and TRANSACTIONS have their effects, posted exactly as documented (events/webhook/).

fake-belvo has the links and ids of these examples from the start. The order is that in which Belvo sends them.
"""

import json

from deployment import Deployment
from stack.settings import ROOT
from stack.table import content

HISTORICAL_LINK = "16f68516-bcbc-4cf7-b815-c500d4204e28"
UPDATED_LINK = "0284557b-df47-450a-po09e-7875195c2259"


def test_accounts_historical_update(deployment: Deployment):
    post(deployment, "accounts-historical-update")

    assert len(stored(deployment, HISTORICAL_LINK, "ACCOUNTS")) == 5
    assert state(deployment, HISTORICAL_LINK, "ACCOUNTS")["check"] == "verified"


def test_accounts_new_accounts_available(deployment: Deployment):
    before = len(stored(deployment, HISTORICAL_LINK, "ACCOUNTS"))
    deployment.belvo.change(HISTORICAL_LINK, "accounts", add=1, announce=False)
    post(deployment, "accounts-new-accounts-available")

    assert len(stored(deployment, HISTORICAL_LINK, "ACCOUNTS")) == before + 1
    assert stored(deployment, HISTORICAL_LINK, "ACCOUNTS") == truth(deployment, HISTORICAL_LINK, "ACCOUNTS")


def test_transactions_historical_update(deployment: Deployment):
    post(deployment, "transactions-historical-update")

    transactions = stored(deployment, HISTORICAL_LINK, "TRANSACTIONS")
    assert transactions == truth(deployment, HISTORICAL_LINK, "TRANSACTIONS")
    assert len(transactions) == 19
    assert state(deployment, HISTORICAL_LINK, "TRANSACTIONS")["check"] == "verified", "with 10 inflows and 9 outflows"


def test_transactions_new_transactions_available_in_both_spellings(deployment: Deployment):
    """Belvo has fewer new ones than announced: the check reports drift, and no data is lost."""
    for name, there in (("available", 21), ("updated", 23)):
        deployment.belvo.change_transactions(HISTORICAL_LINK, add=2, announce=False)
        post(deployment, f"transactions-new-transactions-{name}")

        assert len(stored(deployment, HISTORICAL_LINK, "TRANSACTIONS")) == there, name
        assert state(deployment, HISTORICAL_LINK, "TRANSACTIONS")["check"] == "drift", name


def test_transactions_updated_and_then_deleted(deployment: Deployment):
    """The ids are not UUIDs, as in Belvo's examples."""
    body = post(deployment, "transactions-updated")
    announced = set(body["data"]["updated_transactions"])
    assert stored(deployment, UPDATED_LINK, "TRANSACTIONS").keys() == announced
    assert stored(deployment, UPDATED_LINK, "TRANSACTIONS") == truth(deployment, UPDATED_LINK, "TRANSACTIONS")

    deployment.belvo.change_transactions(UPDATED_LINK, delete=sorted(announced), announce=False)
    post(deployment, "transactions-deleted")
    tombstones = deployment.records(UPDATED_LINK, "TRANSACTIONS")
    assert tombstones.keys() == announced
    assert all("deleted_at" in item and "data" not in item for item in tombstones.values())


def post(deployment: Deployment, name: str) -> dict:
    """Posts the body of an event file, and waits until every event of its link is applied."""
    body = json.loads((ROOT / f"events/webhook/{name}.json").read_text())["body"]
    webhook = json.loads(body)
    before = len(deployment.events(webhook["link_id"]))

    answer = deployment.post(body)

    assert (answer.status_code, answer.json()) == (202, {"request_id": webhook["request_id"]})
    deployment.wait_for_applied(webhook["link_id"], before + 1)
    return webhook


def stored(deployment: Deployment, link_id: str, resource: str) -> dict[str, dict]:
    return {key: content(item["data"], of=resource) for key, item in deployment.records(link_id, resource).items()}


def truth(deployment: Deployment, link_id: str, resource: str) -> dict[str, dict]:
    objects = deployment.belvo.truth(link_id, resource.lower())
    return {each["id"]: content(each, of=resource) for each in objects}


def state(deployment: Deployment, link_id: str, resource: str) -> dict:
    return deployment.link_items(link_id)[f"SYNC#{resource}"]
