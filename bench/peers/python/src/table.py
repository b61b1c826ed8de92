"""The table: the link's clock, records, sync states and events. See docs/data-model.md."""

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from record import Record, attribute

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
KEPT_SECONDS = 90 * 24 * 60 * 60
CLOCK_ATTEMPTS = 5
# What BatchGetItem takes.
MAX_KEYS = 100
MAX_DATA_BYTES = 4 * 1024
IF_NOT_NEWER = "attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :s)"


class Overtaken(Exception):
    """Another pass over the link has begun: this one stopped."""


class Busy(Exception):
    """Others moved the link's clock each time, or DynamoDB left keys over."""


@dataclass(frozen=True, slots=True)
class Pass:
    link: str
    stamp: int
    began_at: int
    # The sync state as it was.
    before: Item

    @property
    def is_first(self) -> bool:
        return "last_pass_at" not in self.before


class Table:
    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client, self._name = client, name

    # Events

    def begin_event(self, message: dict[str, Any], now: int) -> Item:
        """Notes that a message is being worked on, and what it says. Gives the event's key."""
        webhook = message["webhook"]
        key = _key(_link_pk(webhook["link_id"]), f"EVENT#{message['received_at']:013d}#{message['key']}")
        names = ("webhook_type", "webhook_code", "webhook_id", "process_type", "request_id")
        said = {name: _s(webhook[name]) for name in names if webhook.get(name) is not None}
        said |= {
            "source": _s(message["source"]), "received_at": _n(message["received_at"]),
            "part": _n(message["part"]["index"]), "parts": _n(message["part"]["of"]), "expires_at": _n(_expires_at(now)),
        }
        data = webhook.get("data")
        if isinstance(data, dict) and len(str(data)) <= MAX_DATA_BYTES:
            said["data"] = attribute({n: len(v) if isinstance(v, list) else v for n, v in data.items()})
        sets = [f"#{name} = :{name}" for name in said] + ["#outcome = if_not_exists(#outcome, :outcome)"]
        said["outcome"] = _s("processing")
        self._client.update_item(
            TableName=self._name, Key=key, UpdateExpression=f"SET {', '.join(sets)} ADD attempts :one",
            ExpressionAttributeNames={f"#{name}": name for name in said},
            ExpressionAttributeValues={":one": _n(1)} | {f":{name}": value for name, value in said.items()},
        )
        return key

    def end_event(self, event: Item, outcome: str) -> None:
        self._client.update_item(
            TableName=self._name, Key=event, UpdateExpression="SET outcome = :outcome REMOVE reason",
            ExpressionAttributeValues={":outcome": _s(outcome)},
        )

    # Passes

    def sync_state(self, link: str) -> Item:
        found = self._client.get_item(TableName=self._name, Key=_state_key(link), ConsistentRead=True)
        return found.get("Item", {})

    def begin_pass(self, link: str, received_at: int, now: int) -> Pass:
        """Takes the next stamp of the link's clock and notes that a pass begins."""
        stamp = self._take_stamp(link, received_at, now)
        try:
            answer = self._client.update_item(
                TableName=self._name, Key=_state_key(link), UpdateExpression="SET last_pass_at = :s",
                ConditionExpression="attribute_not_exists(last_pass_at) OR last_pass_at <= :s",
                ExpressionAttributeValues={":s": _n(stamp)}, ReturnValues="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Busy from None
        return Pass(link, stamp, now, answer.get("Attributes", {}))

    def _take_stamp(self, link: str, received_at: int, now: int) -> int:
        stamp = now
        for _ in range(CLOCK_ATTEMPTS):
            try:
                self._client.update_item(
                    TableName=self._name, Key=_key(_link_pk(link), "LINK"),
                    UpdateExpression="SET clock = :s, last_event_at = :at, #status = if_not_exists(#status, :active)",
                    ConditionExpression="attribute_not_exists(clock) OR clock < :s",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues={":s": _n(stamp), ":at": _n(received_at), ":active": _s("active")},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
                return stamp
            except self._client.exceptions.ConditionalCheckFailedException as refused:
                stamp = max(now, int(refused.response["Item"]["clock"]["N"]) + 1)
        raise Busy

    def check_newest(self, pass_: Pass) -> None:
        """Stops a pass that has been overtaken."""
        found = self._client.get_item(
            TableName=self._name, Key=_key(_link_pk(pass_.link), "LINK"), ConsistentRead=True,
            ProjectionExpression="clock",
        )
        if int(found.get("Item", {}).get("clock", {}).get("N", 0)) != pass_.stamp:
            raise Overtaken

    def finish(self, pass_: Pass, event: Item, listed: int | None, check: str, counts: dict[str, int], now: int) -> None:
        """Ends a pass and its event in one transaction, unless another pass has begun."""
        state = {"last_success_at": _n(now), "check": _s(check)}
        if listed is not None:
            today = datetime.fromtimestamp(pass_.began_at / 1_000, timezone.utc).date().isoformat()
            state["watermark"] = _s(max(today, pass_.before.get("watermark", {}).get("S", "")))
            state |= {"listed_at": _n(pass_.stamp), "listing_began_at": _n(pass_.began_at), "count": _n(listed)}
        outcome = {"outcome": _s("applied")} | {name: _n(count) for name, count in counts.items()}
        newest = {"ConditionExpression": "clock = :s", "ExpressionAttributeValues": {
            ":last_synced_at": _n(now), ":s": _n(pass_.stamp)}}
        try:
            self._client.transact_write_items(TransactItems=[
                {"Update": self._set(_key(_link_pk(pass_.link), "LINK"), {"last_synced_at": _n(now)}) | newest},
                {"Update": self._set(_state_key(pass_.link), state, "last_error")},
                {"Update": self._set(event, outcome, "reason")},
            ])
        except self._client.exceptions.TransactionCanceledException as canceled:
            if canceled.response["CancellationReasons"][0].get("Code") == "ConditionalCheckFailed":
                raise Overtaken from None
            raise

    def _set(self, key: Item, values: Item, remove: str = "") -> Item:
        sets = ", ".join(f"#{name} = :{name}" for name in values)
        return {
            "TableName": self._name, "Key": key,
            "UpdateExpression": f"SET {sets} REMOVE {remove}" if remove else f"SET {sets}",
            "ExpressionAttributeNames": {f"#{name}": name for name in values},
            "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
        }

    def note_failure(self, link: str, error: str) -> None:
        self._client.update_item(
            TableName=self._name, Key=_state_key(link), UpdateExpression="SET last_error = :error",
            ExpressionAttributeValues={":error": _s(error)},
        )

    # Records

    def known(self, link: str, resource: str, ids: list[str]) -> dict[str, Item]:
        """What stands in the places of these objects, as far as deciding about a write needs it."""
        pk, known = _link_pk(link), {}
        keys = [_key(pk, f"{resource}#{id_}") for id_ in dict.fromkeys(ids)]
        for begin in range(0, len(keys), MAX_KEYS):
            known |= self._read(keys[begin : begin + MAX_KEYS], len(resource) + 1)
        return known

    def _read(self, keys: list[Item], prefix: int) -> dict[str, Item]:
        known = {}
        for attempt in range(6):
            answer = self._client.batch_get_item(RequestItems={self._name: {
                "Keys": keys, "ConsistentRead": True,
                "ProjectionExpression": "sk, content_hash, missing_since, #data.collected_at",
                "ExpressionAttributeNames": {"#data": "data"},
            }})
            known |= {item["sk"]["S"][prefix:]: item for item in answer["Responses"].get(self._name, [])}
            keys = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            if not keys:
                return known
            # Under load DynamoDB answers a part only.
            time.sleep(0.025 * 2**attempt)
        raise Busy

    def upsert(self, link: str, resource: str, record: Record, stamp: int) -> bool:
        """Stores a record as a pass saw it. False when something newer, or a tombstone, stands there."""
        item = record.attributes
        item["pk"], item["sk"] = {"S": f"LINK#{link}"}, {"S": f"{resource}#{record.id}"}
        item["fetched_at"] = stamped = {"N": str(stamp)}
        try:
            self._client.put_item(
                TableName=self._name, Item=item, ConditionExpression=IF_NOT_NEWER,
                ExpressionAttributeValues={":s": stamped},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def live_ids(self, link: str, resource: str):
        """The ids of live records that are not marked as missing, a page at a time."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name, ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ProjectionExpression="sk, deleted_at, missing_since",
            ExpressionAttributeValues={":pk": _s(_link_pk(link)), ":prefix": _s(f"{resource}#")},
        )
        for page in pages:
            yield [
                item["sk"]["S"][len(resource) + 1 :]
                for item in page["Items"] if "deleted_at" not in item and "missing_since" not in item
            ]

    def mark_missing(self, pass_: Pass, resource: str, id_: str, now: int) -> None:
        """Marks a record that a whole listing lacks, unless somebody has seen or deleted the object since."""
        try:
            self._client.update_item(
                TableName=self._name, Key=_key(_link_pk(pass_.link), f"{resource}#{id_}"),
                UpdateExpression="SET missing_since = :now",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(deleted_at) AND fetched_at <= :s",
                ExpressionAttributeValues={":now": _n(now), ":s": _n(pass_.stamp)},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            pass


def is_unchanged(known: Item | None, record: Record) -> bool:
    """Would writing this record change nothing but its stamp?"""
    return known is not None and "missing_since" not in known and known.get("content_hash") == {
        "S": record.content_hash}


def _link_pk(link: str) -> str:
    return f"LINK#{link}"


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _state_key(link: str) -> Item:
    return _key(_link_pk(link), "SYNC#TRANSACTIONS")


def _s(text: str) -> Item:
    return {"S": text}


def _n(value: int) -> Item:
    return {"N": str(value)}


def _expires_at(now: int) -> int:
    return now // 1_000 + KEPT_SECONDS
