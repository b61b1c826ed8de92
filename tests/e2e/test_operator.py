"""The command line `belvo-sync` against the deployed stack."""

import decimal
import json
import os
import pty
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployment import Deployment, new_link_id, wait_until, webhook
from stack.fake_belvo import Control, parse
from stack.table import content
from test_privacy import assert_not_in_logs, personal_data


def test_the_header_for_belvos_dashboard_is_printed(deployment: Deployment):
    printed = deployment.operate("authorization-header")
    assert printed.stdout == f"Authorization: {deployment.authorization}\n"
    assert deployment.webhook_url.rpartition("/")[2] in printed.stderr


def test_the_value_of_the_header_is_printed_alone(deployment: Deployment):
    assert "--value" in deployment.operate("authorization-header").stderr
    printed = deployment.operate("authorization-header", "--value")
    assert printed.stdout == f"{deployment.authorization}\n"
    assert "value of the header Authorization" in printed.stderr
    told = json.loads(deployment.operate("--json", "authorization-header").stdout)
    assert (told["header"], told["value"], told["authorization"]) == ("Authorization", *[deployment.authorization] * 2)


def test_a_missing_stack_is_named(deployment: Deployment):
    refused = deployment.operate("--stack", "another", "authorization-header", status=1, administrator=True)
    assert 'there is no stack "another" of belvo-sync here' in refused.stderr


def test_an_operator_has_only_the_documented_rights(deployment: Deployment):
    """Guards the other tests: they show that the policy suffices only if the local AWS enforces it."""
    refused = deployment.operate("--stack", "another", "authorization-header", status=1)
    assert "AccessDenied" in refused.stderr


def test_no_valid_webhook_is_rejected_during_a_rotation(deployment: Deployment):
    old = deployment.authorization
    # New environments, without a wrong header in the last minute.
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
        assert deployment.post(horoscope(), authorization=old).status_code == 202, "in its grace period"
        # After an interrupted rotation Belvo may still send the old one.
        again = deployment.operate("rotate", "webhook", status=1)
        assert "authorization-header" in again.stderr and "--force" in again.stderr
        assert deployment.operate("authorization-header").stdout == f"Authorization: {deployment.authorization}\n"
        assert deployment.post(horoscope(), authorization=old).status_code == 202, "still in its grace period"
        forced = json.loads(deployment.operate("--json", "rotate", "webhook", "--force").stdout)
        assert forced["authorization"] != deployment.authorization
        deployment.authorization = forced["authorization"]

    tell_belvo(deployment)
    assert deployment.operate("authorization-header").stdout == f"Authorization: {deployment.authorization}\n"
    # The grace period is over.
    with deployment.environment("WebhookFunctionName", "SECRET_GRACE_HOURS", "0"):
        for start in ("cold", "warm"):
            assert deployment.post(horoscope(), authorization=old).status_code == 401, start
            assert deployment.post(horoscope()).status_code == 202, start


def test_white_space_around_the_secrets_is_ignored(deployment: Deployment, belvo: Control):
    """Neither webhooks nor requests to Belvo are rejected. This counts as a rotation, so it comes after the test of one."""
    secrets, names = deployment.aws.client("secretsmanager"), ("WebhookSecretArn", "BelvoSecretArn")
    original = {name: secrets.get_secret_value(SecretId=deployment.outputs[name])["SecretString"] for name in names}
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    # A message in work would stay hidden for twelve minutes when its environment ends.
    wait_until(lambda: deployment.depth() == 0, "an empty queue")
    try:
        for name, text in original.items():
            padded = {key: f" \t{value}\r\n" for key, value in json.loads(text).items()}
            secrets.put_secret_value(SecretId=deployment.outputs[name], SecretString=json.dumps(padded))
        # New environments, without cached secrets, and no grace period for the version before.
        with (
            deployment.environment("WebhookFunctionName", "SECRET_GRACE_HOURS", "0"),
            deployment.environment("SyncFunctionName", "RESTARTED", "yes"),
        ):
            assert deployment.post(webhook(link_id)).status_code == 202
            deployment.wait_for_applied(link_id, 1)
            wait_until(lambda: deployment.depth() == 0, "an empty queue")
        assert deployment.operate("authorization-header", "--value").stdout == f"{deployment.authorization}\n"
    finally:
        for name, text in original.items():
            secrets.put_secret_value(SecretId=deployment.outputs[name], SecretString=text)


