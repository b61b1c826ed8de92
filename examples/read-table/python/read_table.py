"""Reads records from belvo-sync's table. ../README.md has examples."""

import argparse
import json
import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, ConditionBase, Key


def main() -> None:
    arguments = parse_arguments()
    match arguments.command:
        case "links":
            rows = links(arguments.external_id)
        case "accounts":
            rows = accounts(arguments.link_id)
        case "transactions":
            rows = transactions(arguments.account_id, arguments.from_day, arguments.to_day)
    for row in rows:
        print(json.dumps(row, default=digits, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def links(external_id: str) -> Iterator[dict]:
    for item in query(Key("gsi1pk").eq(f"EXTERNAL#{external_id}"), IndexName="gsi1"):
        yield {
            "external_id": item["external_id"],
            "institution": item.get("institution"),
            "last_synced_at": item.get("last_synced_at"),
            "link_id": item["pk"].removeprefix("LINK#"),
            "status": item["status"],
        }


def accounts(link_id: str) -> Iterator[dict]:
    for item in query(Key("pk").eq(f"LINK#{link_id}") & Key("sk").begins_with("ACCOUNTS#")):
        yield item["data"]


def transactions(account_id: str, from_day: date | None, to_day: date | None) -> Iterator[dict]:
    """Returns transactions, ordered by day. Their sort key is `<day>#<id>`, and `~` sorts after every character of a key.
    Transactions without a day have `0000-00-00`."""
    days = Key("gsi1sk").between(f"{from_day or '0000-00-00'}", f"{to_day or '9999-12-31'}~")
    for item in query(Key("gsi1pk").eq(f"ACCOUNT#{account_id}") & days, IndexName="gsi1"):
        yield item["data"]


def query(condition: ConditionBase, **options: str) -> Iterator[dict]:
    """Returns all items of all pages, without the tombstones of deleted objects."""
    # Only the client of a resource reads numbers as Decimal.
    client = boto3.resource("dynamodb").meta.client
    pages = client.get_paginator("query").paginate(
        TableName=os.environ["TABLE_NAME"],
        KeyConditionExpression=condition,
        FilterExpression=Attr("deleted_at").not_exists(),
        **options,
    )
    for page in pages:
        yield from page["Items"]


def digits(number: Decimal) -> str:
    """Returns a number as text with all digits. A float would round amounts."""
    return format(number, "f")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="read-table", description="Prints what belvo-sync keeps in its table, one JSON object per line."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("links", help="the links of one of your users")
    command.add_argument("external_id")
    command = commands.add_parser("accounts", help="the accounts of a link")
    command.add_argument("link_id")
    command = commands.add_parser("transactions", help="the transactions of an account, by day; both days count")
    command.add_argument("account_id")
    command.add_argument("--from", dest="from_day", type=date.fromisoformat, metavar="YYYY-MM-DD")
    command.add_argument("--to", dest="to_day", type=date.fromisoformat, metavar="YYYY-MM-DD")
    return parser.parse_args()


if __name__ == "__main__":
    main()
