"""The operator's command line, against the deployed stack: rotation under load, export, erasure."""

import decimal
import json
import stat
import threading
import time
from pathlib import Path

import pytest
from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control, parse
from stack.table import content
from test_privacy import assert_not_in_logs, personal_data


def test_the_header_for_belvos_dashboard_is_printed(deployment: Deployment):
    printed = deployment.operate("authorization-header")
    assert printed.stdout == f"Authorization: {deployment.authorization}\n"
    assert deployment.webhook_url.rpartition("/")[2] in printed.stderr


def test_a_stack_that_is_not_there_is_named(deployment: Deployment):
    refused = deployment.operate("--stack", "another", "authorization-header", status=1)
    assert 'there is no stack "another" of belvo-sync here' in refused.stderr


def test_not_one_valid_delivery_is_refused_during_a_rotation(deployment: Deployment):
    old = deployment.authorization
    # Fresh environments, none of which has met a wrong header in the last minute.
    with deployment.environment("WebhookFunctionName", "SECRET_GRACE_HOURS", "24"):
        with deliveries(deployment) as sent:
            wait_until(lambda: len(sent) > 20, "deliveries before the rotation")
            rotated = json.loads(deployment.operate("--json", "rotate", "webhook").stdout)
            before = len(sent)
            wait_until(lambda: len(sent) > before + 20, "deliveries with the old token")
            deployment.authorization = rotated["authorization"]
            before = len(sent)
            wait_until(lambda: len(sent) > before + 20, "deliveries with the new token")
        assert deployment.authorization != old
        assert {status for _, status in sent} == {202}, sent
        assert {header for header, _ in sent} == {old, deployment.authorization}
        assert deployment.post(webhook(new_link_id()), authorization=old).status_code == 202, "in its grace"

    tell_belvo(deployment)
    assert deployment.operate("authorization-header").stdout == f"Authorization: {deployment.authorization}\n"
    # The grace is over.
    with deployment.environment("WebhookFunctionName", "SECRET_GRACE_HOURS", "0"):
        for start in ("cold", "warm"):
            assert deployment.post(webhook(new_link_id()), authorization=old).status_code == 401, start
            assert deployment.post(webhook(new_link_id())).status_code == 202, start


def test_a_key_that_belvo_refuses_is_not_stored(deployment: Deployment, belvo: Control):
    key = deployment.belvo_key
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    refused = deployment.operate("rotate", "belvo", typed=f"{key.secret_id}\nwrong-{key.secret_password}\n", status=1)
    assert "nothing was changed" in refused.stderr and key.secret_password not in refused.stdout + refused.stderr

    deployment.operate("rotate", "belvo", typed=f"{key.secret_id}\n{key.secret_password}\n")
    deployment.post(webhook(link_id, note="after the rotation"))
    deployment.wait_for_applied(link_id, 2)


