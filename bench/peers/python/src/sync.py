"""The sync function: queue in, Belvo asked, table written.

A message leaves the queue only when what it asks for was done. This peer does what the benchmark measures,
`TRANSACTIONS historical_update`, and gives every other message back.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aws
import exact
from belvo import Belvo, BelvoFailed
from botocore.exceptions import BotoCoreError, ClientError
from envelope import is_id
from journal import Journal, kind
from listing import PAGES_AT_ONCE, WRITES_AT_ONCE, Announced, Listing
from settings import required
from table import Busy, Overtaken, Table

RELISTINGS = 2
# An event counts as covered when it was received so long before a listing began: hosts' clocks differ by less.
CLOCK_MARGIN_MS = 250
DONE = ("TRANSACTIONS", "historical_update")


class NotOurs(Exception):
    """A message that this peer does not work on."""


journal = Journal("sync")
in_flight = PAGES_AT_ONCE * WRITES_AT_ONCE
table = Table(aws.client("dynamodb", 8, 3.0, in_flight + PAGES_AT_ONCE), required("TABLE_NAME"))
secrets = aws.client("secretsmanager", 2, 1.5)
writers = ThreadPoolExecutor(in_flight)
belvo: Belvo | None = None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Works on a batch in its order. After a failure the later messages of the same link come back too."""
    failures, waiting_groups = [], set()
    for message in event["Records"]:
        group = message["attributes"].get("MessageGroupId")
        if group in waiting_groups or not work(message):
            waiting_groups.add(group)
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def work(sqs: dict[str, Any]) -> bool:
    """Works on one message. False when it must come back."""
    started = time.perf_counter()
    facts: dict[str, Any] = {"attempt": int(sqs["attributes"].get("ApproximateReceiveCount", 1))}
    webhook: dict[str, Any] = {}
    try:
        message = read(sqs["body"])
        webhook = message["webhook"]
        facts |= {"link_id": webhook["link_id"], "request_id": webhook.get("request_id"), **kind(*DONE)}
        outcome, check, counts = carry_out(message)
    except (BelvoFailed, Overtaken, Busy, NotOurs, BotoCoreError, ClientError) as failure:
        log_failure(failure, facts | {"message_id": sqs["messageId"]}, since_ms(started))
        if webhook and not isinstance(failure, Overtaken):
            note(webhook["link_id"], failure)
        return False
    age_ms = max(0, now_ms() - message["received_at"])
    log_end(outcome, check, counts, facts, {"elapsed_ms": since_ms(started), "age_ms": age_ms})
    return True


def read(body: str) -> dict[str, Any]:
    try:
        message = exact.loads(body)
        webhook = message["webhook"]
        is_ours = (webhook["webhook_type"], webhook["webhook_code"]) == DONE and is_id(webhook["link_id"])
        if message["v"] == 1 and is_ours and "listing" not in message:
            return message
    except (ValueError, KeyError, TypeError):
        pass
    raise NotOurs


def carry_out(message: dict[str, Any]) -> tuple[str, str | None, dict[str, int]]:
    webhook, link = message["webhook"], message["webhook"]["link_id"]
    event = table.begin_event(message, now_ms())
    began_at = table.sync_state(link).get("listing_began_at")
    if began_at and message["received_at"] + CLOCK_MARGIN_MS < int(began_at["N"]):
        table.end_event(event, "covered")
        return "covered", None, {}
    announced = Announced(webhook.get("data"))
    listing, pass_ = list_whole(link, message["received_at"], announced)
    if not pass_.is_first and not listing.moved and not listing.counts["unreadable"]:
        listing.mark_missing(now_ms())
    listing.store_accounts()
    check, counts = listing.check(), dict(listing.counts)
    table.finish(pass_, event, None if listing.moved else len(listing.seen), check, counts, now_ms())
    return "applied", check, counts


def list_whole(link: str, received_at: int, announced: Announced) -> tuple[Listing, Any]:
    """Reads the list; again from the beginning when it moved meanwhile. Each reading is a pass of its own."""
    for attempt in range(RELISTINGS + 1):
        pass_ = table.begin_pass(link, received_at, now_ms())
        listing = Listing(client(), table, pass_, announced, writers)
        listing.read()
        if not listing.moved:
            break
    return listing, pass_


def client() -> Belvo:
    """With the credentials as they were last read; one for the life of the execution environment."""
    global belvo
    if belvo is None:
        secret = secrets.get_secret_value(SecretId=required("BELVO_SECRET_ARN"), VersionStage="AWSCURRENT")
        belvo = Belvo(required("BELVO_BASE_URL"), secret["SecretString"])
    return belvo


def note(link: str, failure: Exception) -> None:
    """Leaves the reason where people look for it. That this fails too changes nothing."""
    global belvo
    if word(failure) == "belvo_401":
        # There may be a newer key.
        belvo = None
    try:
        table.note_failure(link, word(failure))
    except (BotoCoreError, ClientError):
        pass


def word(failure: Exception) -> str:
    match failure:
        case BelvoFailed():
            return failure.kind
        case Overtaken():
            return "overtaken"
        case NotOurs():
            return "undecodable"
        case _:
            return "store"


def log_end(
    outcome: str, check: str | None, counts: dict[str, int], facts: dict[str, Any], durations: dict[str, int]
) -> None:
    seen = facts | counts | durations | ({"check": check} if check else {})
    journal.logger.info("worked on a message", outcome=outcome, **seen)
    journal.keep({"syncs": 1}, outcome=outcome)
    kept = ("written", "unchanged", "stale", "deleted", "unreadable")
    journal.keep({name: counts.get(name, 0) for name in kept} | {
        "belvo_2xx": counts.get("pages", 0), "checked": int(check is not None)})
    journal.keep({"drift": int(check == "drift")}, durations, also_by={"webhook_type": facts["webhook_type"]})


def log_failure(failure: Exception, facts: dict[str, Any], elapsed_ms: int) -> None:
    error = word(failure)
    journal.logger.warning(
        "worked on a message", outcome="failed", error=error, cause=type(failure).__name__, elapsed_ms=elapsed_ms, **facts
    )
    journal.keep({"syncs": 1}, outcome="failed")
    journal.keep({"failures": 1}, {"elapsed_ms": elapsed_ms}, error=error)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def since_ms(started: float) -> int:
    return int((time.perf_counter() - started) * 1_000)
