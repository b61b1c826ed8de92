"""The Lambda function: a batch of the stream in, the first record that failed out."""

import json
from pathlib import Path

from application import apply
from changes import Change, read


def handler(event: dict, _context: object) -> dict:
    """Applies the changes one after the other and stops at the first that fails.

    Lambda comes back with that record and all after it, so nothing overtakes it. In the end (MaximumRetryAttempts,
    template.yaml) it goes to the queue of failures, and the stream moves on.
    """
    for record in event["Records"]:
        try:
            change = read(record)
            if change is not None:
                apply(change)
                say("applied", change)
        except Exception as error:  # noqa: BLE001 (whatever it is, the record has to be reported)
            complain(record, error)
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


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
