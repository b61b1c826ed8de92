"""Announced data is in the table completely, with Belvo's exact content."""

from decimal import Decimal

from deployment import Deployment, new_link_id, webhook
from stack.fake_belvo import Control

ACCOUNTS = 3
TRANSACTIONS = 2_500
PAGE_SIZE = 1_000


def test_2500_transactions_over_three_accounts_arrive_whole_after_one_post(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=ACCOUNTS, transactions=TRANSACTIONS, seed=7)

    answer = deployment.post(webhook(link_id, total_transactions=TRANSACTIONS))

    assert answer.status_code == 202
    event = deployment.wait_for_outcome(link_id, "applied")
    truth = by_id(belvo.truth(link_id, "transactions"))
    stored = deployment.records(link_id, "TRANSACTIONS")
    assert len(truth) == TRANSACTIONS
    assert stored.keys() == truth.keys()
    for transaction_id, transaction in truth.items():
        assert content(stored[transaction_id]["data"]) == content(transaction)
        assert stored[transaction_id].get("account_id") == (transaction["account"] or {}).get("id")
    amounts = [transaction["amount"] for transaction in truth.values()]
    assert any(Decimal(repr(float(amount))) != amount for amount in amounts), "some amounts exceed the precision of a float"
    assert (event["pages"], event["written"]) == (3, TRANSACTIONS + ACCOUNTS)


def test_the_listing_reads_three_pages_with_inflows_and_outflows(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=ACCOUNTS, transactions=TRANSACTIONS)

    deployment.post(webhook(link_id))
    deployment.wait_for_outcome(link_id, "applied")

    pages = [request["query"] for request in belvo.requests_about(link_id) if request["path"] == "/api/transactions/"]
    assert len(pages) == TRANSACTIONS // PAGE_SIZE + 1
    assert all(f"page_size={PAGE_SIZE}" in page and "type=" not in page for page in pages)
    types = {item["data"]["type"] for item in deployment.records(link_id, "TRANSACTIONS").values()}
    assert types >= {"INFLOW", "OUTFLOW"}


def test_the_accounts_arrive_after_their_own_webhook(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=5, transactions=0)

    deployment.post(webhook(link_id, "ACCOUNTS", "historical_update", total_accounts=5))
    deployment.wait_for_outcome(link_id, "applied")

    truth = by_id(belvo.truth(link_id, "accounts"))
    stored = deployment.records(link_id, "ACCOUNTS")
    assert {account_id: item["data"] for account_id, item in stored.items()} == truth


def test_link_and_sync_state_have_the_progress_of_the_sync(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=30, external_id="customer-7")

    deployment.post(webhook(link_id, total_transactions=30) | {"external_id": "customer-7"})
    event = deployment.wait_for_outcome(link_id, "applied")

    link = deployment.link_items(link_id)["LINK"]
    assert link["status"] == "active"
    assert (link["gsi1pk"], link["gsi1sk"]) == ("EXTERNAL#customer-7", f"LINK#{link_id}")
    state = deployment.link_items(link_id)["SYNC#TRANSACTIONS"]
    assert state["count"] == 30
    assert state["check"] == "verified"
    assert event["expires_at"] > event["received_at"] / 1_000, "expires_at is in seconds"


def test_a_webhook_from_fake_belvo_reaches_the_table(deployment: Deployment, belvo: Control):
    """fake-belvo posts the webhook itself, with the configured header."""
    link_id = belvo.create_link(id=new_link_id(), accounts=2, transactions=40)

    belvo.announce(link_id, "TRANSACTIONS", "historical_update")

    deployment.wait_for_outcome(link_id, "applied")
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 40
    [delivery] = [each for each in belvo.deliveries() if each["body"]["link_id"] == link_id]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [202]


def test_transactions_of_an_account_are_found_by_date(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=50)
    deployment.post(webhook(link_id))
    deployment.wait_for_outcome(link_id, "applied")
    truth = belvo.truth(link_id, "transactions")

    answer = deployment.aws.client("dynamodb").query(
        TableName=deployment.outputs["TableName"],
        IndexName="gsi1",
        KeyConditionExpression="gsi1pk = :account",
        ExpressionAttributeValues={":account": {"S": f"ACCOUNT#{truth[0]['account']['id']}"}},
    )

    found = [item["gsi1sk"]["S"] for item in answer["Items"]]
    assert found == sorted(f"{each['value_date']}#{each['id']}" for each in truth)


def by_id(objects: list[dict]) -> dict[str, dict]:
    return {each["id"]: each for each in objects}


def content(transaction: dict) -> dict:
    """Returns a transaction without its account, which is a separate record."""
    return {name: value for name, value in transaction.items() if name != "account"}