def test_a_key_that_belvo_rejects_is_not_stored(deployment: Deployment, belvo: Control):
    key = deployment.belvo_key
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    refused = deployment.operate("rotate", "belvo", typed=f"{key.secret_id}\nwrong-{key.secret_password}\n", status=1)
    assert "nothing was changed" in refused.stderr and key.secret_password not in refused.stdout + refused.stderr

    deployment.operate("rotate", "belvo", typed=f"{key.secret_id}\n{key.secret_password}\n")
    deployment.post(webhook(link_id, note="after the rotation"))
    deployment.wait_for_applied(link_id, 2)


def test_the_key_of_another_account_is_stored_only_with_the_option(deployment: Deployment, belvo: Control, tmp_path: Path):
    key = deployment.belvo_key
    typed = f"{key.secret_id}\n{key.secret_password}\n"
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    # A key counts as another account's when the table has none of Belvo's links.
    links = [item for item in deployment.scan() if item["sk"]["S"] == "LINK"]
    deployment.put_raw([item | {"pk": {"S": f"{item['pk']['S']}-of-another"}} for item in links])
    for item in links:
        deployment.delete_raw(item)
    try:
        refused = deployment.operate("rotate", "belvo", typed=typed, status=1)
        assert "another Belvo account" in refused.stderr and "--another-account" in refused.stderr
        assert "is stored" in deployment.operate("rotate", "belvo", "--another-account", typed=typed).stdout
    finally:
        deployment.put_raw(links)
        for item in links:
            deployment.delete_raw(item | {"pk": {"S": f"{item['pk']['S']}-of-another"}})


def test_an_export_has_all_items_of_a_link(deployment: Deployment, belvo: Control, tmp_path: Path):
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
    assert "exists already" in deployment.operate("export", link_id, "--to", str(file), status=1).stderr


def test_an_erased_link_leaves_no_personal_data(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=4_000, external_id="a-person")
    told, accounts = personal_data(belvo, link_id) | {"a-person"}, [each["id"] for each in belvo.truth(link_id, "ACCOUNTS")]
    # More messages of one link than SQS returns at once.
    for number in range(15):
        letter(deployment, link_id, "a-person", number)
    letter(deployment, "another-link", "somebody else")
    deployment.post(webhook(link_id, external_id="a-person"))
    # A sync is running.
    wait_until(lambda: deployment.records(link_id, "TRANSACTIONS"), "the first records")
    assert any(deployment.indexed(f"ACCOUNT#{account}") for account in accounts)
    receipts = tmp_path / "receipts.jsonl"

    said = json.loads(deployment.operate("--json", "erase", "--yes", link_id, "--receipts", str(receipts)).stdout)

    assert said["records"] > 0 and said["dead_letters"] == 15
    assert_erased(deployment, link_id, told, accounts)
    asked, erased = [json.loads(line) for line in receipts.read_text().splitlines()]
    assert asked["link_id"] == erased["link_id"] == link_id and "erased_at" not in asked and erased == said
    assert not any(text in receipts.read_text() for text in told)
    # Later webhooks are stored as ids only.
    late = webhook(link_id, external_id="a-person", note="of a person")
    assert deployment.post(late).status_code == 202
    wait_until(lambda: deployment.outcomes(link_id)[-1] == "refused", "the late webhook to be refused")
    wait_until(lambda: deployment.depth() == 0, "an empty queue")
    assert_erased(deployment, link_id, told | {"of a person"}, accounts)
    assert_not_in_logs(deployment, told, proof=link_id)
    [other] = deployment.dead_letters()
    assert other["body"]["webhook"]["external_id"] == "somebody else"