def test_an_export_has_all_that_the_table_holds_of_a_link(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=1_500, external_id="somebody")
    deployment.post(webhook(link_id, external_id="somebody"))
    deployment.wait_for_outcome(link_id, "applied")
    file = tmp_path / "export.jsonl"

    said = deployment.operate("--json", "export", link_id, "--to", str(file))

    items = [parse(line) for line in file.read_text().splitlines()]
    assert len(items) == json.loads(said.stdout)["items"]
    exported = {item["sk"].partition("#")[2]: item for item in items if item["sk"].startswith("TRANSACTIONS#")}
    truth = {each["id"]: content(each, of="TRANSACTIONS") for each in belvo.truth(link_id, "TRANSACTIONS")}
    assert {key: content(item["data"], of="TRANSACTIONS") for key, item in exported.items()} == truth
    assert all(isinstance(item["data"]["amount"], decimal.Decimal) for item in exported.values())
    assert {item["sk"].partition("#")[0] for item in items} == {"LINK", "ACCOUNTS", "TRANSACTIONS", "SYNC", "EVENT", "REQUEST"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in deployment.operate("export", link_id, "--to", str(file), status=1).stderr


def test_an_erased_link_leaves_nothing_personal_anywhere(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=4_000, external_id="a-person")
    told, accounts = personal_data(belvo, link_id) | {"a-person"}, [each["id"] for each in belvo.truth(link_id, "ACCOUNTS")]
    # More of one link than SQS shows at once.
    for number in range(15):
        letter(deployment, link_id, "a-person", number)
    letter(deployment, "another-link", "somebody else")
    deployment.post(webhook(link_id, external_id="a-person"))
    # A sync is running.
    wait_until(lambda: deployment.records(link_id, "TRANSACTIONS"), "the first records")
    assert any(deployment.indexed(f"ACCOUNT#{account}") for account in accounts)
    receipts = tmp_path / "receipts.jsonl"

    said = json.loads(deployment.operate("--json", "erase", link_id, "--receipts", str(receipts)).stdout)

    assert said["records"] > 0 and said["dead_letters"] == 15
    assert_erased(deployment, link_id, told, accounts)
    asked, erased = [json.loads(line) for line in receipts.read_text().splitlines()]
    assert asked["link_id"] == erased["link_id"] == link_id and "erased_at" not in asked and erased == said
    assert not any(text in receipts.read_text() for text in told)
    # What comes later is kept as ids alone.
    late = webhook(link_id, external_id="a-person", note="of a person")
    assert deployment.post(late).status_code == 202
    wait_until(lambda: deployment.outcomes(link_id)[-1] == "refused", "the late webhook to be refused")
    wait_until(lambda: deployment.depth() == 0, "an empty queue")
    assert_erased(deployment, link_id, told | {"of a person"}, accounts)
    assert_not_in_logs(deployment, told, proof=link_id)
    [other] = deployment.dead_letters()
    assert other["body"]["webhook"]["external_id"] == "somebody else"


def test_what_a_restored_table_holds_again_is_erased_again(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=200)
    told, accounts = personal_data(belvo, link_id), [each["id"] for each in belvo.truth(link_id, "ACCOUNTS")]
    deployment.post(webhook(link_id))
    deployment.wait_for_outcome(link_id, "applied")
    backup = deployment.link_items_raw(link_id)
    receipts = tmp_path / "receipts.jsonl"
    deployment.operate("erase", link_id, "--receipts", str(receipts))
    deployment.put_raw(backup)
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 200

    deployment.operate("replay-erasures", str(receipts))

    assert_erased(deployment, link_id, told, accounts)


def assert_erased(deployment: Deployment, link_id: str, told: set[str], accounts: list[str]) -> None:
    kept = deployment.link_items(link_id)
    assert kept["LINK"]["status"] == "erased"
    assert {sk.partition("#")[0] for sk in kept} == {"LINK", "EVENT"}
    assert not any("data" in item for item in kept.values())
    # Other links of this run have much of the same, so only what names this one is searched, and the table's index.
    about_it = [str(item) for item in deployment.scan() if link_id in str(item)]
    assert [text for text in told for item in about_it if text in item] == []
    assert not any(deployment.indexed(f"ACCOUNT#{account}") for account in accounts)
    assert not deployment.indexed(f"LINK#{link_id}")


def letter(deployment: Deployment, link_id: str, external_id: str, number: int = 0) -> None:
    """A message in the dead-letter queue, as one gets there."""
    body = {
        "v": 1, "received_at": 1, "source": "webhook", "key": f"letter-{number}-of-{link_id}", "part": {"index": 0, "of": 1},
        "webhook": webhook(link_id) | {"external_id": external_id},
    }
    deployment.aws.client("sqs").send_message(
        QueueUrl=deployment.outputs["DeadLetterQueueUrl"], MessageBody=json.dumps(body), MessageGroupId=link_id,
        MessageDeduplicationId=body["key"],
    )


def tell_belvo(deployment: Deployment) -> None:
    """As somebody does in Belvo's dashboard."""
    deployment.belvo.set_webhook(deployment.webhook_url, deployment.authorization, 2_000)


class deliveries:
    """Webhooks all the time, from several senders at once, each with the header that is in force at Belvo."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment, self._sent, self._over = deployment, [], threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(3)]

    def __enter__(self) -> list[tuple[str, int]]:
        for thread in self._threads:
            thread.start()
        return self._sent

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._over.is_set():
            header = self._deployment.authorization
            # Types that nobody knows: they make no work at Belvo.
            body = webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available")
            answer = self._deployment.post(body, authorization=header)
            self._sent.append((header, answer.status_code))
            time.sleep(0.02)




def test_an_operator_sees_why_a_record_is_as_it_is(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=(id := new_link_id()), accounts=1, transactions=5, external_id=f"user of {id}")
    deployment.post(webhook(link_id, total_transactions=5) | {"external_id": f"user of {id}"})
    deployment.wait_for_applied(link_id, 1)
    [gone] = belvo.change_transactions(link_id, delete=1, announce=False)["deleted"]
    kept = next(key for key in deployment.records(link_id, "TRANSACTIONS") if key != gone)
    deployment.post(webhook(link_id, "TRANSACTIONS", "transactions_deleted", deleted_transactions=[gone]))
    deployment.wait_for_applied(link_id, 2)

    def why(record: str) -> str:
        return deployment.operate("why", link_id, "--resource", "TRANSACTIONS", "--id", record).stdout

    assert "record    there, as Belvo gave it" in why(kept)
    assert "record    a tombstone" in why(gone)
    assert "record    not in the table" in why("never-heard-of")
    told = why(gone)
    assert "TRANSACTIONS transactions_deleted: applied" in told and "check verified" in told
    [link] = [json.loads(line) for line in deployment.operate("--json", "links", f"user of {link_id}").stdout.splitlines()]
    assert (link["link_id"], link["link"]["status"]) == (link_id, "active")
    assert not any(text in told for text in personal_data(belvo, link_id, at_least=1))


def test_dead_letters_are_looked_at_sent_back_and_taken_out(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=4)
    belvo.set_faults({"match": {"path_prefix": "/api/transactions/", "link": link_id}, "fault": {"status": 500}})
    deployment.post(webhook(link_id))
    belvo.configure(unknown_link="not_found")
    deployment.post(webhook(mistyped := new_link_id()))
    wait_until(lambda: deployment.depth("DeadLetterQueueUrl") == 2, "two dead letters")

    for _ in range(2):
        # Looking changes nothing.
        listed = [json.loads(line) for line in deployment.operate("--json", "dead-letters", "list").stdout.splitlines()]
        assert {each["link_id"]: each["last_error"] for each in listed} == {
            link_id: "belvo_unavailable", mistyped: "link_gone"
        }
    assert "dead letters  2" in deployment.operate("status").stdout

    belvo.clear_faults()
    belvo.configure(unknown_link="empty")
    sent_back = json.loads(deployment.operate("--json", "dead-letters", "redrive", "--link", link_id).stdout)
    assert sent_back == {"redriven": 1, "links": {link_id: 1}}
    deployment.wait_for_outcome(link_id, "applied")
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 4

    [lost] = [each["message_id"] for each in listed if each["link_id"] == mistyped]
    assert "is gone" in deployment.operate("dead-letters", "drop", lost).stdout
    assert "no dead letter" in deployment.operate("dead-letters", "drop", lost, status=1).stderr
    assert "The dead-letter queue is empty." in deployment.operate("dead-letters", "list").stderr


def test_links_are_listed_again_one_or_all(deployment: Deployment, belvo: Control):
    first, second = (belvo.create_link(id=new_link_id(), accounts=1, transactions=3) for _ in range(2))
    assert "nothing of" in deployment.operate("resync", first, status=1).stderr
    deployment.operate("resync", first, "--resource", "TRANSACTIONS", "--resource", "ACCOUNTS")
    deployment.wait_for_applied(first, 2)
    gone = belvo.change_transactions(first, delete=1, announce=False)["deleted"]

    listed = json.loads(deployment.operate("--json", "resync", "--all", "--per-minute", "6000").stdout)

    assert listed["links"] >= 2
    deployment.wait_for_applied(first, 4)
    deployment.wait_for_applied(second, 2)
    assert "missing_since" in deployment.records(first, "TRANSACTIONS")[gone[0]]
    assert len(deployment.records(second, "TRANSACTIONS")) == 3
    wait_until(lambda: deployment.depth() == 0, "an empty queue")
