"""Requests to the webhook function: the documented ones under events/, and what those do not cover."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILES = Path(__file__).resolve().parents[3] / "events/webhook"
LINK = "16f68516-bcbc-4cf7-b815-c500d4204e28"
Event = dict[str, Any]


def documented() -> dict[str, Event]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(FILES.glob("*.json"))}


def event() -> Event:
    return json.loads((FILES / "transactions-historical-update.json").read_text())


def with_body(body: Any, **members: Any) -> Event:
    return {**event(), "body": body if isinstance(body, str) else json.dumps(body), **members}


def webhook(**members: Any) -> dict[str, Any]:
    return {"webhook_type": "TRANSACTIONS", "webhook_code": "historical_update", "link_id": LINK, **members}


def with_authorization(header: str | None) -> Event:
    changed = copy.deepcopy(event())
    del changed["headers"]["authorization"]
    if header is not None:
        changed["headers"]["authorization"] = header
    return changed


def requested(method: str, path: str = "/webhooks") -> Event:
    changed = copy.deepcopy(event())
    changed["rawPath"] = changed["requestContext"]["http"]["path"] = path
    changed["requestContext"]["http"]["method"] = method
    return changed


def ids(count: int, first: str = "a") -> list[str]:
    return [f"{first}d0afe4c-373d-490c-90e4-{number:012}" for number in range(count)]


def listing(name: str, count: int, **more: Any) -> Event:
    code = f"transactions_{name.partition('_')[0]}"
    return with_body(webhook(webhook_code=code, data={"count": count, name: ids(count), **more}))


def in_base64(event: Event) -> Event:
    return {**event, "body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}


# What the files do not cover. Functions, since some are large.
OTHERS: dict[str, Callable[[], Event]] = {
    "no credentials": lambda: with_authorization(None),
    "empty credentials": lambda: with_authorization(""),
    "another token": lambda: with_authorization("Bearer other"),
    "the token in lower-case scheme": lambda: {
        **with_authorization("bearer local-webhook-token-for-sam-local-invoke-only"),
        # The queue drops a body that it had before.
        "body": json.dumps(webhook(data={"n": 0})),
    },
    "the token and a space": lambda: with_authorization("Bearer local-webhook-token-for-sam-local-invoke-only "),
    "PUT": lambda: requested("PUT"),
    "DELETE": lambda: requested("DELETE"),
    "HEAD": lambda: requested("HEAD"),
    "another path": lambda: requested("POST", "/other"),
    "a path below a base path": lambda: {**requested("POST", "/base/webhooks/"), "body": json.dumps(webhook(data={"n": 1}))},
    "a body in base64": lambda: in_base64(with_body(webhook(data={"n": 2}))),
    "no body": lambda: {**event(), "body": None},
    "an empty body": lambda: with_body(""),
    "a list": lambda: with_body([]),
    "a number": lambda: with_body("7"),
    "a body that breaks off": lambda: with_body('{"webhook_type": "ACCOUNTS", "data": {'),
    "a body that goes on": lambda: with_body('{"webhook_type": "A", "webhook_code": "b"} x'),
    "not a number": lambda: with_body('{"webhook_type": "A", "webhook_code": "b", "data": NaN}'),
    "an empty object": lambda: with_body({}),
    "null members": lambda: with_body({"webhook_type": None, "webhook_code": None, "link_id": None}),
    "members of another type": lambda: with_body({"webhook_type": 7, "webhook_code": ["x"], "link_id": {}}),
    "an empty type": lambda: with_body(webhook(webhook_type="")),
    "a type of 256 bytes": lambda: with_body(webhook(webhook_type="x" * 256)),
    "a type of 257 bytes": lambda: with_body(webhook(webhook_type="x" * 257)),
    "a code of 257 bytes in 129 characters": lambda: with_body(webhook(webhook_code="é" * 128 + "x")),
    "a link id that needs escaping": lambda: with_body(webhook(link_id="../secret")),
    "a link id with a line feed": lambda: with_body(webhook(link_id="a\n")),
    "a link id of 129 characters": lambda: with_body(webhook(link_id="x" * 129)),
    "an empty link id": lambda: with_body(webhook(link_id="")),
    "a request id that needs escaping": lambda: with_body(webhook(request_id="<script>")),
    "a request id of dashes": lambda: with_body(webhook(request_id="---")),
    "a request id that is a number": lambda: with_body(webhook(request_id=7)),
    "an invalid webhook with a request id": lambda: with_body({"request_id": "4363b08b51eb"}),
    "no request id": lambda: with_body(webhook()),
    "direct debit's names": lambda: with_body(
        {"eventType": "payment_request_update", "eventCode": "payment_request_failed", "webhook_code": None}
    ),
    "both names": lambda: with_body(webhook(eventType="OTHER")),
    "words beyond ASCII": lambda: with_body(json.dumps(webhook(data={"name": "José 🌵", "é": 1}), ensure_ascii=False)),
    "exact numbers": lambda: with_body(
        '{"webhook_type": "X", "webhook_code": "y", "data": {"a": 1.10, "b": 0.12345678901234567890, "c": 1e400,'
        ' "d": 123456789012345678901234567890}}'
    ),
    "data that is a list": lambda: with_body(webhook(data=[1, 2])),
    "an unknown member": lambda: with_body(webhook(novel={"deep": [{"er": None}]})),
    "500 ids": lambda: listing("updated_transactions", 500),
    "501 ids": lambda: listing("updated_transactions", 501),
    "1,700 ids": lambda: listing("deleted_transactions", 1_700),
    "two lists of different length": lambda: listing("updated_transactions", 1_200, deleted_transactions=ids(600, "b")),
    "lists and much beside them": lambda: listing("updated_transactions", 501, note="x" * 3_000, kept="y"),
    "a split webhook with a large unknown member": lambda: with_body(webhook(
        webhook_code="transactions_updated", novel="x" * 9_000, data={"updated_transactions": ids(600)}
    )),
    "26,000 ids": lambda: listing("updated_transactions", 26_000),
    "more parts than are sent": lambda: with_body(webhook(
        webhook_code="transactions_updated", data={"updated_transactions": [str(n) for n in range(128_001)]}
    )),
    "a webhook that is too large for a message": lambda: with_body(webhook(data={"note": "x" * 300_000})),
    "a webhook that is too large but for an unknown member": lambda: with_body(webhook(data={}, novel="x" * 300_000)),
    "direct debit that is too large for a message": lambda: with_body(
        {"eventType": "payment_request_update", "eventCode": "payment_request_failed", "details": {"notes": "x" * 300_000}}
    ),
    "a body of 1 MiB": lambda: with_body(json.dumps(webhook()).ljust(1024 * 1024)),
    "a body of more than 1 MiB": lambda: with_body(" " * (1024 * 1024 + 1)),
}