def test_erasures_are_replayed_on_a_restored_table(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=new_link_id(), accounts=3, transactions=200)
    told, accounts = personal_data(belvo, link_id), [each["id"] for each in belvo.truth(link_id, "ACCOUNTS")]
    deployment.post(webhook(link_id))
    deployment.wait_for_outcome(link_id, "applied")
    backup = deployment.link_items_raw(link_id)
    receipts = tmp_path / "receipts.jsonl"
    deployment.operate("erase", "--yes", link_id, "--receipts", str(receipts))
    deployment.put_raw(backup)
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 200

    deployment.operate("replay-erasures", str(receipts))

    assert_erased(deployment, link_id, told, accounts)


def test_every_link_is_marked_before_the_first_is_erased(deployment: Deployment, tmp_path: Path):
    links, receipts = [new_link_id() for _ in range(3)], tmp_path / "receipts.jsonl"
    receipts.write_text("".join(json.dumps({"link_id": link_id, "requested_at": 1}) + "\n" for link_id in links))
    with ThreadPoolExecutor() as pool:
        with deployment.paused_sync():
            erasure = pool.submit(deployment.operate, "--json", "replay-erasures", str(receipts))
            for link_id in links:
                wait_until(lambda: "LINK" in deployment.link_items(link_id), f"the mark of {link_id}")
                assert deployment.link_items(link_id)["LINK"]["status"] == "erased"
            deployment.wait_for_depth(3)
            assert not erasure.done()
        erased = [json.loads(line) for line in erasure.result().stdout.splitlines()]
    assert {each["link_id"] for each in erased} == set(links) and all("erased_at" in each for each in erased)


def test_an_erasure_needs_confirmation(deployment: Deployment, belvo: Control, tmp_path: Path):
    link_id = belvo.create_link(id=(id := new_link_id()), accounts=1, transactions=3, external_id=f"user of {id}")
    deployment.post(webhook(link_id) | {"external_id": f"user of {link_id}"})
    deployment.wait_for_applied(link_id, 1)
    receipts = tmp_path / "receipts.jsonl"
    erase = ("erase", link_id, "--receipts", str(receipts))

    unasked = deployment.operate(*erase, status=1)
    assert "--yes" in unasked.stderr and "nothing was erased" in unasked.stderr
    asked = at_a_terminal(deployment, *erase, typed=new_link_id(), status=1)
    # An account and three transactions.
    assert f"{link_id}  user of {link_id}  active; " in asked and "; 4 records" in asked
    assert "that is not the id of the link: nothing was erased" in asked
    assert deployment.link_items(link_id)["LINK"]["status"] == "active" and not receipts.exists()

    assert f"{link_id} is erased: 4 records" in at_a_terminal(deployment, *erase, typed=link_id, status=0)


def at_a_terminal(deployment: Deployment, *arguments: str, typed: str, status: int) -> str:
    """Returns the output on a terminal with this input."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{typed}\n".encode())
        result = deployment.operate(*arguments, stdin=theirs, status=status)
    finally:
        os.close(ours)
        os.close(theirs)
    return result.stdout + result.stderr


def assert_erased(deployment: Deployment, link_id: str, told: set[str], accounts: list[str]) -> None:
    kept = deployment.link_items(link_id)
    assert kept["LINK"]["status"] == "erased"
    assert {sk.partition("#")[0] for sk in kept} == {"LINK", "EVENT"}
    assert not any("data" in item for item in kept.values())
    # Other links of this run have equal data, so the search is for this link's names, and in the table's index.
    about_it = [str(item) for item in deployment.scan() if link_id in str(item)]
    assert [text for text in told for item in about_it if text in item] == []
    assert not any(deployment.indexed(f"ACCOUNT#{account}") for account in accounts)
    assert not deployment.indexed(f"LINK#{link_id}")


def letter(deployment: Deployment, link_id: str, external_id: str, number: int = 0) -> None:
    """Sends a message to the dead-letter queue, as SQS does."""
    body = {
        "v": 1, "received_at": 1, "source": "webhook", "key": f"letter-{number}-of-{link_id}", "part": {"index": 0, "of": 1},
        "webhook": webhook(link_id) | {"external_id": external_id},
    }
    deployment.aws.client("sqs").send_message(
        QueueUrl=deployment.outputs["DeadLetterQueueUrl"], MessageBody=json.dumps(body), MessageGroupId=link_id,
        MessageDeduplicationId=body["key"],
    )


def tell_belvo(deployment: Deployment) -> None:
    """Sets the header at fake-belvo, as a user does in Belvo's dashboard."""
    deployment.belvo.set_webhook(deployment.webhook_url, deployment.authorization, 2_000)


