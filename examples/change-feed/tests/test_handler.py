"""A batch in, the first failure out; and that doing it twice does no harm."""

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


def test_a_batch_is_applied_in_its_order(applied: list[Change]):
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


def test_a_record_that_always_fails_is_given_up_alone(monkeypatch: pytest.MonkeyPatch):
    done = []

    def fail_on_deletion(change: Change) -> None:
        if change.kind is Kind.DELETED:
            raise RuntimeError
        done.append(change.kind)

    monkeypatch.setattr(function, "apply", fail_on_deletion)
    given_up = lambda_works_through([record(name) for name in ["deleted", *BATCH, "new", "changed"]])
    assert [each["dynamodb"] for each in given_up] == [record("deleted")["dynamodb"]] * 2
    assert done == [Kind.NEW, Kind.CHANGED, Kind.NEW, Kind.NEW, Kind.CHANGED], "each once, in their order"


def lambda_works_through(batch: list[dict]) -> list[dict]:
    """What an event source gives up that halves a batch when an invocation fails, and resumes at what is reported.

    (Lambda developer guide, "Configuring partial batch response with DynamoDB and Lambda".)
    """
    try:
        failures = function.handler({"Records": batch}, None)["batchItemFailures"]
    except function.FirstOfSeveralFailed:
        middle = len(batch) // 2
        return lambda_works_through(batch[:middle]) + lambda_works_through(batch[middle:])
    if not failures:
        return []
    numbers = [each["dynamodb"]["SequenceNumber"] for each in batch]
    at = numbers.index(failures[0]["itemIdentifier"])
    # The first of its batch again: no attempt changes that, and after the last one all of it is given up.
    return lambda_works_through(batch[at:]) if at > 0 else batch


def test_what_makes_lambda_halve_a_batch_says_nothing_of_the_record(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(function, "apply", lambda change: int(change.data["description"]))
    with pytest.raises(function.FirstOfSeveralFailed) as raised:
        run("new", "changed")
    assert str(raised.value) == "" and raised.value.__suppress_context__


def test_a_record_that_cannot_be_read_is_reported_and_not_skipped(applied: list[Change], capsys):
    strange = record("new")
    strange["dynamodb"]["NewImage"]["data"]["M"]["amount"] = {"FLOAT": "12.5"}
    answer = function.handler({"Records": [strange]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": strange["dynamodb"]["SequenceNumber"]}]}
    assert applied == []
    assert json.loads(capsys.readouterr().out)["error"] == "KeyError"


def test_the_log_has_no_data(monkeypatch: pytest.MonkeyPatch, capsys):
    run(*BATCH)
    # An error that quotes what it could not digest.
    monkeypatch.setattr(function, "apply", lambda change: int(change.data["description"]))
    run("new")
    logged = capsys.readouterr().out
    data = plain(record("new")["dynamodb"]["NewImage"])["data"]
    told = [str(data[name]) for name in ("description", "amount", "balance", "reference", "value_date")]
    assert data["id"] in logged and not [text for text in told if text in logged]


def test_whatever_is_delivered_again_ends_in_the_same_copy(monkeypatch: pytest.MonkeyPatch):
    batch = ["new", "changed", "missing", "found", "deleted", "came-back", "removed"]
    once, again = Copy(), Copy()
    monkeypatch.setattr(function, "apply", once.apply)
    run(*batch)
    monkeypatch.setattr(function, "apply", again.apply)
    # Each part of it once more, from wherever Lambda resumes, to the end.
    for resumed in range(len(batch)):
        run(*batch[: resumed + 1])
        run(*batch[resumed:])
    assert again.rows == once.rows
    assert len(once.rows) > 2


class Copy:
    """An application that keeps copies as README.md advises: what is older than the copy is left alone."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], tuple[int, object]] = {}

    def apply(self, change: Change) -> None:
        key = (change.link_id, change.resource, change.record_id)
        version, _ = self.rows.get(key, (0, None))
        if change.version >= version:
            self.rows[key] = (change.version, change.data and (change.data, change.missing_since))


def run(*names: str) -> list[str]:
    answer = function.handler({"Records": [record(name) for name in names]}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
