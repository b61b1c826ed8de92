"""One object of Belvo's, ready for the table: its attributes, and the hash by which a change is seen.

The hash is the one that docs/data-model.md describes, so that any implementation can go on with a table of another.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from struct import Struct
from typing import Any

from envelope import is_id
from exact import Number, Unkept, integer

# They change without the object changing, and are not in the hash.
VOLATILE = frozenset({"collected_at", "created_at", "last_accessed_at"})
NO_DATE = "0000-00-00"

Attribute = dict[str, Any]
_length = Struct(">Q").pack


class Unreadable(Exception):
    """Not an object with an id under which it could be stored."""


@dataclass(slots=True)
class Record:
    id: str
    attributes: dict[str, Any]
    content_hash: str
    # What a webhook's totals ask for.
    day: str | None = None
    flow: str | None = None
    # The account that the object carries in full.
    account: dict[str, Any] | None = None


def of_transaction(given: Any) -> Record:
    record_id = _id(given)
    account = given.get("account")
    if not isinstance(account, dict) or not is_id(account.get("id")):
        return _record(record_id, given, None)
    record = _record(record_id, {name: value for name, value in given.items() if name != "account"}, account["id"])
    record.account = account
    record.attributes["account_id"] = {"S": account["id"]}
    record.attributes["gsi1pk"] = {"S": f"ACCOUNT#{account['id']}"}
    record.attributes["gsi1sk"] = {"S": f"{record.day or NO_DATE}#{record_id}"}
    return record


def of_account(given: Any) -> Record:
    return _record(_id(given), given, None)


def attribute(value: Any) -> Attribute:
    return _convert(value, [])[0]


def _id(given: Any) -> str:
    if not isinstance(given, dict) or not is_id(given.get("id")):
        raise Unreadable
    return given["id"]


def _record(record_id: str, data: dict[str, Any], account_id: str | None) -> Record:
    members, canonical = {}, [(account_id or "").encode(), b"\0"]
    unkept: list[str] = []
    try:
        for name in sorted(data):
            members[name], digested = _convert(data[name], unkept)
            if name not in VOLATILE:
                canonical += (_named(name), digested)
    except UnicodeEncodeError:
        raise Unreadable from None
    content_hash = hashlib.sha256(b"".join(canonical)).hexdigest()
    attributes = {"content_hash": {"S": content_hash}, "data": {"M": members}}
    if unkept:
        attributes["as_text"] = {"L": [{"S": path} for path in _paths_of_unkept(data)]}
    return Record(record_id, attributes, content_hash, day_of(data.get("value_date")), data.get("type"))


def _convert(value: Any, unkept: list[str]) -> tuple[Attribute, bytes]:
    """The attribute of a value, and its canonical form: tagged, delimited, members in the order of their names. Numbers that
    DynamoDB cannot keep stand there as text, and in the list."""
    kind = type(value)
    if kind is str:
        text = value.encode()
        return {"S": value}, b"s" + _length(len(text)) + text
    if value is None:
        return {"NULL": True}, b"z"
    if kind is bool:
        return {"BOOL": value}, b"t" if value else b"f"
    if kind is int:
        value = integer(value)
        kind = type(value)
    if kind is Number:
        return {"N": str(value)}, b"n" + _length(len(value)) + value.encode()
    if kind is dict:
        members, canonical = {}, [b"{"]
        for name in sorted(value):
            members[name], digested = _convert(value[name], unkept)
            if name not in VOLATILE:
                canonical += (b"k", _named(name), digested)
        canonical.append(b"}")
        return {"M": members}, b"".join(canonical)
    if kind is list:
        items = [_convert(item, unkept) for item in value]
        return {"L": [item for item, _ in items]}, b"".join([b"[", *(digested for _, digested in items), b"]"])
    unkept.append(value)
    return _convert(str(value), unkept)


_NAMES: dict[str, bytes] = {}


def _named(name: str) -> bytes:
    """A name in its canonical form. Objects of a kind have the same names; there is a bound all the same."""
    known = _NAMES.get(name)
    if known is None:
        text = name.encode()
        known = _length(len(text)) + text
        if len(_NAMES) < 1_000:
            _NAMES[name] = known
    return known


def _paths_of_unkept(value: Any, path: str = ""):
    kind = type(value)
    if kind is Unkept or (kind is int and type(integer(value)) is Unkept):
        yield path
    elif kind is dict or kind is list:
        for name, member in value.items() if kind is dict else enumerate(value):
            if type(member) not in (str, Number, bool):
                name = str(name).replace("\\", "\\\\").replace(".", "\\.")
                yield from _paths_of_unkept(member, f"{path}.{name}" if path else name)


def day_of(text: Any) -> str | None:
    """The day that a text begins with. A date with a time counts as its day."""
    try:
        day = text[:10]
        return day if date.fromisoformat(day).isoformat() == day else None
    except (TypeError, ValueError):
        return None
