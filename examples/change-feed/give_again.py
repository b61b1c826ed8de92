"""Gives the function again what was given up: for each note in the queue of failures the records that it is about.

    python3 examples/change-feed/give_again.py [--stack-name belvo-sync-change-feed]

A note is deleted when all of its records are applied; the first that is not ends this, and its note stays. Needs boto3, and
takes region and credentials from AWS's usual environment. Nothing of the records is written anywhere.
"""

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3

# The batch size of template.yaml, and what an invocation takes (6 MB) with room to spare.
MAX_RECORDS, MAX_BYTES = 100, 4_000_000
# Nobody else should work on a note meanwhile.
NOTE_SECONDS = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stack-name", default="belvo-sync-change-feed")
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=parser.parse_args().stack_name)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    queue, function = outputs["FailuresQueueUrl"], outputs["ChangeFeedFunctionName"]
    sqs, streams, functions = (boto3.client(name) for name in ("sqs", "dynamodbstreams", "lambda"))
    for note in notes(sqs, queue):
        handle = {"QueueUrl": queue, "ReceiptHandle": note["ReceiptHandle"]}
        try:
            given = work_on(json.loads(note["Body"])["DDBStreamBatchInfo"], streams, functions, function)
        except NotApplied as trouble:
            sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            sys.exit(f"{trouble}; its note stays in the queue")
        sqs.delete_message(**handle)
        print(f"given again: {given} records of the stream")


class NotApplied(Exception):
    """The function still cannot apply a record."""


def notes(sqs: Any, queue: str) -> Iterator[dict]:
    request = {"QueueUrl": queue, "WaitTimeSeconds": 2, "VisibilityTimeout": NOTE_SECONDS}
    while received := sqs.receive_message(**request).get("Messages"):
        yield from received


def work_on(note: dict, streams: Any, functions: Any, function: str) -> int:
    """How many records that were."""
    given = 0
    for batch in batches(records_of(note, streams)):
        give(batch, functions, function)
        given += len(batch)
    return given


def records_of(note: dict, streams: Any) -> Iterator[dict]:
    """From the note's first to its last. Between them the stream has more than the note's `batchSize`: whatever the event
    source's filters left out, which is most of it. The function knows that by itself."""
    last = int(note["endSequenceNumber"])
    iterator = streams.get_shard_iterator(
        StreamArn=note["streamArn"], ShardId=note["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=note["startSequenceNumber"],
    )["ShardIterator"]  # fmt: skip
    # The last one is there if the first is, so this does not run on to the stream's end. A page may be empty before it.
    while iterator:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        iterator = page.get("NextShardIterator")
    raise NotApplied(f"the stream does not have record {last} (any more)")


def batches(records: Iterator[dict]) -> Iterator[list[dict]]:
    batch, size = [], 0
    for record in map(as_lambda_has_it, records):
        length = len(json.dumps(record))
        if batch and (len(batch) == MAX_RECORDS or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def as_lambda_has_it(record: dict) -> dict:
    """The API of streams spells some of it differently."""
    identity = {name[0].lower() + name[1:]: value for name, value in record.get("userIdentity", {}).items()}
    return json.loads(json.dumps(record | {"userIdentity": identity or None}, default=plain))


def plain(value: datetime | bytes) -> float | str:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def give(batch: list[dict], functions: Any, function: str) -> None:
    response = functions.invoke(FunctionName=function, Payload=json.dumps({"Records": batch}).encode())
    answer = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        first = batch[0]["dynamodb"]["SequenceNumber"]
        raise NotApplied(f"record {first} of the stream was not applied (see the function's log)")
    for failure in answer["batchItemFailures"]:
        raise NotApplied(f"record {failure['itemIdentifier']} of the stream was not applied (see the function's log)")


if __name__ == "__main__":
    main()
