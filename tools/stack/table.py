"""Reads the table as an application does, with numbers as Decimals."""

from collections import Counter
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from stack.local_aws import LocalAws


# Members that a record's `data` does not have: the account is its own record, and documents are not requested from Belvo.
LEFT_OUT = {
    "TRANSACTIONS": {"account"},
    "BILLS": {"account"},
    "RECURRING_EXPENSES": {"account"},
    "EMPLOYMENT_RECORDS": {"files"},
    "INVOICES": {"xml"},
    "TAX_RETURNS": {"pdf", "receipt_pdf"},
    "TAX_STATUS": {"pdf"},
    "TAX_COMPLIANCE_STATUS": {"pdf"},
    "TAX_RETENTIONS": {"xml"},
}


class Table:
    def __init__(self, aws: LocalAws, name: str) -> None:
        self._dynamodb = aws.client("dynamodb")
        self._name = name

    def items(self, partition: str, prefix: str = "") -> dict[str, dict]:
        """Returns the items of a partition whose sort key has the prefix, by sort key."""
        pages = self._dynamodb.get_paginator("query").paginate(**self._query(partition, prefix))
        items = [plain(item) for page in pages for item in page["Items"]]
        return {item["sk"]: item for item in items}

    def records(self, link_id: str, resource: str) -> dict[str, dict]:
        """Returns the records and tombstones of a resource, by Belvo's id."""
        items = self.items(f"LINK#{link_id}", f"{resource}#")
        return {sk.removeprefix(f"{resource}#"): item for sk, item in items.items()}

    def kinds(self) -> dict[str, int]:
        """Returns the number of items of each kind (the sort key's first part), and of tombstones."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name, ProjectionExpression="sk, deleted_at", ConsistentRead=True
        )
        items = (item for page in pages for item in page["Items"])
        return dict(Counter(
            "tombstones" if "deleted_at" in item else item["sk"]["S"].partition("#")[0] for item in items
        ))

    def count(self, partition: str, prefix: str) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(**self._query(partition, prefix), Select="COUNT")
        return sum(page["Count"] for page in pages)

    def _query(self, partition: str, prefix: str) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)" if prefix else "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": partition}} | ({":prefix": {"S": prefix}} if prefix else {}),
        }


def plain(item: dict) -> dict:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def content(belvo_object: Any, *, of: str) -> Any:
    """Returns the part of a Belvo object, or of a record's `data`, that both must have in common.

    A transaction's account is its own record. Times at which Belvo collected or saved an object may lag, and are no change.
    """
    volatile = {"collected_at", "created_at", "last_accessed_at"}
    left_out = volatile | LEFT_OUT.get(of, set())
    return {name: without(volatile, value) for name, value in belvo_object.items() if name not in left_out}


def without(names: set[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(names, each) for name, each in value.items() if name not in names}
    return [without(names, each) for each in value] if isinstance(value, list) else value
