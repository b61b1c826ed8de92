"""Reading a whole list of transactions, and writing what is new of it.

The first page says how many objects there are; the others are fetched and written side by side, a few at a time, so
that memory does not grow with the list.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import datetime
from threading import Lock
from typing import Any

from belvo import PAGE_SIZE, Belvo, Page
from record import Record, Unreadable, day_of, of_account, of_transaction
from table import Pass, Table, is_unchanged

TRANSACTIONS, ACCOUNTS = "TRANSACTIONS", "ACCOUNTS"
PAGES_AT_ONCE = 4
# Of one page. Sixteen in all keep a core busy at five milliseconds a write, since only one thread runs at a time; more threads
# only wait for each other (64 cost a sixth more CPU time).
WRITES_AT_ONCE = 4
MAX_ACCOUNTS = 1_000


class Announced:
    """What a webhook says that will be found: a checksum for the listing."""

    def __init__(self, data: Any) -> None:
        data = data if isinstance(data, dict) else {}
        named = {name: value for name, value in data.items() if type(value) is int and value >= 0}
        self.totals = {
            None: named.get("total_transactions"),
            "INFLOW": next((named[name] for name in named if name.startswith("total_inflow_")), None),
            "OUTFLOW": next((named[name] for name in named if name.startswith("total_outflow_")), None),
        }
        days = [
            day_of(next((data[name] for name in data if name.startswith(word) and name.endswith("_date")), None))
            for word in ("first_", "last_")
        ]
        self.days = tuple(days) if all(days) else None

    def counts(self, record: Record) -> bool:
        return self.days is None or (record.day is not None and self.days[0] <= record.day <= self.days[1])


class Listing:
    """One pass over a link's list."""

    def __init__(self, belvo: Belvo, table: Table, pass_: Pass, announced: Announced, writers: ThreadPoolExecutor) -> None:
        self._belvo, self._table, self._pass, self._announced = belvo, table, pass_, announced
        self._writers = writers
        self.counts = Counter(pages=0, written=0, unchanged=0, stale=0, deleted=0, unreadable=0)
        self.seen: set[str] = set()
        self.moved = False
        self._found: Counter[str | None] = Counter()
        self._accounts: dict[str, tuple[datetime | None, dict[str, Any]]] = {}
        # Pages are worked on side by side.
        self._lock = Lock()

    def read(self) -> None:
        first = self._belvo.transactions(self._pass.link, 1)
        self._count, last = first.count, max(1, -(-first.count // PAGE_SIZE))
        self._work_on(first, 1, last)
        with ThreadPoolExecutor(PAGES_AT_ONCE) as readers:
            numbers = iter(range(2, last + 1))
            reading = [readers.submit(self._read_pages, numbers, last) for _ in range(min(PAGES_AT_ONCE, last - 1))]
            done, _ = wait(reading, return_when=FIRST_EXCEPTION)
            # After the first failure no page is begun.
            if any(reader.exception() for reader in done):
                for _ in numbers:
                    pass
            for reader in reading:
                reader.result()
        self.moved |= len(self.seen) + self.counts["unreadable"] < self._count

    def _read_pages(self, numbers: Iterable[int], last: int) -> None:
        for number in numbers:
            self._work_on(self._belvo.transactions(self._pass.link, number), number, last)

    def _work_on(self, page: Page, number: int, last: int) -> None:
        records = self._records(page, number, last)
        link, known = self._pass.link, {}
        # On the first load nothing stands there, and the conditions of the writes hold all the same.
        if not self._pass.is_first:
            known = self._table.known(link, TRANSACTIONS, [record.id for record in records])
        self._table.check_newest(self._pass)
        changed = [record for record in records if not is_unchanged(known.get(record.id), record)]
        written = self._side_by_side(changed, self._write)
        with self._lock:
            self.counts.update(
                unchanged=len(records) - len(changed), written=written[True], stale=written[False]
            )

    def _records(self, page: Page, number: int, last: int) -> list[Record]:
        records, unreadable, found = [], 0, Counter()
        for given in page.objects:
            try:
                record = of_transaction(given)
            except Unreadable:
                unreadable += 1
                continue
            records.append(record)
        with self._lock:
            for record in records:
                if record.id not in self.seen and self._announced.counts(record):
                    found[None] += 1
                    found[record.flow if isinstance(record.flow, str) else ""] += 1
                self.seen.add(record.id)
                self._note_account(record)
            self._found.update(found)
            self.counts.update(pages=1, unreadable=unreadable)
            self.moved |= page.count != self._count or page.has_next != (number < last)
        return records

    def _note_account(self, record: Record) -> None:
        """Keeps the copy of its account that was collected last."""
        if (account := record.account) is None:
            return
        kept, collected_at = self._accounts.get(account["id"]), _moment(account.get("collected_at"))
        if kept is None and len(self._accounts) < MAX_ACCOUNTS or kept is not None and _is_later(collected_at, kept[0]):
            self._accounts[account["id"]] = (collected_at, account)
        record.account = None

    def _write(self, record: Record) -> bool:
        return self._table.upsert(self._pass.link, TRANSACTIONS, record, self._pass.stamp)

    def _side_by_side(self, things: list[Any], work: Callable[[Any], Any]) -> Counter[Any]:
        """Works on all of them, a few at once; when this returns or fails, nothing is left running."""
        left = iter(things)

        def some() -> Counter[Any]:
            try:
                return Counter(work(thing) for thing in left)
            except BaseException:
                for _ in left:
                    pass
                raise

        running = [self._writers.submit(some) for _ in range(min(WRITES_AT_ONCE, len(things)))]
        wait(running)
        return sum((each.result() for each in running), Counter())

    def mark_missing(self, now: int) -> None:
        """Marks what the whole list lacks. Its data stays: Belvo drops old data by itself."""
        for ids in self._table.live_ids(self._pass.link, TRANSACTIONS):
            if missing := [id_ for id_ in ids if id_ not in self.seen]:
                self._table.check_newest(self._pass)
                self._side_by_side(missing, lambda id_: self._table.mark_missing(self._pass, TRANSACTIONS, id_, now))

    def store_accounts(self) -> None:
        """Stores the copies of accounts that are newer than what is stored."""
        if not self._accounts:
            return
        known = self._table.known(self._pass.link, ACCOUNTS, list(self._accounts))
        self._table.check_newest(self._pass)
        for id_, (collected_at, account) in self._accounts.items():
            try:
                record, stored = of_account(account), known.get(id_)
            except Unreadable:
                continue
            if stored is not None and (is_unchanged(stored, record) or not _is_later(collected_at, _stored_at(stored))):
                self.counts["unchanged"] += 1
            elif self._table.upsert(self._pass.link, ACCOUNTS, record, self._pass.stamp):
                self.counts["written"] += 1
            else:
                self.counts["stale"] += 1

    def check(self) -> str:
        """Does what was found agree with what was announced?"""
        totals = self._announced.totals.items()
        fewer = any(total is not None and self._found[flow] < total for flow, total in totals)
        if self.moved or self.counts["unreadable"] or fewer:
            return "drift"
        return "verified" if any(total is not None for _, total in totals) else "unverified"


def _stored_at(item: dict[str, Any]) -> datetime | None:
    return _moment(item.get("data", {}).get("M", {}).get("collected_at", {}).get("S"))


def _moment(text: Any) -> datetime | None:
    """What Belvo writes as `2022-02-09T08:45:50.4060Z`: any digits of a second, which Python 3.10 does not read, any offset."""
    try:
        seconds, point, rest = text.replace("Z", "+00:00").partition(".")
        moment = datetime.fromisoformat(f"{seconds}.{rest[:-6]:0<6.6}{rest[-6:]}" if point else seconds)
    except (AttributeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _is_later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)