class deliveries:
    """Posts webhooks from several threads, with the header that is set at fake-belvo."""

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
            answer = self._deployment.post(horoscope(), authorization=header)
            self._sent.append((header, answer.status_code))
            time.sleep(0.02)




def horoscope() -> dict:
    """Returns a webhook of an unknown type, which causes no requests to Belvo."""
    return webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available")


def test_why_explains_a_record(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=(id := new_link_id()), accounts=1, transactions=5, external_id=f"user of {id}")
    deployment.post(webhook(link_id, total_transactions=5) | {"external_id": f"user of {id}"})
    deployment.wait_for_applied(link_id, 1)
    [gone] = belvo.change_transactions(link_id, delete=1, announce=False)["deleted"]
    kept = next(key for key in deployment.records(link_id, "TRANSACTIONS") if key != gone)
    deployment.post(webhook(link_id, "TRANSACTIONS", "transactions_deleted", deleted_transactions=[gone]))
    deployment.wait_for_applied(link_id, 2)

    def why(record: str) -> str:
        return deployment.operate("why", link_id, "--resource", "TRANSACTIONS", "--id", record).stdout

    assert "record    present, as fetched from Belvo" in why(kept)
    assert "record    a tombstone" in why(gone)
    assert "record    not in the table" in why("never-heard-of")
    told = why(gone)
    assert "TRANSACTIONS transactions_deleted: applied" in told and "check verified" in told
    [link] = [json.loads(line) for line in deployment.operate("--json", "links", f"user of {link_id}").stdout.splitlines()]
    assert (link["link_id"], link["link"]["status"]) == (link_id, "active")
    assert not any(text in told for text in personal_data(belvo, link_id, at_least=1))


def test_events_of_the_last_hour_are_listed_with_their_request_ids(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=5)
    first, second = (webhook(link_id, note=str(number)) for number in range(2))
    for number, each in enumerate((first, second), start=1):
        deployment.post(each)
        deployment.wait_for_applied(link_id, number)
    [event] = [item for item in deployment.link_items_raw(link_id) if item.get("request_id", {}).get("S") == first["request_id"]]
    received_at = int(event["received_at"]["N"]) - 2 * 60 * 60 * 1000
    _, _, key = event["sk"]["S"].split("#")
    deployment.put_raw([
        event
        | {"sk": {"S": f"EVENT#{received_at:013d}#{key}"}, "received_at": {"N": str(received_at)}}
        | {"request_id": {"S": "of-two-hours-ago"}}
    ])

    def requests(*arguments: str) -> list[str]:
        lines = deployment.operate("--json", "why", link_id, *arguments).stdout.splitlines()
        return [each["event"]["request_id"] for each in map(json.loads, lines) if "event" in each]

    lately = [second["request_id"], first["request_id"]]
    assert requests("--since", "1h") == lately
    assert requests("--since", "3h") == requests() == [*lately, "of-two-hours-ago"]
    assert requests("--since", "3h", "--events", "1") == lately[:1]
    told = deployment.operate("why", link_id, "--since", "1h", "--events", "1")
    [line] = [line for line in told.stdout.splitlines() if line.startswith("event")]
    assert "historical_update: applied" in line and line.endswith(f"  request {second['request_id']}")
    assert "There are more" in told.stderr
    assert "write it like 90m" in deployment.operate("why", link_id, "--since", "soon", status=2).stderr


