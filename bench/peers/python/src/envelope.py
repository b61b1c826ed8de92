"""What Belvo posts to us: parsed once, and what is wrong with it named in Belvo's own words. Never repeats input."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

MAX_WORD_BYTES = 256
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch

NOT_AN_OBJECT = {"code": "parse_error", "message": "The body is not a JSON object."}
NOT_AN_ID = {
    "code": "invalid", "message": "This field must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -.",
    "field": "link_id",
}


class Invalid(Exception):
    """The body is no webhook."""

    def __init__(self, errors: list[dict[str, str]], request_id: str | None = None) -> None:
        super().__init__(errors)
        self.errors, self.request_id = errors, request_id


class Webhook:
    """A webhook whose envelope can be understood."""

    __slots__ = ("body", "code", "link_id", "members", "request_id", "type")

    def __init__(self, raw: bytes) -> None:
        try:
            self.body = raw.decode().strip()
            members = json.loads(self.body, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Invalid([NOT_AN_OBJECT]) from None
        if not isinstance(members, dict):
            raise Invalid([NOT_AN_OBJECT])
        self.members: dict[str, Any] = members
        self.request_id = _request_id(members)
        errors: list[dict[str, str]] = []
        # Belvo's direct debit has names of its own.
        self.type = _word(members, "webhook_type", "eventType", errors)
        self.code = _word(members, "webhook_code", "eventCode", errors)
        self.link_id = members.get("link_id")
        if self.link_id is not None and not is_id(self.link_id):
            errors.append(NOT_AN_ID)
        if errors:
            raise Invalid(errors, self.request_id)


def is_id(value: object) -> bool:
    """Can it stand in a URL, a key of the table and a message group without escaping?"""
    return isinstance(value, str) and _ID(value) is not None


def _request_id(members: dict[str, Any]) -> str | None:
    """It goes into our answer, so it is only taken when it is harmless there."""
    request_id = members.get("request_id")
    return request_id if is_id(request_id) and request_id.strip("-") else None


def _word(members: dict[str, Any], name: str, of_direct_debit: str, errors: list[dict[str, str]]) -> str:
    word = members[name] if name in members else members.get(of_direct_debit)
    if word is None:
        errors.append({"code": "required", "message": "This field is required.", "field": name})
    elif not isinstance(word, str) or not 1 <= len(word.encode(errors="surrogatepass")) <= MAX_WORD_BYTES:
        errors.append({"code": "invalid", "message": "This field must be text of 1 to 256 bytes.", "field": name})
    return word


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
