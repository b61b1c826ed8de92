"""A peer's sync function leaves the same in the table as ours does."""

import http.client
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from belvo import Belvo
from conftest import require
from implementations import Implementation
from stage import TABLE, Stage
from test_webhook import metric_names

# Two full pages and a part of one.
TRANSACTIONS = 2_300
# An event counts as covered when it was received more than 250 ms before a listing began.
QUEUED_S = 0.5

# What is another in each run: stamps and times.
OF_THE_RUN = {
    "fetched_at", "last_pass_at", "last_success_at", "listed_at", "listing_began_at", "expires_at", "clock",
    "last_synced_at", "missing_since",
}
# What the peers leave out (bench/peers/README.md): the schedule's attributes.
LEFT_OUT = {"relist_at", "drifts", "gsi2pk", "gsi2sk"}


@dataclass
class Pair:
    belvo: Belvo
    ours: Stage
    peer: Stage

    def sync(self, link: str) -> dict[str, int]:
        """Delivers one event about what is there now to both, each in a fresh environment; gives the peer's calls."""
        time.sleep(QUEUED_S)
        event = self.belvo.historical_update(link)
        for stage in (self.ours, self.peer):
            stage.start("sync")
            stage.take_calls()
            assert stage.invoke(event) == {"batchItemFailures": []}, stage.lines()
        return self.peer.take_calls()

    def compare(self, link: str) -> dict[str, dict[str, Any]]:
        """Compares all items of the link; gives the peer's."""
        expected, is_there = (comparable(stage.link_items(link)) for stage in (self.ours, self.peer))
        assert is_there.keys() == expected.keys()
        for key, item in expected.items():
            assert is_there[key] == item, key
        return self.peer.link_items(link)

    def last_event(self, link: str) -> dict[str, Any]:
        return list(self.peer.link_items(link, "EVENT#").values())[-1]