def test_links_that_need_action_are_listed(deployment: Deployment, belvo: Control):
    waiting, well = (belvo.create_link(id=new_link_id(), accounts=1, transactions=1) for _ in range(2))
    belvo.create_link(id=(unheard_of := new_link_id()), accounts=1)
    belvo.set_status(waiting, "token_required")
    deployment.post(webhook(waiting, "LINK", "token_required"))
    deployment.post(webhook(well))
    for link_id in (waiting, well):
        deployment.wait_for_applied(link_id, 1)

    def found() -> dict[str, dict]:
        lines = deployment.operate("--json", "links", "--action-needed").stdout.splitlines()
        return {each["link_id"]: each["link"] for each in map(json.loads, lines)}

    assert found()[waiting]["action"] == "give_token"
    assert all("action" in link for link in found().values()) and not {well, unheard_of} & set(found())
    told = deployment.operate("links", "--action-needed")
    assert f"{waiting}  token_required, its user has to: give_token" in told.stdout
    assert "links need their users" in told.stderr
    belvo.set_status(waiting, "valid")
    deployment.post(webhook(waiting))
    deployment.wait_for_applied(waiting, 2)
    assert waiting not in found()
    assert "Belvo did not return its list" in deployment.operate("links", "--action-needed", "--page", "999", status=1).stderr
    assert "required" in deployment.operate("links", status=2).stderr


def test_status_shows_the_age_of_the_oldest_message(deployment: Deployment):
    queue = deployment.outputs["QueueUrl"].rpartition("/")[2]

    def oldest() -> str:
        [line] = [line for line in deployment.operate("status").stdout.splitlines() if line.startswith("oldest")]
        return line.removeprefix("oldest").strip()

    def datapoint(queue: str, seconds: int) -> None:
        """Puts the datapoint that SQS writes every minute; the local AWS does not."""
        deployment.aws.client("cloudwatch").put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[{
                "MetricName": "ApproximateAgeOfOldestMessage", "Unit": "Seconds", "Value": seconds,
                "Dimensions": [{"Name": "QueueName", "Value": queue}],
            }],
        )  # fmt: skip

    with deployment.paused_sync():
        assert oldest() == "no message is waiting"
        assert deployment.post(webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available")).status_code == 202
        deployment.wait_for_depth(1)
        datapoint("another.fifo", 9_999)
        assert oldest() == "unknown (no datapoint in CloudWatch)"
        datapoint(queue, 754)
        wait_until(lambda: oldest() == "has waited for 12 min", "the datapoint")
        deployment.wait_for_depth(1)
    wait_until(lambda: deployment.depth() == 0, "an empty queue")
    assert oldest() == "no message is waiting"


def test_dead_letters_are_listed_redriven_and_dropped(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=4)
    belvo.set_faults({"match": {"path_prefix": "/api/transactions/", "link": link_id}, "fault": {"status": 500}})
    deployment.post(webhook(link_id))
    belvo.configure(unknown_link="not_found")
    deployment.post(webhook(mistyped := new_link_id()))
    wait_until(lambda: deployment.depth("DeadLetterQueueUrl") == 2, "two dead letters")

    for _ in range(2):
        # The list command changes nothing.
        listed = [json.loads(line) for line in deployment.operate("--json", "dead-letters", "list").stdout.splitlines()]
        assert {each["link_id"]: each["last_error"] for each in listed} == {
            link_id: "belvo_unavailable", mistyped: "link_gone"
        }
    assert "dead letters  2" in deployment.operate("status").stdout

    belvo.clear_faults()
    belvo.configure(unknown_link="does_not_exist")
    sent_back = json.loads(deployment.operate("--json", "dead-letters", "redrive", "--link", link_id).stdout)
    assert sent_back == {"redriven": 1, "links": {link_id: 1}}
    again = deployment.operate("dead-letters", "redrive", "--link", link_id)
    assert f"None of the 1 scanned dead letters is of {link_id}." in again.stderr and "0 messages" in again.stdout
    deployment.wait_for_outcome(link_id, "applied")
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 4

    [lost] = [each["message_id"] for each in listed if each["link_id"] == mistyped]
    assert f"Deleted {lost}." in deployment.operate("dead-letters", "drop", lost).stdout
    assert "no dead letter" in deployment.operate("dead-letters", "drop", lost, status=1).stderr
    assert "The dead-letter queue is empty." in deployment.operate("dead-letters", "list").stderr


def test_hidden_dead_letters_do_not_count_as_an_empty_queue(deployment: Deployment):
    letter(deployment, link_id := new_link_id(), "somebody")
    sqs, url = deployment.aws.client("sqs"), deployment.outputs["DeadLetterQueueUrl"]
    # As an interrupted list command leaves it.
    [hidden] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=120)["Messages"]

    listed = deployment.operate("dead-letters", "list").stderr
    assert "SQS counts 1 dead letters that were hidden" in listed and "empty" not in listed
    assert json.loads(deployment.operate("--json", "dead-letters", "list").stderr) == {"hidden": 1}
    redriven = deployment.operate("dead-letters", "redrive", status=1)
    assert "nothing was redriven" in redriven.stderr and "SQS counts 1" in redriven.stderr

    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=hidden["ReceiptHandle"], VisibilityTimeout=0)
    assert link_id in deployment.operate("dead-letters", "list").stdout
    deployment.operate("dead-letters", "drop", hidden["MessageId"], hidden["MessageId"])


