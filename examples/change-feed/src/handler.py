"""The Lambda function: a batch of the stream in, the first record that failed out."""

import json
from pathlib import Path

from application import apply
from changes import Change, read


def handler(event: dict, _context: object) -> dict:
    """Applies the changes one after the other and stops at the first that fails.

    Lambda comes back with that record and all after it, so nothing overtakes it. Then it is the first of its batch: reported
    once more, it would in the end (MaximumRetryAttempts, template.yaml) be given up together with all that follow it. So the
    invocation fails, and Lambda halves the batch (BisectBatchOnFunctionError) until that record is alone. Given up alone, it
    goes to the queue of failures, and the stream moves on.
    """
    records = event["Records"]
    for record in records:
        try:
            change = read(record)
            if change is not None:
                apply(change)
                say("applied", change)
        except Exception as error:  # noqa: BLE001 (whatever it is, the record has to be reported)
            complain(record, error)
            if record is records[0] and len(records) > 1:
                # From None: the error's own text may quote data, and Lambda logs what is raised.
                raise FirstOfSeveralFailed from None
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


class FirstOfSeveralFailed(Exception):
    """For Lambda, which halves the batch. What failed stands in the line before."""


def say(message: str, change: Change) -> None:
    """Which record, never what is in it."""
    print(json.dumps({
        "message": message, "kind": change.kind.value, "link_id": change.link_id,
        "resource": change.resource, "record_id": change.record_id,
    }))


def complain(record: dict, error: Exception) -> None:
    """An error's own text may quote what could not be read: its type and its place have to do."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    keys = {name: value.get("S") for name, value in record["dynamodb"].get("Keys", {}).items()}
    print(json.dumps({
        "message": "could not apply a change", "error": type(error).__name__,
        "at": f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}",
        "sequence_number": record["dynamodb"]["SequenceNumber"], **keys,
    }))
