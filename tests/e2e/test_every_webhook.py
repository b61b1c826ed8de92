"""Every documented example of a webhook gets a 202 and has its effect.

The tests post each example of events/webhook/ about a new link with the announced objects. test_documented_webhooks.py posts the
examples of ACCOUNTS and TRANSACTIONS with their own links.
"""

import datetime
import json
from dataclasses import dataclass, field

import pytest
from deployment import Deployment, new_link_id, wait_until
from stack.settings import ROOT
from stack.table import content

EVENTS = ROOT / "events/webhook"
MEXICAN_BANK, BRAZILIAN_BANK = "erebor_mx_retail", "ofmockbank_br_retail"
TAX, PAYROLL, BRAZILIAN_PAYROLL = "tatooine_mx_fiscal", "planet_mx_employment", "planet_br_employment"

# test_front_door.py tests these: they concern the request, not the content.
REQUESTS = {"bad-json", "url-validation", "wrong-credentials"}


@dataclass(frozen=True)
class Listed:
    """The event causes a listing of a resource."""

    resource: str
    count: int
    institution: str = MEXICAN_BANK
    # Result of the comparison with the example's total; `unverified` without a total that can be checked.
    check: str = "unverified"
    # Creation date of the link; its objects are from the year before.
    made: str = "2024-01-03T18:20:11Z"
    # The objects of the event.
    only: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """The event causes a read of the link's status at Belvo, or sets that of the consent."""

    status: str
    action: str | None
    at_belvo: str = "valid"


LISTED = {
    "owners-historical-update": Listed("OWNERS", 2, check="verified"),
    "owners-new-owners-available": Listed("OWNERS", 3),
    "bills-historical-update": Listed("BILLS", 2, BRAZILIAN_BANK, check="verified"),
    "bills-new-bills-available": Listed("BILLS", 3, BRAZILIAN_BANK),
    "investments-historical-update": Listed("INVESTMENTS", 5, BRAZILIAN_BANK, check="verified"),
    # Its type is ACCOUNTS.
    "investments-new-investments-available": Listed("INVESTMENTS", 3, BRAZILIAN_BANK),
    # Fewer than the 19 of the example.
    "investment-transactions-historical-update": Listed("INVESTMENT_TRANSACTIONS", 5, BRAZILIAN_BANK, check="drift"),
    "investment-transactions-new-investment-transactions-available": Listed(
        "INVESTMENT_TRANSACTIONS", 3, BRAZILIAN_BANK, check="verified"
    ),
    "employments-historical-update": Listed("EMPLOYMENTS", 1, BRAZILIAN_PAYROLL, check="verified"),
    "employments-new-employments-available": Listed("EMPLOYMENTS", 2, BRAZILIAN_PAYROLL),
    "employment-records-historical-update": Listed("EMPLOYMENT_RECORDS", 1, PAYROLL, check="verified"),
    "employment-records-employment-changes": Listed("EMPLOYMENT_RECORDS", 1, PAYROLL),
    "employment-metrics-historical-update": Listed("EMPLOYMENT_METRICS", 1, PAYROLL, check="verified"),
    "incomes-historical-update": Listed("INCOMES", 1, check="verified"),
    "recurring-expenses-historical-update": Listed("RECURRING_EXPENSES", 23, check="verified"),
    "risk-insights-historical-update": Listed("RISK_INSIGHTS", 1, check="verified"),
    "tax-returns-historical-update-yearly": Listed("TAX_RETURNS", 30, TAX, check="verified"),
    "tax-returns-historical-update-monthly": Listed("TAX_RETURNS", 30, TAX, check="verified"),
    "tax-returns-new-tax-returns-available": Listed("TAX_RETURNS", 3, TAX),
    "tax-status-historical-update": Listed("TAX_STATUS", 1, TAX, check="verified"),
    "tax-compliance-status-historical-update": Listed("TAX_COMPLIANCE_STATUS", 1, TAX, check="verified"),
    "tax-retentions-historical-update": Listed("TAX_RETENTIONS", 9, TAX, check="verified", made="2023-08-20T10:00:00Z"),
    "financial-statements-historical-update": Listed("FINANCIAL_STATEMENTS", 3, TAX, check="verified"),
    "financial-statements-new-financial-statements-available": Listed("FINANCIAL_STATEMENTS", 2, TAX),
    "invoices-historical-update": Listed("INVOICES", 12, TAX, check="verified"),
    "invoices-new-invoices-available": Listed("INVOICES", 3, TAX, check="verified"),
    "balances-historical-update": Listed("BALANCES", 4, BRAZILIAN_BANK, check="verified"),
    "exchanges-historical-update": Listed("EXCHANGES", 4, BRAZILIAN_BANK, check="verified"),
    "current-employments-historical-update": Listed("CURRENT_EMPLOYMENTS", 1, PAYROLL, check="verified"),
} | {
    # The link has fewer in these days than the example's 3,456: the check reports drift, and all of them are stored.
    f"invoices-{part}-{flow}-update": Listed(
        "INVOICES", 400, TAX, check="drift", made="2021-05-05T10:00:00Z", only={"type": flow.upper()}
    )
    for part in ("initial", "historical")
    for flow in ("inflow", "outflow")
}

