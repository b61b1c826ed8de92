"""examples/change-feed, deployed beside the stack, reports changes at Belvo."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from deployment import Deployment, new_link_id, wait_until
from stack import deploy
from stack.fake_belvo import Control
from stack.settings import ROOT, local_environment

STACK = "belvo-sync-e2e-change-feed"

Changes = Callable[[str], list[dict]]


@pytest.fixture(scope="module")
def changes(deployment: Deployment) -> Iterator[Changes]:
    """Returns the lines that the function wrote about a link, in order."""
    settings, logs = deployment.settings, deployment.aws.client("logs")
    command = [
        deploy.SAM, "deploy", "--template-file", ROOT / "examples/change-feed/template.yaml",
        "--stack-name", STACK, "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset",
        "--no-progressbar", "--parameter-overrides", f"TableStreamArn={deployment.outputs['TableStreamArn']}",
    ]
    deploy.run_quietly(command, settings, settings.state_dir / "change-feed.log")
    group = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"][0]["logGroupName"]

    def of(link_id: str) -> list[dict]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        lines = [json.loads(text) for event in events for text in event["message"].splitlines() if text.startswith("{")]
        return [line for line in lines if line.get("link_id") == link_id]

    yield of
    deployment.aws.client("cloudformation").delete_stack(StackName=STACK)


def test_it_reports_new_changed_deleted_missing_and_found_records(
    deployment: Deployment, belvo: Control, changes: Changes
):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    announce(deployment, belvo, link_id)
    changed = belvo.change_transactions(link_id, update=1, announce=True)["updated"][0]
    rest(deployment)
    [deleted] = belvo.change_transactions(link_id, delete=1)["deleted"]
    rest(deployment)
    belvo.change_transactions(link_id, restore=[deleted], announce=False)
    announce(deployment, belvo, link_id)
    # Without a webhook: Belvo's list lacks it, and later has it again.
    [silent] = belvo.change_transactions(link_id, delete=1, announce=False)["deleted"]
    announce(deployment, belvo, link_id)
    belvo.change_transactions(link_id, restore=[silent], announce=False)
    announce(deployment, belvo, link_id)
    belvo.announce(link_id, "LINK", "token_required")
    rest(deployment)
    receipts = deployment.settings.state_dir / "change-feed-receipts.jsonl"
    deployment.operate("erase", "--yes", link_id, "--receipts", str(receipts))

    wait_until(lambda: [line["kind"] for line in changes(link_id)].count("removed") == 4, lambda: str(changes(link_id)))
    told = changes(link_id)
    assert all(line["message"] == "applied" for line in told)
    assert {line["resource"] for line in told} == {"ACCOUNTS", "TRANSACTIONS", "LINK"}
    assert kinds(told, changed)[:2] == ["new", "changed"]
    assert ["new", "deleted", "new"] == [kind for kind in kinds(told, deleted) if kind in ("new", "deleted")]
    assert ["missing", "found"] == [kind for kind in kinds(told, silent) if kind in ("missing", "found")]
    # The link needed action by its user, and then was erased.
    assert kinds(told, link_id) == ["link", "link"]
    for record_id in {line["record_id"] for line in told} - {link_id}:
        assert kinds(told, record_id)[0] == "new" and kinds(told, record_id)[-1] == "removed"


def test_items_without_a_change_of_content_do_not_invoke_it(deployment: Deployment, belvo: Control, changes: Changes):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    announce(deployment, belvo, link_id)
    wait_until(lambda: len(changes(link_id)) == 4, lambda: str(changes(link_id)))
    group = f"/aws/lambda/{STACK}/change-feed"
    before = len(batches(deployment, group))
    # Filters drop the stream's records of passes, sync states and events.
    for _ in range(3):
        belvo.announce(link_id, "OWNERS", "historical_update")
        rest(deployment)
    marker = belvo.create_link(id=new_link_id(), accounts=1, transactions=1)
    announce(deployment, belvo, marker)
    wait_until(lambda: len(changes(marker)) == 2, lambda: str(changes(marker)))
    assert len(changes(link_id)) == 4
    assert len(batches(deployment, group)) <= before + 2, "only the other link's records invoked it"


def test_a_discarded_batch_can_be_replayed_from_its_failure_record(deployment: Deployment, belvo: Control, changes: Changes):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=3)
    announce(deployment, belvo, link_id)
    wait_until(lambda: len(changes(link_id)) == 4, lambda: str(changes(link_id)))
    told = [line["record_id"] for line in changes(link_id)]
    queue, sqs = outputs_of_the_example(deployment)["FailuresQueueUrl"], deployment.aws.client("sqs")
    # In Lambda's format; the local AWS discards no batch.
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"DDBStreamBatchInfo": note_of(deployment, link_id)}))

    command = [sys.executable, ROOT / "examples/change-feed/give_again.py", "--stack-name", STACK]
    subprocess.run(command, check=True, env=local_environment(deployment.settings))

    wait_until(lambda: len(changes(link_id)) == 8, lambda: str(changes(link_id)))
    assert [line["record_id"] for line in changes(link_id)] == told * 2
    assert sqs.receive_message(QueueUrl=queue).get("Messages", []) == []


def outputs_of_the_example(deployment: Deployment) -> dict[str, str]:
    return deploy.read_outputs(deployment.aws, STACK)


def note_of(deployment: Deployment, link_id: str) -> dict:
    """Returns a failure record from the link's first to its last record in the stream."""
    streams, arn = deployment.aws.client("dynamodbstreams"), deployment.outputs["TableStreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator, numbers = streams.get_shard_iterator(**start)["ShardIterator"], []
    while records := (page := streams.get_records(ShardIterator=iterator))["Records"]:
        numbers += [
            each["dynamodb"]["SequenceNumber"] for each in records
            if each["dynamodb"]["Keys"]["pk"]["S"] == f"LINK#{link_id}"
            and "content_hash" in each["dynamodb"].get("NewImage", {})
        ]  # fmt: skip
        iterator = page["NextShardIterator"]
    return {
        "streamArn": arn, "shardId": shard["ShardId"], "batchSize": len(numbers),
        "startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1],
    }  # fmt: skip


def announce(deployment: Deployment, belvo: Control, link_id: str) -> None:
    belvo.announce(link_id, "TRANSACTIONS", "historical_update")
    rest(deployment)


def rest(deployment: Deployment) -> None:
    """Waits until all announced webhooks are processed. They are in the queue when fake-belvo's call returns."""
    wait_until(lambda: deployment.depth() == 0, "an empty queue")


def kinds(told: list[dict], record_id: str) -> list[str]:
    return [line["kind"] for line in told if line["record_id"] == record_id]


def batches(deployment: Deployment, group: str) -> list[str]:
    """Returns the invocations in the function's log."""
    pages = deployment.aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"] if "START RequestId" in event["message"]]
