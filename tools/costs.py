"""Computes the monthly cost of the stack from list prices, assumptions and measurements: the tables of docs/costs.md.

    python3 tools/costs.py            prints the tables
    python3 tools/costs.py --write    writes them into the page (make costs)
    python3 tools/costs.py --check    fails when the page has other tables (make check-costs)

The free tier is not subtracted. For your own figures, change the constants and run it again.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/costs.md"
BEGIN, END = "<!-- tools/costs.py writes from here -->\n", "<!-- to here -->\n"

DAYS = 30
KIB, GB = 1024, 1e9
MILLION = 1e6


@dataclass(frozen=True)
class Price:
    dollars: float
    unit: str
    # Source of the figure, with its date. AWS's own pages load their tables by script.
    source: str


PRICES = {
    "write": Price(0.625, "million write request units", "airbyte.com, DynamoDB pricing, 2025-07-21"),
    "read": Price(0.125, "million read request units", "the same"),
    "storage": Price(0.25, "GB-month, DynamoDB", "AWS's DynamoDB pricing page (\"start from\")"),
    "recovery": Price(0.20, "GB-month, point-in-time recovery", "finops.com.py, DynamoDB backups"),
    "invocation": Price(0.20, "million invocations", "cloudchipr.com, Lambda pricing, 2024"),
    "compute": Price(0.0000166667, "GB-second, x86_64 (arm64: 0.0000133334)", "the same"),
    "door": Price(1.00, "million HTTP API requests", "awsforengineers.com, API Gateway pricing, 2025-05-19"),
    "queue": Price(0.50, "million requests to a FIFO queue", "cloudburn.io, SQS pricing, 2026-03-14"),
    "log": Price(0.50, "GB of logs taken in", "factualminds.com, CloudWatch pricing, 2026-06-13"),
    "log_kept": Price(0.03, "GB-month of logs kept", "not found again; not verified"),
    "series": Price(0.30, "custom metric and month", "signoz.io, CloudWatch pricing, 2026-02-15"),
    "dashboard": Price(3.00, "dashboard and month", "factualminds.com, as above"),
    # An alarm on metric math is billed for each of its series.
    "alarm": Price(0.10, "series of an alarm and month", "not found again; not verified"),
    "secret": Price(0.40, "secret and month", "hivebook.wiki, Secrets Manager"),
    "secret_read": Price(0.05, "10,000 reads of a secret", "the same"),
}

# Assumptions for a link: recurrent, two resources, an external id, a daily refresh.
TRANSACTIONS_HELD = 1_500
ACCOUNTS = 2
NEW_A_DAY, CHANGED_A_DAY, DELETED_A_DAY = 4, 2, 0.1
# new_transactions_available every day, transactions_updated every second day, transactions_deleted every tenth day.
NEW_WEBHOOKS, UPDATED_WEBHOOKS, DELETED_WEBHOOKS = 1, 0.5, 0.1
# The reconcile function requests a listing of each resource once a week.
RELISTINGS_A_DAY = 2 / 7
LOOKS_OF_RECONCILE_A_DAY = 2 / 7

# Seconds. The sync function waits for Belvo's responses; their duration was not measured from a region.
BELVO_SECONDS = 1.0
AWS_SECONDS_AN_EVENT = 0.15
WEBHOOK_SECONDS = 0.025
RECONCILE_SECONDS = 10

# Measured. docs/performance.md:
CPU_SECONDS_FOR_1000_UNCHANGED = 0.03
CPU_SECONDS_FOR_1000_WRITTEN = 0.10
# Lambda assigns a whole core at 1,769 MB, and less in proportion.
CORE_AT_512_MB = 512 / 1769
TRANSACTION_UNITS = 2 + 2
# On the local stack: mean sizes of items in bytes.
TRANSACTION_BYTES, ACCOUNT_BYTES, EVENT_BYTES, REQUEST_BYTES, TOMBSTONE_BYTES = 1_105, 834, 427, 305, 180
# Overhead of DynamoDB for each item, in the table and in an index, in bytes.
ITEM_OVERHEAD = 100
# Write units of an event, measured on the local stack's stream: its item twice, the link twice (twice in gsi1, moved once in
# gsi2), the sync state twice, the request's item (also in gsi1).
BOOKKEEPING_UNITS = 2 + (2 + 2 + 2) + 2 + (1 + 1)
RECONCILE_UNITS = 2 * (1 + 1 + 2)
CLOCK_READS_AN_EVENT = 3
# Bytes of the functions' events with their metrics, rounded up. Those of Lambda's three lines for an invocation are an estimate.
WEBHOOK_LINE, SYNC_LINE, DOOR_LINE, LAMBDA_LINES = 600, 1_000, 250, 900

KEPT_DAYS = 90
RUNS_A_DAY = 96
DISCOVERY_REQUESTS_A_RUN = 3
# Lambda's event source begins with five concurrent long polls of 20 seconds each.
POLLS_A_MONTH = 5 * 3 * 60 * 24 * DAYS
# Each environment reads its secret every five minutes.
SECRET_READS_BUSY = 3 * 12 * 24 * DAYS
# Series with datapoints in a usual month: crates/runtime/src/metrics.rs with two resources. Without links: `runs` and
# `belvo_2xx`.
SERIES_BUSY, SERIES_IDLE = 31, 2
LOG_RETENTION_MONTHS = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        sys.exit(f"{PAGE.relative_to(ROOT)} lacks the markers of the tables: {BEGIN.strip()} and {END.strip()}")
    page = f"{head}{BEGIN}\n{tables()}\n{END}{tail}"
    if arguments.write:
        PAGE.write_text(page)
    elif arguments.check:
        sys.exit(None if page == PAGE.read_text() else f"{PAGE.relative_to(ROOT)} is not current: run `make costs`")
    else:
        print(tables())


def tables() -> str:
    idle, thousand, many = month(0), month(1_000), month(100_000)
    lines = ["| a month, in US dollars | idle | 1,000 links | 100,000 links |", "|---|---:|---:|---:|"]
    for name in many:
        lines.append(f"| {name} | {money(idle[name])} | {money(thousand[name])} | {money(many[name])} |")
    sums = [sum(bill.values()) for bill in (idle, thousand, many)]
    lines.append("| **all of it** | " + " | ".join(f"**{money(each)}**" for each in sums) + " |")
    lines.append(f"| a link | | {sums[1] / 1_000:.4f} | {sums[2] / 100_000:.4f} |")
    lines += ["", "| once, when so many links are loaded | 1,000 links | 100,000 links |", "|---|---:|---:|"]
    first = [first_load(links) for links in (1_000, 100_000)]
    for name in first[0]:
        lines.append(f"| {name} | " + " | ".join(each[name] for each in first) + " |")
    lines += ["", "| price, in US dollars, us-east-1 | for a | seen at |", "|---:|---|---|"]
    lines += [f"| {plain(price.dollars)} | {price.unit} | {price.source} |" for price in PRICES.values()]
    lines += ["", "| assumed or measured | figure |", "|---|---:|"]
    lines += [f"| {what} | {figure} |" for what, figure in basis()]
    return "\n".join(lines) + "\n"


def month(links: int) -> dict[str, float]:
    """Returns the monthly bill by service."""
    webhooks = links * WEBHOOKS_A_DAY * DAYS
    events = links * EVENTS_A_DAY * DAYS
    runs = RUNS_A_DAY * DAYS
    logs = (webhooks * (WEBHOOK_LINE + DOOR_LINE + LAMBDA_LINES) + (events + runs) * (SYNC_LINE + LAMBDA_LINES)) / GB
    sync_seconds = links * sync_seconds_a_day() * DAYS
    compute = webhooks * WEBHOOK_SECONDS / 4 + sync_seconds / 2 + runs * RECONCILE_SECONDS / 4
    reads = SECRET_READS_BUSY if links else 0
    stored, protected = (links * each / GB for each in bytes_of_a_link())
    return {
        "DynamoDB, writes": links * writes_a_day() * DAYS / MILLION * dollars("write"),
        "DynamoDB, reads": (links * reads_a_day() * DAYS + runs * 16) / MILLION * dollars("read"),
        "DynamoDB, storage": stored * dollars("storage"),
        "DynamoDB, point-in-time recovery": protected * dollars("recovery"),
        "Lambda": (webhooks + events + runs) / MILLION * dollars("invocation") + compute * dollars("compute"),
        "API Gateway": webhooks / MILLION * dollars("door"),
        "SQS": (events * 3 + POLLS_A_MONTH) / MILLION * dollars("queue"),
        "CloudWatch, logs": logs * (dollars("log") + LOG_RETENTION_MONTHS * dollars("log_kept")),
        "CloudWatch, metrics": (SERIES_BUSY if links else SERIES_IDLE) * dollars("series"),
        "CloudWatch, alarms and dashboards": series_of_alarms() * dollars("alarm")
        + in_template("Dashboard") * dollars("dashboard"),
        "Secrets Manager": 2 * dollars("secret") + (reads + runs) / 10_000 * dollars("secret_read"),
    }


WEBHOOKS_A_DAY = NEW_WEBHOOKS + UPDATED_WEBHOOKS + DELETED_WEBHOOKS
EVENTS_A_DAY = WEBHOOKS_A_DAY + RELISTINGS_A_DAY
PAGES = math.ceil(TRANSACTIONS_HELD / 1_000)


def writes_a_day() -> float:
    transactions = (NEW_A_DAY + CHANGED_A_DAY + DELETED_A_DAY) * TRANSACTION_UNITS
    # Their balances come with the transactions.
    accounts = ACCOUNTS
    return transactions + accounts + EVENTS_A_DAY * BOOKKEEPING_UNITS + LOOKS_OF_RECONCILE_A_DAY * RECONCILE_UNITS


def reads_a_day() -> float:
    """Returns the units of consistent reads: one for each compared item of up to 4 KB, or for 4 KB of a query."""
    listed = TRANSACTIONS_HELD + ACCOUNTS
    compared_a_week = listed + listed * TRANSACTION_BYTES / (4 * KIB)
    # With a day of overlap.
    compared_a_day = 2 * NEW_A_DAY + CHANGED_A_DAY + ACCOUNTS
    return compared_a_week / 7 + compared_a_day + EVENTS_A_DAY * CLOCK_READS_AN_EVENT


def belvo_requests_a_day() -> float:
    return NEW_WEBHOOKS + UPDATED_WEBHOOKS + (PAGES + 1) / 7


def sync_seconds_a_day() -> float:
    cpu = TRANSACTIONS_HELD / 7 / 1_000 * CPU_SECONDS_FOR_1000_UNCHANGED / CORE_AT_512_MB
    return belvo_requests_a_day() * BELVO_SECONDS + EVENTS_A_DAY * AWS_SECONDS_AN_EVENT + cpu


def bytes_of_a_link() -> tuple[float, float]:
    """Returns the bytes in the table and its indexes, and those in the table alone (point-in-time recovery)."""
    transactions = TRANSACTIONS_HELD * (TRANSACTION_BYTES + ITEM_OVERHEAD)
    requests = KEPT_DAYS * WEBHOOKS_A_DAY * (REQUEST_BYTES + ITEM_OVERHEAD)
    others = (
        ACCOUNTS * (ACCOUNT_BYTES + ITEM_OVERHEAD)
        + KEPT_DAYS * EVENTS_A_DAY * (EVENT_BYTES + ITEM_OVERHEAD)
        + KEPT_DAYS * DELETED_A_DAY * (TOMBSTONE_BYTES + ITEM_OVERHEAD)
    )
    return 2 * transactions + 2 * requests + others, transactions + requests + others


def first_load(links: int) -> dict[str, str]:
    units = links * (TRANSACTIONS_HELD * TRANSACTION_UNITS + ACCOUNTS + 2 * BOOKKEEPING_UNITS)
    cpu = TRANSACTIONS_HELD / 1_000 * CPU_SECONDS_FOR_1000_WRITTEN / CORE_AT_512_MB
    requests = links * (PAGES + 1)
    seconds = requests * BELVO_SECONDS + links * (cpu + 2 * AWS_SECONDS_AN_EVENT)
    return {
        "DynamoDB, writes (US dollars)": money(units / MILLION * dollars("write")),
        "Lambda (US dollars)": money(seconds / 2 * dollars("compute")),
        "hours, at 72 requests to Belvo in 30 s": f"{requests / 72 * 30 / 3600:,.1f}",
    }


def basis() -> list[tuple[str, str]]:
    stored, _ = bytes_of_a_link()
    return [
        ("transactions held of a link, accounts", f"{TRANSACTIONS_HELD:,}, {ACCOUNTS}"),
        ("new, changed, deleted transactions of a link in a day", f"{NEW_A_DAY}, {CHANGED_A_DAY}, {DELETED_A_DAY}"),
        ("webhooks of a link in a day", f"{WEBHOOKS_A_DAY:.1f}"),
        ("messages of a link in a day, the weekly listings among them", f"{EVENTS_A_DAY:.2f}"),
        ("requests to Belvo for a link in a day", f"{belvo_requests_a_day():.2f}"),
        ("the same for 100,000 links, in 30 s (discovery included)", f"{belvo_in_30s(100_000):.0f}"),
        ("write units of a link in a day (bookkeeping of a message: "
         f"{BOOKKEEPING_UNITS})", f"{writes_a_day():.0f}"),
        ("read units of a link in a day", f"{reads_a_day():.0f}"),
        ("stored of a link, with indexes", f"{stored / 1e6:.1f} MB"),
        ("seconds of the sync function for a link in a day, at 512 MB", f"{sync_seconds_a_day():.1f}"),
        ("of these, for each request to Belvo (assumed)", f"{BELVO_SECONDS:.1f}"),
        ("log bytes of a webhook at the door, of a message", f"{WEBHOOK_LINE + DOOR_LINE + LAMBDA_LINES:,}, "
         f"{SYNC_LINE + LAMBDA_LINES:,}"),
        ("metrics, alarms (and their series), dashboards",
         f"{SERIES_BUSY}, {in_template('Alarm')} ({series_of_alarms()}), {in_template('Dashboard')}"),
    ]


def belvo_in_30s(links: int) -> float:
    return (links * belvo_requests_a_day() + RUNS_A_DAY * DISCOVERY_REQUESTS_A_RUN) / (24 * 60 * 2)


def in_template(kind: str) -> int:
    return (ROOT / "template.yaml").read_text().count(f"Type: AWS::CloudWatch::{kind}\n")


def series_of_alarms() -> int:
    text = (ROOT / "template.yaml").read_text()
    on_metric_math = text.count("      Metrics:\n")
    return in_template("Alarm") - on_metric_math + text.count("          MetricStat:\n")


def dollars(name: str) -> float:
    return PRICES[name].dollars


def plain(amount: float) -> str:
    return f"{amount:.2f}" if amount * 100 % 1 < 1e-9 else f"{amount:.10f}".rstrip("0")


def money(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


if __name__ == "__main__":
    main()