STATUSES = {
    "link-invalid-credentials": Status("invalid_credentials", "update_credentials", at_belvo="invalid"),
    "link-token-required": Status("token_required", "give_token", at_belvo="token_required"),
    "consent-about-to-expire": Status("consent_expiring", "renew_consent"),
    "consent-expired": Status("consent_expired", "renew_consent"),
    "consent-expired-short": Status("consent_expired", "renew_consent"),
    "consent-expiration-changed": Status("active", None),
}
# Recorded with the meaning for the user, without further work.
NOTED = ["consent-unrecoverable-resources", "consent-temporarily-unavailable-resources"]
# Payments have no link. The others are types that Belvo retired or never had.
UNKNOWN = ["tax-declarations-historical-update", "unknown-type"]
WITHOUT_LINK = [
    "payments-transactions-object-created", "payments-payment-intents-status-update", "payments-direct-debit",
    "payments-direct-debit-payment-request-failed", "payments-direct-debit-payment-method-registered",
    "payments-direct-debit-customer-blocked",
]


def test_every_example_is_tested():
    names = {file.stem for file in EVENTS.glob("*.json")}
    elsewhere = {name for name in names if name.startswith(("accounts-", "transactions-"))}
    here = {*LISTED, *STATUSES, *NOTED, *UNKNOWN, *WITHOUT_LINK, "link-link-deleted"}
    assert names == here | elsewhere | REQUESTS


@pytest.mark.parametrize("name", LISTED)
def test_announced_objects_are_listed_and_compared_with_the_total(deployment: Deployment, name: str):
    expected = LISTED[name]
    resource = expected.resource
    link_id = deployment.belvo.create_link(
        id=new_link_id(), institution=expected.institution, accounts=1, transactions=0,
        resources={resource: expected.count}, created_at=expected.made,
    )

    webhook = post(deployment, name, link_id)
    deployment.wait_for_outcome(link_id, "applied")

    wanted = {
        each["id"]: content(each, of=resource)
        for each in deployment.belvo.truth(link_id, resource)
        if all(each[key] == value for key, value in expected.only.items()) and in_days(each, webhook["data"])
    }
    stored = {key: content(item["data"], of=resource) for key, item in deployment.records(link_id, resource).items()}
    assert wanted and stored == wanted
    assert deployment.link_items(link_id)[f"SYNC#{resource}"]["check"] == expected.check


