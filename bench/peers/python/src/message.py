"""A webhook as it travels through the queue: in one message, or in as many as its id lists need."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from envelope import Webhook

MAX_IDS = 500
MAX_BYTES = 200 * 1024
MAX_PARTS = 256
MAX_LISTS = 8
# What is kept beside id lists: members of the envelope up to this size each, of `data` up to this size together.
MAX_KEPT_BYTES = 2 * 1024
UNROUTED = "unrouted"

ENVELOPE = (
    "webhook_id", "webhook_type", "eventType", "process_type", "webhook_code", "eventCode", "link_id", "request_id",
    "external_id",
)  # fmt: skip
_beyond_ascii = re.compile(r"[^\x00-\x7f]").sub


@dataclass(frozen=True, slots=True)
class Message:
    key: str
    group: str
    body: str


def messages(webhook: Webhook, raw: bytes, received_at: int) -> list[Message]:
    """The messages that carry a webhook. The same body always gives the same keys, so that SQS drops a repetition."""
    sha256 = hashlib.sha256(raw).hexdigest()
    withheld = {"bytes": len(raw), "sha256": sha256}
    group = webhook.link_id or UNROUTED
    parts = _split(webhook)

    def write(index: int, content: str, more: dict[str, Any]) -> Message:
        head = {
            "v": 1, "received_at": received_at, "source": "webhook", "key": f"{sha256}-{index}",
            "part": {"index": index, "of": len(parts or [0])}, **more,
        }
        # The webhook as it was sent, so that its numbers stay the digits that they were.
        return Message(head["key"], group, f'{json.dumps(head)[:-1]}, "webhook": {_ascii(content)}}}')

    def cut(index: int, data: Any) -> Message:
        envelope = _envelope(webhook)
        with_data = write(index, _json(envelope if data is None else {**envelope, "data": data}), {"withheld": withheld})
        return with_data if len(with_data.body) <= MAX_BYTES else write(index, _json(envelope), {"withheld": withheld})

    if parts is None:
        whole = write(0, webhook.body, {})
        return [whole if len(whole.body) <= MAX_BYTES else cut(0, webhook.members.get("data"))]
    return [cut(index, data) for index, data in enumerate(parts)]


def _split(webhook: Webhook) -> list[dict[str, Any] | None] | None:
    """The `data` of each part; none when the webhook travels as it is."""
    data = webhook.members.get("data")
    if not isinstance(data, dict):
        return None
    lists: dict[str, list] = {}
    for kind in ("updated_", "deleted_"):
        of_kind = [name for name, value in data.items() if name.startswith(kind) and isinstance(value, list)]
        lists |= {name: data[name] for name in of_kind[:MAX_LISTS]}
    count = -(-max(map(len, lists.values()), default=0) // MAX_IDS)
    if count <= 1:
        return None
    if count > MAX_PARTS:
        return [None]
    beside = _kept_beside(data, lists)
    return [
        beside | {name: ids[part * MAX_IDS : (part + 1) * MAX_IDS] for name, ids in lists.items()}
        for part in range(count)
    ]


def _kept_beside(data: dict[str, Any], lists: dict[str, list]) -> dict[str, Any]:
    room, kept = MAX_KEPT_BYTES, {}
    for name, value in data.items():
        if name not in lists and (size := len(name.encode()) + _size(value)) <= room:
            room -= size
            kept[name] = value
    return kept


def _envelope(webhook: Webhook) -> dict[str, Any]:
    """The members that Belvo documents: a large webhook must not be multiplied."""
    members = webhook.members
    return {name: members[name] for name in ENVELOPE if name in members and _size(members[name]) <= MAX_KEPT_BYTES}


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=float).encode(errors="surrogatepass"))


def _json(value: Any) -> str:
    # Beside id lists Belvo sends counts: a fraction there is nobody's money.
    return json.dumps(value, default=float)


def _ascii(text: str) -> str:
    """SQS refuses some of Unicode. Outside of strings JSON has none."""
    return text if text.isascii() else _beyond_ascii(lambda found: json.dumps(found[0])[1:-1], text)
