"""The function reports the first failure of a batch, and a repetition does no harm."""

import json

import handler as function
import pytest
from changes import Change, Kind, plain
from test_changes import record

BATCH = ["new", "sync-state", "changed", "deleted", "tombstone-expired", "came-back"]


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    seen: list[Change] = []
    monkeypatch.setattr(function, "apply", seen.append)
    return seen


def test_a_batch_is_applied_in_order(applied: list[Change]):
    assert run(*BATCH) == []
    assert [change.kind for change in applied] == [Kind.NEW, Kind.CHANGED, Kind.DELETED, Kind.NEW]


def test_the_first_failure_is_reported_and_nothing_overtakes_it(monkeypatch: pytest.MonkeyPatch, capsys):
    done = []

    def fail_on_deletion(change: Change) -> None:
        if change.kind is Kind.DELETED:
            raise RuntimeError(f"cannot delete {change.before['description']}")
        done.append(change.kind)

    monkeypatch.setattr(function, "apply", fail_on_deletion)
    assert run(*BATCH) == [record("deleted")["dynamodb"]["SequenceNumber"]]
    assert done == [Kind.NEW, Kind.CHANGED]
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["error"] == "RuntimeError" and line["at"].startswith("test_handler.py:")


def test_a_record_that_always_fails_is_discarded_alone(monkeypatch: pytest.MonkeyPatch):
    done = []

    def fail_on_deletion(change: Change) -> None:
        if change.kind is Kind.DELETED:
            raise RuntimeError
        done.append(change.kind)

    monkeypatch.setattr(function, "apply", fail_on_deletion)
    discarded = records_discarded_by_lambda([record(name) for name in ["deleted", *BATCH, "new", "changed"]])
    assert [each["dynamodb"] for each in discarded] == [record("deleted")["dynamodb"]] * 2
    assert done == [Kind.NEW, Kind.CHANGED, Kind.NEW, Kind.NEW, Kind.CHANGED], "each once, in order"


def records_discarded_by_lambda(batch: list[dict]) -> list[dict]:
    """Returns the records that an event source discards if it halves failed batches, and resumes at the reported record.

    (Lambda developer guide, "Configuring partial batch response with DynamoDB and Lambda".)
    """
    try:
        failures = function.handler({"Records": batch}, None)["batchItemFailures"]
    except function.FirstOfSeveralFailed:
        middle = len(batch) // 2
        return records_discarded_by_lambda(batch[:middle]) + records_discarded_by_lambda(batch[middle:])
    if not failures:
        return []
    numbers = [each["dynamodb"]["SequenceNumber"] for each in batch]
    at = numbers.index(failures[0]["itemIdentifier"])
    # The first record of its batch failed again: after the last attempt Lambda discards the whole batch.
    return records_discarded_by_lambda(batch[at:]) if at > 0 else batch


def test_the_exception_that_halves_a_batch_has_no_data_of_the_record(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(function, "apply", lambda change: int(change.data["description"]))
    with pytest.raises(function.FirstOfSeveralFailed) as raised:
        run("new", "changed")
    assert str(raised.value) == "" and raised.value.__suppress_context__


def test_a_record_that_cannot_be_read_is_reported_and_not_skipped(applied: list[Change], capsys):
    strange = record("new")
    strange["dynamodb"]["NewImage"]["data"]["M"]["amount"] = {"FLOAT": "12.5"}
    result = function.handler({"Records": [strange]}, None)
    assert result == {"batchItemFailures": [{"itemIdentifier": strange["dynamodb"]["SequenceNumber"]}]}
    assert applied == []
    assert json.loads(capsys.readouterr().out)["error"] == "KeyError"


def test_the_log_has_no_data(monkeypatch: pytest.MonkeyPatch, capsys):
    run(*BATCH)
    # The text of this error contains data.
    monkeypatch.setattr(function, "apply", lambda change: int(change.data["description"]))
    run("new")
    logged = capsys.readouterr().out
    data = plain(record("new")["dynamodb"]["NewImage"])["data"]
    told = [str(data[name]) for name in ("description", "amount", "balance", "reference", "value_date")]
    assert data["id"] in logged and not [text for text in told if text in logged]


def test_repeated_deliveries_end_in_the_same_copy(monkeypatch: pytest.MonkeyPatch):
    batch = ["new", "changed", "missing", "found", "deleted", "came-back", "removed"]
    once, again = Copy(), Copy()
    monkeypatch.setattr(function, "apply", once.apply)
    run(*batch)
    monkeypatch.setattr(function, "apply", again.apply)
    # Lambda may resume at any record, and then delivers the rest again.
    for resumed in range(len(batch)):
        run(*batch[: resumed + 1])
        run(*batch[resumed:])
    assert again.rows == once.rows
    assert len(once.rows) > 2


class Copy:
    """An application that keeps copies as README.md advises: it ignores what is older than its copy."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], tuple[int, object]] = {}

    def apply(self, change: Change) -> None:
        key = (change.link_id, change.resource, change.record_id)
        version, _ = self.rows.get(key, (0, None))
        if change.version >= version:
            self.rows[key] = (change.version, change.data and (change.data, change.missing_since))


def run(*names: str) -> list[str]:
    result = function.handler({"Records": [record(name) for name in names]}, None)
    return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]
