"""Who sends this webhook? Belvo sends one static `Authorization` header, which is set in its dashboard.

The secret's current version is accepted, and for some hours after a rotation the one before it. It is read again after
five minutes, and when a header does not match, then at most once a minute.
"""

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FRESH_MS = 5 * 60 * 1_000
MISMATCH_REFRESH_MS = 60 * 1_000
JUST_ROTATED_MS = 60 * 1_000
HOUR_MS = 60 * 60 * 1_000


class SecretUnavailable(Exception):
    """The secret could not be read: our own trouble, never the caller's."""


class Authenticator:
    def __init__(self, client: "SecretsManagerClient", secret_id: str, grace_hours: int) -> None:
        self._client, self._secret_id, self._grace_ms = client, secret_id, grace_hours * HOUR_MS
        self._known: _Known | None = None
        # When a wrong header last made us read the secret, and whether that failed.
        self._mismatch: tuple[int, bool] | None = None

    def read(self, now: int) -> None:
        self._known = self._read(now)

    def allows(self, header: str | None, now: int) -> bool:
        if header is None:
            return False
        scheme, blank, credentials = header.partition(" ")
        # The name of a scheme has no case.
        scheme = next((each for each in ("Bearer", "Basic") if each.lower() == scheme.lower()), scheme)
        digest = hashlib.sha256(f"{scheme}{blank}{credentials}".encode()).digest()
        known = self._known
        if known and _is_within(known.read_at, FRESH_MS, now):
            if known.allows(digest, now, self._grace_ms):
                return True
            if self._mismatch and _is_within(self._mismatch[0], MISMATCH_REFRESH_MS, now):
                if self._mismatch[1]:
                    raise SecretUnavailable("it could not be read a minute ago")
                return False
            self._mismatch = (now, True)
            self._known = known = self._read(now)
            self._mismatch = (now, False)
        else:
            self._known = known = self._read(now)
        return known.allows(digest, now, self._grace_ms)

    def _read(self, now: int) -> "_Known":
        current = self._version("AWSCURRENT")
        previous = self._version("AWSPREVIOUS")
        if current is None:
            raise SecretUnavailable("it has no current version")
        if now - current[1] < JUST_ROTATED_MS:
            # The two calls may have seen it on either side of a rotation.
            previous = self._version("AWSPREVIOUS")
        allowed = _digests(current[0])
        if not allowed:
            raise SecretUnavailable("it does not have the documented form")
        return _Known(allowed, _digests(previous[0]) if previous else [], current[1], now)

    def _version(self, stage: str) -> tuple[str, int] | None:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except Exception as error:
            raise SecretUnavailable(type(error).__name__) from error
        return answer["SecretString"], int(answer["CreatedDate"].timestamp() * 1_000)


class _Known:
    """The secret as it was last read. Only digests of it are kept."""

    def __init__(self, current: list[bytes], previous: list[bytes], rotated_at: int, read_at: int) -> None:
        self._current, self._previous = current, previous
        self._rotated_at, self.read_at = rotated_at, read_at

    def allows(self, digest: bytes, now: int, grace_ms: int) -> bool:
        known = self._current + self._previous if now - self._rotated_at < grace_ms else self._current
        # All are compared, so that the time does not tell which.
        return any([hmac.compare_digest(digest, allowed) for allowed in known])


def _digests(text: str) -> list[bytes]:
    """Of the headers that a version allows. An empty token or password allows nothing."""
    try:
        secret = json.loads(text)
    except ValueError:
        return []
    if not isinstance(secret, dict):
        return []
    headers = []
    # White space that was pasted along is no part of them.
    secret = {name: text.strip() for name, text in secret.items() if isinstance(text, str)}
    if token := secret.get("token"):
        headers.append(f"Bearer {token}")
    if (password := secret.get("password")) and (user := secret.get("username")) is not None:
        headers.append("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    return [hashlib.sha256(header.encode()).digest() for header in headers]


def _is_within(then: int, span_ms: int, now: int) -> bool:
    """A clock that was set back makes things old, not fresh for ever."""
    return 0 <= now - then < span_ms
