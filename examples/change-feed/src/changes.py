"""What a record of the table's stream means: the table "Change feed" of docs/data-model.md, as code.

Pure: a stream record goes in, a Change or None comes out. The event source's filters (template.yaml) leave out most of
what is None here. They are a saving, not a promise, so everything is decided here once more.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any


class Kind(str, Enum):
    """What has happened."""

    # An object that was not there, or came back after it had been deleted.
    NEW = "new"
    CHANGED = "changed"
    # Belvo deleted the object. `before` is the last that was known of it.
    DELETED = "deleted"
    # A whole list of Belvo's lacks the object. Nobody deleted it: its data stays, and may be out of date.
    MISSING = "missing"
    # It is listed again, with the data that it had.
    FOUND = "found"
    # The link was deleted or erased, and its records with it. Whoever keeps copies removes them.
    REMOVED = "removed"
    # The link's status is another one: its user has to act, has acted, or the link is gone.
    LINK = "link"


@dataclass(frozen=True)
class Change:
    kind: Kind
    link_id: str
    # Belvo's webhook_type, such as TRANSACTIONS; LINK for a link.
    resource: str
    # Belvo's id of the object; of a link, the link's.
    record_id: str
    # Of this entry of the stream: the same when it is delivered again.
    event_id: str
    # Larger for what is newer, of one record. See README.md, "Twice, or late".
    version: int
    # When the object was first missing from a list, epoch milliseconds; None while it is listed.
    missing_since: int | None
    # Belvo's object, numbers as Decimal. Not in repr(), and so in no log: it is somebody's bank account.
    data: dict | None = field(repr=False)
    before: dict | None = field(repr=False)


def read(record: dict) -> Change | None:
    """None: bookkeeping, or nothing that an application has to know of."""
    if is_expiry(record):
        return None
    entry = record["dynamodb"]
    link_id = entry["Keys"]["pk"]["S"].removeprefix("LINK#")
    sort_key = entry["Keys"]["sk"]["S"]
    if entry["Keys"]["pk"]["S"] == link_id:
        # REQUEST#, UNROUTED#, IDEMPOTENCY#, RECONCILE: not of a link.
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
    """DynamoDB's TTL removed a tombstone, an event or a request: 90 days after something happened, nothing happens."""
    identity = record.get("userIdentity") or {}
    return (identity.get("type"), identity.get("principalId")) == ("Service", "dynamodb.amazonaws.com")


def kind_of(new: dict, old: dict) -> Kind | None:
    """Only a record has a content_hash. Tombstones have none, nor has any of the table's bookkeeping."""
    is_record, was_record = "content_hash" in new, "content_hash" in old
    if is_record and not was_record:
        return Kind.NEW
    if was_record and not is_record:
        return Kind.DELETED if "deleted_at" in new else Kind.REMOVED
    if not is_record:
        # Bookkeeping; a tombstone of something that never was there; one that was confirmed, or purged.
        return None
    if new["content_hash"] != old["content_hash"]:
        return Kind.CHANGED
    is_missing, was_missing = "missing_since" in new, "missing_since" in old
    if is_missing == was_missing:
        # Written again with the same content, as the first pass over a resource may do.
        return None
    return Kind.MISSING if is_missing else Kind.FOUND


def link_change(event_id: str, link_id: str, new: dict, old: dict) -> Change | None:
    """Link items change with every pass; what concerns an application is the status, and what the user has to do."""
    state, before = link_state(new), link_state(old)
    # A new link is `active`, and its records say so themselves. Link items are never removed.
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
    """A value in DynamoDB's JSON, as boto3's TypeDeserializer has it; importing boto3 would be most of a cold start."""
    [(kind, content)] = value.items()
    return CONVERSIONS[kind](content)


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "S": str,
    # Exactly the digits that Belvo sent. Never a float.
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
