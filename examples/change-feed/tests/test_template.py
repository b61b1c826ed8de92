"""The filters pass every change and drop bookkeeping; the role has no more rights than necessary."""

import json
from pathlib import Path

import pytest
from check_template import narrow_roles, own_logs, own_roles
from samtranslator.yaml_helper import yaml_parse
from template import transformed
from test_changes import MEANT, RECORDS, record

SOURCE = yaml_parse((Path(__file__).parents[1] / "template.yaml").read_text())
EVENT_SOURCE = SOURCE["Resources"]["ChangeFeedFunction"]["Properties"]["Events"]["Changes"]["Properties"]
PATTERNS = [json.loads(each["Pattern"]) for each in EVENT_SOURCE["FilterCriteria"]["Filters"]]

# No filter drops these, because it cannot compare the two images.
ONLY_THE_FUNCTION_KNOWS = {"same-content", "link-erased-bookkeeping", "record-expired"}


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDS.glob("*.json")))
def test_only_changes_cost_an_invocation(name: str):
    passes = any(matches(record(name), pattern) for pattern in PATTERNS)
    assert passes == (name in MEANT or name in ONLY_THE_FUNCTION_KNOWS)


def test_the_filters_look_at_what_lambda_looks_at():
    """Lambda filters a table's stream by the key `dynamodb` only. Its default quota is five patterns of 4,096 characters."""
    assert {key for pattern in PATTERNS for key in pattern} == {"dynamodb"}
    assert len(PATTERNS) <= 5 and max(len(json.dumps(pattern)) for pattern in PATTERNS) <= 4096


def test_what_fails_is_retried_in_bounds_and_then_reported():
    assert EVENT_SOURCE["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert EVENT_SOURCE["BisectBatchOnFunctionError"] is True
    # Lambda's default is until the stream has forgotten it, and then nobody is told.
    assert 0 < EVENT_SOURCE["MaximumRetryAttempts"] < 100
    # It begins with what is a day old: a limit by age would give that up before it was tried.
    assert EVENT_SOURCE["StartingPosition"] == "TRIM_HORIZON"
    assert EVENT_SOURCE["MaximumRecordAgeInSeconds"] == -1
    assert EVENT_SOURCE["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["Failures", "Arn"]}


def test_the_role_has_only_necessary_rights():
    template = transformed(SOURCE)
    assert list(own_roles(template)) == list(own_logs(template)) == []
    listing = "ChangeFeedRole has a statement with resources that are not listed: ListTheStreams"
    assert list(narrow_roles(template)) == [listing], "no action narrower than a table's streams"


def matches(value: object, pattern: object) -> bool:
    """Lambda's filter rules, as far as the template uses them."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(matches(value.get(key), part) for key, part in pattern.items())
    return any(rule_holds(value, rule) for rule in pattern)


def rule_holds(value: object, rule: object) -> bool:
    match rule:
        case {"exists": True}:
            return isinstance(value, str)
        case {"anything-but": words}:
            return isinstance(value, str) and value not in words
        case str():
            return value == rule
    raise AssertionError(f"a rule that this test does not know: {rule}")
