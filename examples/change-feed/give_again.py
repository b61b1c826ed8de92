"""Replays failed changes: invokes the function with the stream records of each message in the queue of failures.

    python3 examples/change-feed/give_again.py [--stack-name belvo-sync-change-feed]

A message is deleted when the function has applied all its records. At the first failure the script ends, and the message stays.
Requires boto3. Region and credentials come from the usual AWS environment. The script stores and prints no data of records.
"""

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3

# The batch size of template.yaml, and Lambda's payload limit of 6 MB with a margin.
MAX_RECORDS, MAX_BYTES = 100, 4_000_000
# The visibility timeout, in seconds: no other consumer receives the message meanwhile.
NOTE_SECONDS = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stack-name", default="belvo-sync-change-feed")
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=parser.parse_args().stack_name)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    queue, function = outputs["FailuresQueueUrl"], outputs["ChangeFeedFunctionName"]
    sqs, streams, functions = (boto3.client(name) for name in ("sqs", "dynamodbstreams", "lambda"))
    for note in messages(sqs, queue):
        handle = {"QueueUrl": queue, "ReceiptHandle": note["ReceiptHandle"]}
        try:
            replayed = replay(json.loads(note["Body"])["DDBStreamBatchInfo"], streams, functions, function)
        except NotApplied as error:
            sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            sys.exit(f"{error}; the message stays in the queue")
        sqs.delete_message(**handle)
        print(f"replayed {replayed} records of the stream")


class NotApplied(Exception):
    """The function still cannot apply a record."""


def messages(sqs: Any, queue: str) -> Iterator[dict]:
    request = {"QueueUrl": queue, "WaitTimeSeconds": 2, "VisibilityTimeout": NOTE_SECONDS}
    while received := sqs.receive_message(**request).get("Messages"):
        yield from received


def replay(note: dict, streams: Any, functions: Any, function: str) -> int:
    """Replays the records of a message. Returns their number."""
    replayed = 0
    for batch in batches(records_of(note, streams)):
        invoke(batch, functions, function)
        replayed += len(batch)
    return replayed


def records_of(note: dict, streams: Any) -> Iterator[dict]:
    """Returns the stream records from the message's first to its last. These are more than its `batchSize`: the stream also has
    the records that the event source's filters drop. The function ignores those too."""
    last = int(note["endSequenceNumber"])
    iterator = streams.get_shard_iterator(
        StreamArn=note["streamArn"], ShardId=note["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=note["startSequenceNumber"],
    )["ShardIterator"]  # fmt: skip
    # If the first record is there, so is the last: the loop ends before the end of the stream. Pages in between may be empty.
    while iterator:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        iterator = page.get("NextShardIterator")
    raise NotApplied(f"the stream does not have record {last}, or no longer")


def batches(records: Iterator[dict]) -> Iterator[list[dict]]:
    batch, size = [], 0
    for record in map(to_lambda_form, records):
        length = len(json.dumps(record))
        if batch and (len(batch) == MAX_RECORDS or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def to_lambda_form(record: dict) -> dict:
    """Converts a record of the DynamoDB Streams API into the form that Lambda passes on."""
    identity = {name[0].lower() + name[1:]: value for name, value in record.get("userIdentity", {}).items()}
    return json.loads(json.dumps(record | {"userIdentity": identity or None}, default=plain))


def plain(value: datetime | bytes) -> float | str:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def invoke(batch: list[dict], functions: Any, function: str) -> None:
    response = functions.invoke(FunctionName=function, Payload=json.dumps({"Records": batch}).encode())
    result = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        first = batch[0]["dynamodb"]["SequenceNumber"]
        raise NotApplied(f"record {first} of the stream was not applied (see the function's log)")
    for failure in result["batchItemFailures"]:
        raise NotApplied(f"record {failure['itemIdentifier']} of the stream was not applied (see the function's log)")


if __name__ == "__main__":
    main()