def test_dropping_a_letter_reads_no_further_messages(deployment: Deployment):
    links = [new_link_id() for _ in range(25)]
    for link_id in links:
        letter(deployment, link_id, "somebody")
    listed = [json.loads(line) for line in deployment.operate("--json", "dead-letters", "list").stdout.splitlines()]
    assert sorted(each["link_id"] for each in listed) == sorted(links)

    deployment.operate("dead-letters", "drop", listed[0]["message_id"])

    received = [int(letter["attributes"]["ApproximateReceiveCount"]) for letter in deployment.dead_letters()]
    # Received by the list command and just now. The drop command received the other nine of its batch.
    assert sorted(received) == [2] * 15 + [3] * 9


def test_resync_of_one_link_and_of_all(deployment: Deployment, belvo: Control):
    first, second = (belvo.create_link(id=new_link_id(), accounts=1, transactions=3) for _ in range(2))
    assert "nothing of" in deployment.operate("resync", first, status=1).stderr
    deployment.operate("resync", first, "--resource", "TRANSACTIONS", "--resource", "ACCOUNTS")
    deployment.wait_for_applied(first, 2)
    gone = belvo.change_transactions(first, delete=1, announce=False)["deleted"]

    told = deployment.operate("--json", "resync", "--all", "--per-minute", "6000")

    listed = json.loads(told.stdout)
    assert listed["links"] >= 2
    assert json.loads(told.stderr.splitlines()[0]) == {"page": 1, "links": 0}
    deployment.wait_for_applied(first, 4)
    deployment.wait_for_applied(second, 2)
    assert "missing_since" in deployment.records(first, "TRANSACTIONS")[gone[0]]
    assert len(deployment.records(second, "TRANSACTIONS")) == 3
    wait_until(lambda: deployment.depth() == 0, "an empty queue")


def test_a_failing_page_of_links_is_named_and_blocks_no_other(deployment: Deployment, belvo: Control):
    for _ in range(11):
        belvo.create_link(id=new_link_id(), accounts=1, transactions=1)
    belvo.set_faults({"match": {"path_prefix": "/api/links/", "page": 1}, "fault": {"status": 500}})
    begin = ("--page", "1", "--page-size", "10")

    resync = ("--json", "resync", "--all", "--resource", "ACCOUNTS", "--per-minute", "6000", *begin)
    ended = deployment.operate(*resync, status=1)

    assert json.loads(ended.stdout)["links"] >= 1
    assert "to resume at the first missing page: --page 1 --page-size 10" in ended.stderr.splitlines()[-1]
    ended = deployment.operate("links", "--action-needed", *begin, status=1)
    assert "links need their users" in ended.stderr and "--page 1 --page-size 10" in ended.stderr
    wait_until(lambda: deployment.depth() == 0, "an empty queue")


def test_an_interrupted_resync_of_all_links_names_the_next_page(deployment: Deployment, belvo: Control):
    belvo.set_faults({"match": {"path_prefix": "/api/links/"}, "fault": {"status": 500}})
    ended = deployment.operate("--json", "resync", "--all", "--page", "7", status=1).stderr.splitlines()
    assert json.loads(ended[0]) == {"page": 7, "links": 0}
    assert "did not return its list" in ended[-1] and "to resume: --page 7" in ended[-1]
    assert "--page 7" in deployment.operate("links", "--action-needed", "--page", "7", status=1).stderr