def comparable(items: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Items without what is another in each run; that there is a time does count."""
    kept = {}
    for key, item in items.items():
        kept[key] = {
            name: "a time" if name in OF_THE_RUN else value for name, value in item.items() if name not in LEFT_OUT
        }
    return kept


@pytest.fixture(scope="module")
def belvo() -> Iterator[Belvo]:
    belvo = Belvo()
    yield belvo
    belvo.end()


@pytest.fixture
def pair(belvo: Belvo, ours: Implementation, peer: Implementation) -> Iterator[Pair]:
    for implementation in (ours, peer):
        require(implementation, "sync")
    with Stage(ours, belvo) as our_stage, Stage(peer, belvo) as peer_stage:
        yield Pair(belvo, our_stage, peer_stage)


def records(items: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in items.items() if key.startswith("TRANSACTIONS#")}


def test_a_first_load_leaves_the_same_items(pair: Pair) -> None:
    link = pair.belvo.new_link(TRANSACTIONS)
    calls = pair.sync(link)
    items = pair.compare(link)
    assert len(records(items)) == TRANSACTIONS
    event = pair.last_event(link)
    assert (event["outcome"], event["written"], event["pages"]) == ("applied", str(TRANSACTIONS + 3), "3")
    assert calls["dynamodb.PutItem"] == TRANSACTIONS + 3, "each record and account was written once"


def test_an_unchanged_list_writes_no_record(pair: Pair) -> None:
    link = pair.belvo.new_link(TRANSACTIONS)
    pair.sync(link)
    before = pair.peer.link_items(link, "TRANSACTIONS#")
    calls = pair.sync(link)
    assert "dynamodb.PutItem" not in calls
    assert pair.peer.link_items(link, "TRANSACTIONS#") == before
    pair.compare(link)
    assert pair.last_event(link)["unchanged"] == str(TRANSACTIONS + 3)


def test_what_changed_is_written_what_is_new_is_added_and_what_is_gone_is_marked(pair: Pair) -> None:
    link = pair.belvo.new_link(TRANSACTIONS)
    pair.sync(link)
    before = pair.peer.link_items(link, "TRANSACTIONS#")
    changed = pair.belvo.change(link, add=40, update=25, delete=30)
    calls = pair.sync(link)
    after = records(pair.compare(link))
    assert calls["dynamodb.PutItem"] == 65
    missing = {key.partition("#")[2] for key, item in after.items() if "missing_since" in item}
    assert missing == set(changed["deleted"])
    rewritten = {key.partition("#")[2] for key, item in before.items() if after[key]["fetched_at"] != item["fetched_at"]}
    assert rewritten == set(changed["updated"])
    pair.belvo.change(link, restore=changed["deleted"])
    pair.sync(link)
    assert not [item for item in records(pair.compare(link)).values() if "missing_since" in item]


def test_new_balances_of_the_accounts_are_stored(pair: Pair) -> None:
    link = pair.belvo.new_link(100)
    pair.sync(link)
    before = pair.peer.link_items(link, "ACCOUNTS#")
    pair.belvo.change(link, add=1, refresh_accounts=True)
    pair.sync(link)
    pair.compare(link)
    assert pair.peer.link_items(link, "ACCOUNTS#") != before


def test_every_shape_that_belvo_may_send_is_stored_alike(pair: Pair) -> None:
    """But for what is nested deeper than DynamoDB takes, which ours keeps as text and the peers leave out."""
    link = pair.belvo.new_link(400, wild=True)
    pair.sync(link)
    expected, is_there = (comparable(stage.link_items(link)) for stage in (pair.ours, pair.peer))
    assert is_there.keys() == expected.keys()
    plain = {key: item for key, item in expected.items() if not is_deep(item)}
    assert len(records(plain)) > 200
    for key, item in plain.items():
        assert is_there[key] == item, key


def is_deep(item: dict[str, Any]) -> bool:
    return any(path["S"].count(".") >= 30 for path in item.get("as_text", []))


def test_every_spelling_of_a_number_is_kept_alike(pair: Pair) -> None:
    """Also of those that DynamoDB cannot keep, and that stand there as text. Here as what a webhook says."""
    link = pair.belvo.new_link(1)
    spellings = """0 -0 7 -7 10 1500 1.10 -1.50 0.5 0.0 -0.0 1e2 1E+2 1e-2 12.50e1 100000000000000000000 1e20 1e21 1e22
        123456789012345678901234567890 12345678901234567890123456789012345678 123456789012345678901234567890123456789
        1.23456789012345678901234567890123456789 0.00000000000000000001 0.000000000000000000001 1e-21 1e-22 5e-130 5e-131
        9e125 1e126 1E400 -3e-400 0e999 0.1e1 9e37 1e38 1e39 5e-128 5e-129""".split()
    data = ", ".join(f'"n{number}": {spelling}' for number, spelling in enumerate(spellings))
    event = pair.belvo.historical_update(link)
    message = json.loads(event["Records"][0]["body"])
    message["webhook"]["data"] = "here"
    event["Records"][0]["body"] = json.dumps(message).replace('"here"', f"{{{data}}}")
    for stage in (pair.ours, pair.peer):
        stage.start("sync")
        assert stage.invoke(event) == {"batchItemFailures": []}
    pair.compare(link)
    assert len(pair.last_event(link)["data"]) == len(spellings)


def test_a_stale_write_loses(pair: Pair) -> None:
    link = pair.belvo.new_link(50)
    pair.sync(link)
    key, item = next(iter(pair.peer.link_items(link, "TRANSACTIONS#").items()))
    newer = {
        "pk": {"S": f"LINK#{link}"}, "sk": {"S": key}, "fetched_at": {"N": "9000000000000"},
        "content_hash": {"S": "of a newer snapshot"}, "data": {"M": {"id": {"S": key.partition("#")[2]}}},
    }
    for stage in (pair.ours, pair.peer):
        put(stage, newer)
    pair.sync(link)
    pair.compare(link)
    assert pair.peer.link_items(link, key)[key]["content_hash"] == "of a newer snapshot"
    assert pair.last_event(link)["stale"] == "1"


def test_a_pass_that_was_overtaken_stops_and_its_message_comes_back(pair: Pair) -> None:
    link = pair.belvo.new_link(TRANSACTIONS)
    event = pair.belvo.historical_update(link)
    overtaker = {"pk": {"S": f"LINK#{link}"}, "sk": {"S": "LINK"}, "clock": {"N": "9000000000000"}}
    for stage in (pair.ours, pair.peer):
        stage.aws.call("PUT", "/_settings", {"dynamodb_latency_ms": 20})
        stage.start("sync")
        with ThreadPoolExecutor(1) as beside:
            answer = beside.submit(stage.invoke, event)
            while not stage.link_items(link, "TRANSACTIONS#"):
                time.sleep(0.01)
            # While the first page is being written.
            put(stage, overtaker)
            assert answer.result() == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
        assert 0 < len(stage.link_items(link, "TRANSACTIONS#")) <= 1_000
        [noted] = stage.link_items(link, "EVENT#").values()
        assert noted["outcome"] == "processing"
        assert "last_success_at" not in stage.link_items(link, "SYNC#")["SYNC#TRANSACTIONS"]


def test_a_list_that_says_less_than_was_announced_is_in_doubt(pair: Pair) -> None:
    link = pair.belvo.new_link(50)
    pair.belvo.call("POST", "/_control/faults", [{"match": {"link": link}, "fault": {"wrong_count": 1}}])
    try:
        pair.sync(link)
    finally:
        pair.belvo.call("DELETE", "/_control/faults")
    items = pair.compare(link)
    assert items["SYNC#TRANSACTIONS"]["check"] == "drift"


def test_an_event_from_before_the_last_listing_is_covered(pair: Pair) -> None:
    link = pair.belvo.new_link(20)
    old = pair.belvo.historical_update(link, received_at_ms=time.time_ns() // 1_000_000 - 60_000)
    pair.sync(link)
    for stage in (pair.ours, pair.peer):
        assert stage.invoke(old) == {"batchItemFailures": []}
    items = pair.compare(link)
    assert sorted(item["outcome"] for key, item in items.items() if key.startswith("EVENT#")) == ["applied", "covered"]


def test_a_message_comes_back_when_belvo_fails_and_says_why_in_the_table(pair: Pair) -> None:
    link = pair.belvo.new_link(20)
    event = pair.belvo.historical_update(link)
    pair.belvo.call("POST", "/_control/faults", [{"match": {"path_prefix": "/api/"}, "fault": {"status": 503}}])
    try:
        for stage in (pair.ours, pair.peer):
            stage.start("sync")
            assert stage.invoke(event) == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    finally:
        pair.belvo.call("DELETE", "/_control/faults")
    assert pair.compare(link)["SYNC#TRANSACTIONS"]["last_error"] == "belvo_unavailable"
    for stage in (pair.ours, pair.peer):
        assert stage.invoke(event) == {"batchItemFailures": []}
    assert len(records(pair.compare(link))) == 20
    assert pair.last_event(link)["attempts"] == "2"


def test_a_peer_goes_on_with_a_table_of_ours(pair: Pair) -> None:
    """The hash, the clock and the watermark are the same, so that nothing is written again."""
    link = pair.belvo.new_link(1_200)
    event = pair.belvo.historical_update(link)
    pair.peer.start("sync", pair.ours.implementation)
    assert pair.peer.invoke(event) == {"batchItemFailures": []}
    pair.peer.take_calls()
    time.sleep(QUEUED_S)
    pair.peer.start("sync")
    assert pair.peer.invoke(pair.belvo.historical_update(link)) == {"batchItemFailures": []}
    assert "dynamodb.PutItem" not in pair.peer.take_calls()
    assert pair.last_event(link)["unchanged"] == "1203"


def test_the_log_has_the_facts_of_a_message_and_nothing_personal(pair: Pair) -> None:
    link = pair.belvo.new_link(30)
    pair.sync(link)
    transaction = json.loads(pair.belvo.call("GET", f"/_control/links/{link}/truth?resource=transactions").splitlines()[0])
    for stage in (pair.ours, pair.peer):
        lines = stage.lines()
        text = "\n".join(lines)
        for personal in (transaction["description"], transaction["id"], "password"):
            assert not re.search(rf"\b{re.escape(personal)}\b", text)
        facts: dict[str, Any] = {}
        for line in lines:
            facts |= json.loads(line)
        wanted = {
            "link_id": link, "webhook_type": "TRANSACTIONS", "webhook_code": "historical_update", "attempt": 1,
            "outcome": "applied", "pages": 1, "written": 33, "check": "verified", "message": "worked on a message",
        }
        facts["written"] = int(only(facts["written"]))
        assert {name: facts.get(name) for name in wanted} == wanted
        assert {"syncs", "elapsed_ms", "age_ms", "written", "checked", "belvo_2xx"} <= metric_names(text)


def only(value: Any) -> Any:
    """Powertools writes the values of a metric as a list."""
    return value[0] if isinstance(value, list) else value


def put(stage: Stage, item: dict[str, Any]) -> None:
    """An item of another pass, behind the function's back."""
    connection = http.client.HTTPConnection(stage.aws.address, timeout=10)
    body = json.dumps({"TableName": TABLE, "Item": item})
    connection.request("POST", "/", body, {"X-Amz-Target": "DynamoDB_20120810.PutItem"})
    assert connection.getresponse().status == 200
    connection.close()