@pytest.mark.parametrize("name", STATUSES)
def test_the_link_item_names_the_action_of_the_user(deployment: Deployment, name: str):
    expected = STATUSES[name]
    link_id = deployment.belvo.create_link(
        id=new_link_id(), institution=BRAZILIAN_BANK, accounts=1, transactions=0
    )
    deployment.belvo.set_status(link_id, expected.at_belvo)

    if name == "consent-expiration-changed":
        # A different status before, so that a change is visible.
        post(deployment, "consent-expired", link_id)
        deployment.wait_for_applied(link_id, 1)
        assert deployment.link_items(link_id)["LINK"]["status"] == "consent_expired"
    before = len(deployment.events(link_id))
    post(deployment, name, link_id)
    deployment.wait_for_applied(link_id, before + 1)

    link = deployment.link_items(link_id)["LINK"]
    assert (link["status"], link.get("action")) == (expected.status, expected.action)
    if name == "consent-about-to-expire":
        assert link["consent_due_date"] == "2027-01-15"


def test_the_data_of_a_deleted_link_is_removed(deployment: Deployment):
    link_id = deployment.belvo.create_link(id=new_link_id(), accounts=2, transactions=5)
    deployment.belvo.announce(link_id, "TRANSACTIONS", "historical_update")
    deployment.wait_for_outcome(link_id, "applied")
    assert deployment.records(link_id, "TRANSACTIONS")
    deployment.belvo.delete_link(link_id)

    post(deployment, "link-link-deleted", link_id)

    wait_until(lambda: deployment.link_items(link_id)["LINK"].get("purged_at"), "the removal of the link's data")
    assert deployment.link_items(link_id)["LINK"]["status"] == "deleted"
    assert not deployment.records(link_id, "TRANSACTIONS") and not deployment.records(link_id, "ACCOUNTS")


@pytest.mark.parametrize("name", NOTED + UNKNOWN)
def test_a_webhook_without_further_work_is_recorded(deployment: Deployment, name: str):
    link_id = new_link_id()

    webhook = post(deployment, name, link_id)

    event = deployment.wait_for_outcome(link_id, "recorded" if name in NOTED else "unknown")
    assert (event["webhook_type"], event["webhook_code"]) == (webhook["webhook_type"], webhook["webhook_code"])
    assert bool(event.get("reason")) == (name in NOTED)


@pytest.mark.parametrize("name", WITHOUT_LINK)
def test_a_webhook_of_the_payments_product_is_stored_without_a_link(deployment: Deployment, name: str):
    webhook = post(deployment, name)

    def kept() -> list[dict]:
        day = datetime.datetime.now(datetime.UTC).date()
        days = [f"UNROUTED#{day - datetime.timedelta(days=back)}" for back in (0, 1)]
        events = [event for each in days for event in deployment.items(each).values()]
        kind = (webhook.get("webhook_type") or webhook["eventType"], webhook.get("webhook_code") or webhook["eventCode"])
        return [event for event in events if (event["webhook_type"], event["webhook_code"]) == kind]

    assert len(wait_until(kept, "the event")) == 1
    wait_until(lambda: kept()[0]["outcome"] == "unknown", "its end")


def post(deployment: Deployment, name: str, link_id: str | None = None) -> dict:
    """Posts the example with this link id."""
    body = json.loads((EVENTS / f"{name}.json").read_text())["body"]
    webhook = json.loads(body)
    if link_id:
        body = body.replace(webhook["link_id"], link_id)

    answer = deployment.post(body)

    # Payments' webhooks have no `request_id`: the response has Lambda's.
    expected = webhook.get("request_id") or answer.json()["request_id"]
    assert (answer.status_code, answer.json()) == (202, {"request_id": expected}) and expected
    return webhook


def in_days(invoice: dict, data: dict) -> bool:
    """Returns `True` if the invoice's day is in the webhook's range. Other resources are listed whole."""
    first, last = data.get("first_invoice_date"), data.get("last_invoice_date")
    return not first or first <= invoice["invoice_date"][:10] <= last
