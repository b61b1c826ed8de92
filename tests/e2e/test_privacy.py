"""No log line has credentials or personal data.

The tests put canaries into every input, well-formed and malformed, and search every line of every log group for them.
"""

import json
from collections.abc import Iterable

import pytest
from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control

CANARY = "canary7f3e"

# Canaries for personal data and credentials, at every place of a body.
PLANTED = {
    "name": f"{CANARY}-Ana María",
    "account_number": f"{CANARY}-0034567890",
    "description": f"{CANARY} PAGO TARJETA",
    "amount": 918273645.4637,
    "token": f"{CANARY}-token",
    "password": f"{CANARY}-password",
}
# Parts that survive escaping and rounding.
TELLTALES = [CANARY, "918273645"]


def test_no_log_line_has_content_of_a_webhook(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=0)
    good = webhook(link_id, "HOROSCOPES", "unheard_of", **PLANTED)
    text = json.dumps(good)
    expected = {
        202: [good, webhook(link_id, "ACCOUNTS", "new_accounts_available", **PLANTED), good | PLANTED],
        400: [
            text[:-2],
            text.replace(":", "="),
            json.dumps([PLANTED]),
            good | {"webhook_type": {"nested": PLANTED}},
            good | {"link_id": f"{CANARY}/{CANARY}"},
            f"{CANARY} is no JSON".encode() + b"\xff",
        ],
        413: [text + " " * 1024 * 1024],
    }
    for status, bodies in expected.items():
        for body in bodies:
            assert deployment.post(body).status_code == status
    for authorization in (f"Bearer {CANARY}", f"Basic {CANARY}", CANARY):
        assert deployment.post(good, authorization=authorization).status_code == 401

    deployment.wait_for_outcome(link_id, "unknown")
    assert_not_in_logs(deployment, TELLTALES, proof=link_id)


def test_no_log_line_has_content_of_belvos_responses(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=200)
    deployment.post(webhook(link_id))
    deployment.wait_for_outcome(link_id, "applied")
    assert_not_in_logs(deployment, personal_data(belvo, link_id), proof=link_id)


def test_no_log_line_has_a_credential(deployment: Deployment, belvo: Control):
    body = webhook(belvo.create_link(id=new_link_id(), accounts=1, transactions=1))
    deployment.post(body)
    token = deployment.authorization.removeprefix("Bearer ")
    assert_not_in_logs(deployment, [token, deployment.belvo_key.secret_password], proof=body["request_id"])


BROKEN = [
    "garbage", "cut_body", {"wrong_count": 3}, {"foreign_next": f"http://{CANARY}/"}, {"status": 500},
    {"count": CANARY}, {"next": {"url": CANARY}},
]  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_no_log_line_has_content_of_malformed_responses(deployment: Deployment, belvo: Control, fault: str | dict):
    """Parsers often quote their input in errors."""
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=200)
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": fault})

    deployment.post(webhook(link_id))

    wait_until(lambda: deployment.depth() == 0, "the end of the message")
    deployment.dead_letters()
    telltales = personal_data(belvo, link_id) | {CANARY, "%PDF", "not the JSON that you are looking for"}
    assert_not_in_logs(deployment, telltales, proof=link_id)


@pytest.mark.parametrize("form", ["nan", "invalid_utf8", "lone_surrogate", "deep", "no_id"])
def test_no_log_line_has_content_of_an_unreadable_object(deployment: Deployment, belvo: Control, form: str):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=30)
    object_id = belvo.truth(link_id, "transactions")[7]["id"]
    broken = {"broken_object": {"id": object_id, "form": form}}
    belvo.set_faults({"match": {"path_prefix": "/api/", "link": link_id}, "fault": broken})

    deployment.post(webhook(link_id))

    wait_until(lambda: deployment.depth() == 0, "the end of the message")
    deployment.dead_letters()
    assert_not_in_logs(deployment, personal_data(belvo, link_id, at_least=10), proof=link_id)


def personal_data(belvo: Control, link_id: str, at_least: int = 100) -> set[str]:
    """Returns texts and amounts of a link that are long enough not to occur by chance."""
    transactions, accounts = belvo.truth(link_id, "transactions"), belvo.truth(link_id, "accounts")
    found = [each["description"] for each in transactions]
    found += [str(each[name]) for each in transactions for name in ("amount", "balance")]
    found += [each[name] for each in accounts for name in ("name", "number", "public_identification_value")]
    telltales = {text for text in found if text and len(text) >= 8}
    assert len(telltales) > at_least
    return telltales


def assert_not_in_logs(deployment: Deployment, telltales: Iterable[str], proof: str) -> None:
    """Searches the logs for the canaries. `proof` must occur, which shows that these are the right logs."""
    wait_until(lambda: any(proof in line for line in deployment.logs()), f"{proof} in the logs")
    lines = deployment.logs()
    assert [(telltale, line) for telltale in telltales for line in lines if telltale in line] == []
