"""The Lambda function: applies a batch of the stream, and reports the first record that failed."""

import json
from pathlib import Path

from application import apply
from changes import Change, read


def handler(event: dict, _context: object) -> dict:
    """Applies the changes in order, and stops at the first that fails.

    Lambda retries from the reported record on, so the order stays. That record is the first of the next batch. If the function
    reported it again, Lambda would discard the whole batch after MaximumRetryAttempts (template.yaml). So the function raises
    instead, and Lambda halves the batch (BisectBatchOnFunctionError) until the record is alone. After the last attempt Lambda
    sends the record's position to the queue of failures, and continues behind it.
    """
    records = event["Records"]
    for record in records:
        try:
            change = read(record)
            if change is not None:
                apply(change)
                say("applied", change)
        except Exception as error:  # noqa: BLE001 (every error has to be reported)
            complain(record, error)
            if record is records[0] and len(records) > 1:
                # `from None`: Lambda logs the exception, and the text of its cause may contain data.
                raise FirstOfSeveralFailed from None
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


class FirstOfSeveralFailed(Exception):
    """Makes Lambda halve the batch. The log line before it names the failed record."""


def say(message: str, change: Change) -> None:
    """Logs the key of a record, never its data."""
    print(json.dumps({
        "message": message, "kind": change.kind.value, "link_id": change.link_id,
        "resource": change.resource, "record_id": change.record_id,
    }))


def complain(record: dict, error: Exception) -> None:
    """Logs the type and the place of an error. Its text may contain data."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    keys = {name: value.get("S") for name, value in record["dynamodb"].get("Keys", {}).items()}
    print(json.dumps({
        "message": "could not apply a change", "error": type(error).__name__,
        "at": f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}",
        "sequence_number": record["dynamodb"]["SequenceNumber"], **keys,
    }))
