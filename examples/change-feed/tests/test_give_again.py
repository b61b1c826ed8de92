"""What was given up is found in the stream, whatever lies between, and given to the function in its order."""

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
    """A shard in pages. Sequence numbers grow in length too."""

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
        self.given: list[list[int]] = []
        self.failing, self.error = failing, error

    def invoke(self, FunctionName: str, Payload: bytes) -> dict:
        numbers = [int(each["dynamodb"]["SequenceNumber"]) for each in json.loads(Payload)["Records"]]
        self.given.append(numbers)
        failures = [{"itemIdentifier": str(number)} for number in numbers if number == self.failing]
        response = {"Payload": io.BytesIO(json.dumps({"batchItemFailures": failures}).encode())}
        return response | ({"FunctionError": "Unhandled"} if self.error else {})


def numbered(number: int) -> dict:
    each = record("new")
    each["dynamodb"] |= {
        "SequenceNumber": str(number), "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=timezone.utc)
    }  # fmt: skip
    return each


def test_all_from_the_first_to_the_last_are_given_however_much_was_filtered_out_between():
    functions = Functions()
    given = give_again.work_on(NOTE, Streams([300, 400], [], [900, 1000], [1300, 1400]), functions, "f")
    assert functions.given == [[300, 400, 900, 1000, 1300]]
    assert given == 5
    give_again.work_on(NOTE, Streams([300, 1200, 1400]), functions, "f")
    assert functions.given[1:] == [[300, 1200]], "not what came later"


def test_as_many_are_given_at_once_as_an_invocation_takes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(give_again, "MAX_RECORDS", 2)
    functions = Functions()
    give_again.work_on(NOTE, Streams([300, 400, 500, 600, 1300]), functions, "f")
    assert functions.given == [[300, 400], [500, 600], [1300]]
    monkeypatch.setattr(give_again, "MAX_BYTES", 1)
    large = Functions()
    give_again.work_on(NOTE, Streams([300, 1300]), large, "f")
    assert large.given == [[300], [1300]], "one that is larger is tried all the same"


def test_behind_one_that_still_fails_nothing_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(give_again, "MAX_RECORDS", 2)
    functions = Functions(failing=400)
    with pytest.raises(give_again.NotApplied, match="record 400"):
        give_again.work_on(NOTE, Streams([300, 400, 500, 1300]), functions, "f")
    assert functions.given == [[300, 400]]
    with pytest.raises(give_again.NotApplied, match="record 300"):
        give_again.work_on(NOTE, Streams([300, 1300]), Functions(error=True), "f")


def test_what_the_stream_has_lost_is_not_taken_for_done():
    with pytest.raises(give_again.NotApplied, match="does not have"):
        give_again.work_on(NOTE, Streams([300, 400]), Functions(), "f")


def test_a_record_is_as_lambda_has_it():
    each = numbered(300) | {"userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}}
    given = give_again.as_lambda_has_it(each)
    assert given["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    assert given["dynamodb"]["ApproximateCreationDateTime"] == 1_767_225_600
    assert given["dynamodb"]["NewImage"] == each["dynamodb"]["NewImage"]


class Queue:
    def __init__(self, *bodies: dict) -> None:
        self.waiting = [{"ReceiptHandle": str(index), "Body": json.dumps(body)} for index, body in enumerate(bodies)]
        self.deleted: list[str] = []
        self.given_back: list[str] = []

    def receive_message(self, **_request: object) -> dict:
        return {"Messages": [self.waiting.pop(0)]} if self.waiting else {}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self.deleted.append(ReceiptHandle)

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        self.given_back.append(ReceiptHandle)


class Stacks:
    def describe_stacks(self, StackName: str) -> dict:
        outputs = {"FailuresQueueUrl": "q", "ChangeFeedFunctionName": "f"}
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}


def test_a_note_is_deleted_when_all_of_its_records_are_applied_and_stays_otherwise(monkeypatch: pytest.MonkeyPatch):
    queue = Queue({"DDBStreamBatchInfo": NOTE}, {"DDBStreamBatchInfo": NOTE | {"endSequenceNumber": "400"}})
    clients = {
        "cloudformation": Stacks(), "sqs": queue, "dynamodbstreams": Streams([300, 400, 1300]),
        "lambda": Functions(failing=1300),
    }  # fmt: skip
    monkeypatch.setattr(give_again.boto3, "client", clients.__getitem__)
    monkeypatch.setattr("sys.argv", ["give_again.py"])
    with pytest.raises(SystemExit, match="1300"):
        give_again.main()
    assert (queue.deleted, queue.given_back) == ([], ["0"])
    clients["lambda"].failing = None
    give_again.main()
    assert queue.deleted == ["1"]
