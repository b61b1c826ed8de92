"""Turns a record of the table's stream into a change, as the table "Change feed" of docs/data-model.md describes.

This module has no side effects. The event source's filters (template.yaml) drop most records for which it returns None. They
only save invocations: this module does not depend on them.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any


class Kind(str, Enum):
    """The kind of a change."""

    # The object is new, or was restored after its deletion.
    NEW = "new"
    CHANGED = "changed"
    # Belvo deleted the object. `before` is its last known state.
    DELETED = "deleted"
    # A whole list of Belvo lacks the object, without a deletion. Its data stays, and may be out of date.
    MISSING = "missing"
    # Belvo lists the object again, with the same data.
    FOUND = "found"
    # The link was deleted or erased, with all its records. Remove your copies.
    REMOVED = "removed"
    # The link's status changed: its user has to act, has acted, or the link is gone.
    LINK = "link"


@dataclass(frozen=True)
class Change:
    kind: Kind
    link_id: str
    # Belvo's webhook_type, such as TRANSACTIONS; LINK for a link.
    resource: str
    # Belvo's id of the object, or of the link.
    record_id: str
    # The id of the stream record. It is the same in every delivery.
    event_id: str
    # Grows with each newer state of a record. See README.md, "Twice, or late".
    version: int
    # When the object was first missing from a list, epoch milliseconds; None while it is listed.
    missing_since: int | None
    # Belvo's object, with numbers as Decimal. Left out of repr() and so of logs, because it is personal data.
    data: dict | None = field(repr=False)
    before: dict | None = field(repr=False)


def read(record: dict) -> Change | None:
    """Returns the change, or None for bookkeeping and for changes that do not concern an application."""
    if is_expiry(record):
        return None
    entry = record["dynamodb"]
    link_id = entry["Keys"]["pk"]["S"].removeprefix("LINK#")
    sort_key = entry["Keys"]["sk"]["S"]
    if entry["Keys"]["pk"]["S"] == link_id:
        # REQUEST#, UNROUTED#, IDEMPOTENCY# and RECONCILE items do not belong to a link.
        return None
    new, old = plain(entry.get("NewImage", {})), plain(entry.get("OldImage", {}))
    if sort_key == "LINK":
        return link_change(record["eventID"], link_id, new, old)
    resource, _, record_id = sort_key.partition("#")
    kind = kind_of(new, old)
    if kind is None:
        return None
    return Change(
        kind=kind,
        link_id=link_id,
        resource=resource,
        record_id=record_id,
        event_id=record["eventID"],
        version=int((new or old)["fetched_at"]),
        missing_since=whole(new.get("missing_since")),
        data=new.get("data"),
        before=old.get("data"),
    )


def is_expiry(record: dict) -> bool:
    """Returns True if DynamoDB's TTL removed the item: a tombstone, an event or a request that is 90 days old."""
    identity = record.get("userIdentity") or {}
    return (identity.get("type"), identity.get("principalId")) == ("Service", "dynamodb.amazonaws.com")


def kind_of(new: dict, old: dict) -> Kind | None:
    """Returns the kind of a record's change. Only a record has a content_hash: tombstones and bookkeeping have none."""
    is_record, was_record = "content_hash" in new, "content_hash" in old
    if is_record and not was_record:
        return Kind.NEW
    if was_record and not is_record:
        return Kind.DELETED if "deleted_at" in new else Kind.REMOVED
    if not is_record:
        # Bookkeeping, or a tombstone that is new without a record, confirmed, or purged.
        return None
    if new["content_hash"] != old["content_hash"]:
        return Kind.CHANGED
    is_missing, was_missing = "missing_since" in new, "missing_since" in old
    if is_missing == was_missing:
        # The first pass over a resource may write a record again with the same content.
        return None
    return Kind.MISSING if is_missing else Kind.FOUND


def link_change(event_id: str, link_id: str, new: dict, old: dict) -> Change | None:
    """Returns the change of a link's status or action. Other attributes change with every pass."""
    state, before = link_state(new), link_state(old)
    # A new link is `active`, which is no change. Link items are never removed.
    if state is None or state == (before or {"status": "active", "action": None}):
        return None
    return Change(
        kind=Kind.LINK,
        link_id=link_id,
        resource="LINK",
        record_id=link_id,
        event_id=event_id,
        version=int(new.get("clock", 0)),
        missing_since=None,
        data=state,
        before=before,
    )


def link_state(item: dict) -> dict | None:
    return {"status": item["status"], "action": item.get("action")} if "status" in item else None


def whole(number: Decimal | None) -> int | None:
    return None if number is None else int(number)


def plain(image: dict) -> dict:
    return {name: value_of(value) for name, value in image.items()}


def value_of(value: dict) -> Any:
    """Converts a value from DynamoDB's JSON like boto3's TypeDeserializer. Importing boto3 would dominate a cold start."""
    [(kind, content)] = value.items()
    return CONVERSIONS[kind](content)


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "S": str,
    # All digits that Belvo sent. Never a float.
    "N": Decimal,
    "BOOL": bool,
    "NULL": lambda _: None,
    "M": plain,
    "L": lambda values: [value_of(each) for each in values],
    "B": base64.b64decode,
    "SS": set,
    "NS": lambda numbers: {Decimal(each) for each in numbers},
    "BS": lambda values: {base64.b64decode(each) for each in values},
}
