"""The Belvo that all stages ask, so that all are given the same."""

import hashlib
import json
import time
from typing import Any

from implementations import TARGET
from environment import Server

SECRET = {"secret_id": "id", "secret_password": "password"}


class Belvo(Server):
    def __init__(self) -> None:
        key = ["--secret-id", SECRET["secret_id"], "--secret-password", SECRET["secret_password"]]
        super().__init__([TARGET / "release/fake-belvo", "--listen", "127.0.0.1:0", "--empty", *key])

    def new_link(self, transactions: int, accounts: int = 3, **more: Any) -> str:
        return self.call("POST", "/_control/links", {"transactions": transactions, "accounts": accounts, **more})["link_id"]

    def change(self, link: str, **change: Any) -> dict[str, list[str]]:
        """Changes transactions, without webhooks and without new balances."""
        quiet = {"announce": False, "refresh_accounts": False}
        return self.call("POST", f"/_control/links/{link}/transactions", {**quiet, **change})

    def historical_update(self, link: str, received_at_ms: int | None = None) -> dict[str, Any]:
        """The event by which SQS delivers `TRANSACTIONS historical_update`, as it fits the present state."""
        announce = {"type": "TRANSACTIONS", "code": "historical_update"}
        webhook = self.call("POST", f"/_control/links/{link}/announce", announce)["body"]
        now = time.time_ns() // 1_000_000
        key = f"{hashlib.sha256(json.dumps(webhook).encode()).hexdigest()}-0"
        message = {
            "v": 1, "received_at": received_at_ms or now, "source": "webhook", "key": key,
            "part": {"index": 0, "of": 1}, "webhook": webhook,
        }
        return sqs_event(message, link)


def sqs_event(message: dict[str, Any], group: str) -> dict[str, Any]:
    now = str(time.time_ns() // 1_000_000)
    return {"Records": [{
        "messageId": "message-1", "receiptHandle": "receipt-1", "body": json.dumps(message),
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": now, "ApproximateFirstReceiveTimestamp": now,
            "MessageGroupId": group, "MessageDeduplicationId": message["key"],
        },
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue.fifo",
    }]}
