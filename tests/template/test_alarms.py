"""Alarms and dashboard look at metrics that exist, and the runbook has a section for each alarm."""

import re

import pytest
from alarms import ALARM, OWN, Series, alarms, own_metrics, series_of_alarm, series_of_dashboard
from dashboard import BEGIN, COLUMNS, END, PAGE, drawing, labels, widgets
from template import of_type, read

TEMPLATE = read()
ALARMS = alarms(TEMPLATE)
ACTIONS = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}


def test_the_page_of_metrics_can_be_read():
    metrics = own_metrics()
    assert len(metrics) > 30
    assert metrics["accepted"] == [{"stack"}]
    assert metrics["age_ms"] == [{"stack"}, {"stack", "webhook_type"}]
    assert metrics["actions"] == [{"stack", "action", "outcome"}]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_a_series_that_exists(name: str):
    assert series_of_alarm(ALARMS[name]).exists
    if ALARMS[name]["Namespace"] == OWN:
        values = {each["Name"]: each["Value"] for each in ALARMS[name]["Dimensions"]}
        assert values["stack"] == {"Ref": "AWS::StackName"}


def test_a_series_that_nobody_writes_does_not_exist():
    assert not Series(OWN, "accepted", ("stack", "reason")).exists
    assert not Series(OWN, "Accepted", ("stack",)).exists
    assert not Series("AWS/SQS", "ApproximateAgeOfOldestMessage", ("Queue",)).exists


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_and_where_to_read_on(name: str):
    alarm = ALARMS[name]
    assert (alarm["AlarmActions"], alarm["OKActions"]) == (ACTIONS, ACTIONS)
    assert re.search(rf"\. See docs/operations\.md#{name.lower()}$", alarm["AlarmDescription"])
    section = re.search(rf"^### {name}\n\n(.*?)(?=^##)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section, f"docs/operations.md has no section {name}"
    assert all(f"*{what}:*" in section[1] for what in ("Means", "Do")), "what it means, and what to do"
    assert f"[{name}](#{name.lower()})" in PAGE.read_text(), "it is in the table of alarms"


def test_silence_is_an_alarm_only_where_silence_is_what_is_wrong():
    silent = [name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] != "notBreaching"]
    assert silent == ["ReconcileStoppedAlarm"]


def test_the_topic_is_not_encrypted_with_a_key_that_cloudwatch_may_not_use():
    topics = dict(of_type(TEMPLATE["Resources"], "AWS::SNS::Topic"))
    assert all("KmsMasterKeyId" not in topic["Properties"] for topic in topics.values()) and topics


def test_every_series_of_the_dashboard_exists():
    series = list(series_of_dashboard(widgets(TEMPLATE)))
    assert len(series) > 50
    assert [each for each in series if not each.exists] == []


def test_every_metric_of_ours_is_on_the_dashboard():
    shown = {each.metric for each in series_of_dashboard(widgets(TEMPLATE)) if each.namespace == OWN}
    assert shown == own_metrics().keys()


def test_the_dashboard_shows_every_alarm_first():
    first = widgets(TEMPLATE)[0]
    assert labels(first) == [name for name, _ in of_type(TEMPLATE["Resources"], ALARM)]


def test_no_widget_lies_on_another_or_beside_the_grid():
    taken: dict[tuple[int, int], str] = {}
    for widget in widgets(TEMPLATE):
        assert widget["x"] + widget["width"] <= COLUMNS
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert taken.setdefault((x, y), widget["properties"]["title"]) == widget["properties"]["title"]


def test_the_runbook_shows_the_dashboard_as_it_is():
    shown = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert shown == drawing(widgets(TEMPLATE)), "make dashboard"
