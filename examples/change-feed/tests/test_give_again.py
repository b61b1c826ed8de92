"""give_again.py finds the failed records in the stream, and replays them to the function in order."""

import io
import json
from datetime import datetime, timezone

import give_again
import pytest
from test_changes import record

NOTE = {
    "streamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026", "shardId": "shardId-1",
    "startSequenceNumber": "300", "endSequenceNumber": "1300", "batchSize": 2,
}  # fmt: skip


class Streams:
    """A shard in pages. The sequence numbers have different lengths."""

    def __init__(self, *pages: list[int]) -> None:
        self.pages = pages

    def get_shard_iterator(self, **request: str) -> dict:
        assert request["ShardIteratorType"] == "AT_SEQUENCE_NUMBER"
        assert (request["SequenceNumber"], request["ShardId"]) == ("300", "shardId-1")
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str) -> dict:
        index = int(ShardIterator)
        following = {"NextShardIterator": str(index + 1)} if index + 1 < len(self.pages) else {}
        return {"Records": [numbered(number) for number in self.pages[index]]} | following


class Functions:
    def __init__(self, failing: int | None = None, error: bool = False) -> None:
        self.invocations: list[list[int]] = []
        self.failing, self.error = failing, error

    def invoke(self, FunctionName: str, Payload: bytes) -> dict:
        numbers = [int(each["dynamodb"]["SequenceNumber"]) for each in json.loads(Payload)["Records"]]
        self.invocations.append(numbers)
        failures = [{"itemIdentifier": str(number)} for number in numbers if number == self.failing]
        response = {"Payload": io.BytesIO(json.dumps({"batchItemFailures": failures}).encode())}
        return response | ({"FunctionError": "Unhandled"} if self.error else {})


def numbered(number: int) -> dict:
    each = record("new")
    each["dynamodb"] |= {
        "SequenceNumber": str(number), "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=timezone.utc)
    }  # fmt: skip
    return each


def test_all_records_from_the_first_to_the_last_are_replayed_filtered_ones_included():
    functions = Functions()
    replayed = give_again.replay(NOTE, Streams([300, 400], [], [900, 1000], [1300, 1400]), functions, "f")
    assert functions.invocations == [[300, 400, 900, 1000, 1300]]
    assert replayed == 5
    give_again.replay(NOTE, Streams([300, 1200, 1400]), functions, "f")
    assert functions.invocations[1:] == [[300, 1200]], "no later record"


def test_a_batch_has_at_most_what_an_invocation_accepts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(give_again, "MAX_RECORDS", 2)
    functions = Functions()
    give_again.replay(NOTE, Streams([300, 400, 500, 600, 1300]), functions, "f")
    assert functions.invocations == [[300, 400], [500, 600], [1300]]
    monkeypatch.setattr(give_again, "MAX_BYTES", 1)
    large = Functions()
    give_again.replay(NOTE, Streams([300, 1300]), large, "f")
    assert large.invocations == [[300], [1300]], "a larger record is a batch of its own"


def test_no_record_behind_a_failed_one_is_replayed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(give_again, "MAX_RECORDS", 2)
    functions = Functions(failing=400)
    with pytest.raises(give_again.NotApplied, match="record 400"):
        give_again.replay(NOTE, Streams([300, 400, 500, 1300]), functions, "f")
    assert functions.invocations == [[300, 400]]
    with pytest.raises(give_again.NotApplied, match="record 300"):
        give_again.replay(NOTE, Streams([300, 1300]), Functions(error=True), "f")


def test_a_record_that_the_stream_has_lost_is_an_error():
    with pytest.raises(give_again.NotApplied, match="does not have"):
        give_again.replay(NOTE, Streams([300, 400]), Functions(), "f")


def test_a_record_gets_the_form_that_lambda_passes_on():
    each = numbered(300) | {"userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}}
    converted = give_again.to_lambda_form(each)
    assert converted["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    assert converted["dynamodb"]["ApproximateCreationDateTime"] == 1_767_225_600
    assert converted["dynamodb"]["NewImage"] == each["dynamodb"]["NewImage"]


class Queue:
    def __init__(self, *bodies: dict) -> None:
        self.waiting = [{"ReceiptHandle": str(index), "Body": json.dumps(body)} for index, body in enumerate(bodies)]
        self.deleted: list[str] = []
        self.returned: list[str] = []

    def receive_message(self, **_request: object) -> dict:
        return {"Messages": [self.waiting.pop(0)]} if self.waiting else {}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self.deleted.append(ReceiptHandle)

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        self.returned.append(ReceiptHandle)


class Stacks:
    def describe_stacks(self, StackName: str) -> dict:
        outputs = {"FailuresQueueUrl": "q", "ChangeFeedFunctionName": "f"}
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}


def test_a_message_is_deleted_only_when_all_of_its_records_are_applied(monkeypatch: pytest.MonkeyPatch):
    queue = Queue({"DDBStreamBatchInfo": NOTE}, {"DDBStreamBatchInfo": NOTE | {"endSequenceNumber": "400"}})
    clients = {
        "cloudformation": Stacks(), "sqs": queue, "dynamodbstreams": Streams([300, 400, 1300]),
        "lambda": Functions(failing=1300),
    }  # fmt: skip
    monkeypatch.setattr(give_again.boto3, "client", clients.__getitem__)
    monkeypatch.setattr("sys.argv", ["give_again.py"])
    with pytest.raises(SystemExit, match="1300"):
        give_again.main()
    assert (queue.deleted, queue.returned) == ([], ["0"])
    clients["lambda"].failing = None
    give_again.main()
    assert queue.deleted == ["1"]
