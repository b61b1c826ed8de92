"""The change that each stream record stands for. The records are files in tests/records: see README.md, "Tests"."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from changes import Change, Kind, read

RECORDS = Path(__file__).parent / "records"

MEANT = {
    "new": Kind.NEW,
    "exact-amounts": Kind.NEW,
    "came-back": Kind.NEW,
    "changed": Kind.CHANGED,
    "deleted": Kind.DELETED,
    "missing": Kind.MISSING,
    "found": Kind.FOUND,
    "removed": Kind.REMOVED,
    "link-needs-its-user": Kind.LINK,
    "link-active-again": Kind.LINK,
    "link-erased": Kind.LINK,
}


def record(name: str) -> dict:
    return json.loads((RECORDS / f"{name}.json").read_text())


def change(name: str) -> Change:
    found = read(record(name))
    assert found is not None
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDS.glob("*.json")))
def test_every_record_is_one_kind_of_change_or_none(name: str):
    found = read(record(name))
    assert (found.kind if found else None) == MEANT.get(name)


def test_there_is_a_record_for_each_kind():
    assert set(MEANT.values()) == set(Kind)


def test_a_change_names_the_link_the_resource_and_belvos_id():
    new = change("new")
    assert (new.link_id, new.resource) == ("837ff532-f755-4222-9a23-bb73501b57bf", "TRANSACTIONS")
    assert new.record_id == new.data["id"]
    assert new.before is None


def test_a_changed_object_has_its_old_and_its_new_content():
    changed = change("changed")
    assert changed.data["id"] == changed.before["id"] == changed.record_id
    assert changed.data != changed.before


def test_a_deleted_object_has_its_last_known_state():
    deleted = change("deleted")
    assert deleted.data is None and deleted.before["id"] == deleted.record_id
    assert change("removed").data is None and change("removed").before["id"] == change("removed").record_id


def test_a_missing_object_keeps_its_data_and_has_the_time():
    missing, found = change("missing"), change("found")
    assert missing.data["id"] == missing.record_id and missing.missing_since == 1795328648898
    assert found.missing_since is None and found.data == missing.data


def test_amounts_are_decimals_with_every_digit():
    exact = change("exact-amounts")
    assert exact.data["amount"] == Decimal("999999999999999.9999") and str(exact.data["balance"]) == "3.8E-7"
    assert not [value for value in everything(exact.data) if isinstance(value, float)]


def test_a_link_has_its_status_and_the_action_of_its_user():
    needs, again = change("link-needs-its-user"), change("link-active-again")
    assert needs.data == {"status": "token_required", "action": "give_token"}
    assert again.before == needs.data and again.data == {"status": "active", "action": None}
    assert change("link-erased").data["status"] == "erased"


def test_versions_of_a_record_grow():
    assert change("new").version < change("changed").version < change("came-back").version
    assert change("deleted").version < change("came-back").version
    assert change("missing").version < change("found").version


def test_a_missing_object_keeps_its_version():
    entry = record("missing")["dynamodb"]
    assert entry["OldImage"]["fetched_at"] == entry["NewImage"]["fetched_at"] == {"N": str(change("missing").version)}


def test_a_change_prints_without_its_data():
    printed = repr(change("changed"))
    assert change("changed").record_id in printed
    texts = [value for value in everything(change("changed").data) if isinstance(value, str) and len(value) > 8]
    names = {change("changed").record_id, change("changed").link_id}
    assert len(texts) > 5 and not [text for text in texts if text in printed and text not in names]


def everything(value):
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from everything(child)
