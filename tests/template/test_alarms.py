"""Alarms and dashboard use metrics that exist, and the runbook has an entry for each alarm."""

import json
import re

import pytest
from alarms import (
    ALARM,
    OWN,
    Series,
    alarms,
    alarms_of_widget,
    is_breached,
    metrics_of_alarm,
    series_of_alarm,
    series_of_widget,
    widgets,
)
from rust_sources import metrics
from template import ROOT, of_type, read

RUNBOOK = (ROOT / "docs/operations.md").read_text()
# The width of CloudWatch's grid of widgets.
COLUMNS = 24
TEMPLATE = read()
ALARMS = alarms(TEMPLATE)
ACTIONS = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}


def test_the_metrics_are_read_from_the_source():
    dimensions = {name: metric.dimensions for name, metric in metrics().items()}
    assert len(dimensions) > 30
    assert dimensions["accepted"] == (("stack",),)
    assert dimensions["age_ms"] == (("stack",), ("stack", "webhook_type"))
    assert dimensions["actions"] == (("stack", "action", "outcome"),)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_uses_series_that_exist(name: str):
    assert [each for each in series_of_alarm(ALARMS[name]).values() if not each.exists] == []
    for metric in metrics_of_alarm(ALARMS[name]).values():
        values = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        assert metric["Namespace"] != OWN or values["stack"] == {"Ref": "AWS::StackName"}


def test_an_unknown_series_does_not_exist():
    assert not Series(OWN, "accepted", ("stack", "reason")).exists
    assert not Series(OWN, "Accepted", ("stack",)).exists
    assert not Series("AWS/SQS", "ApproximateAgeOfOldestMessage", ("Queue",)).exists


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_notifies_the_topic_and_links_its_runbook_entry(name: str):
    alarm = ALARMS[name]
    assert (alarm["AlarmActions"], alarm["OKActions"]) == (ACTIONS, ACTIONS)
    assert re.search(rf"\. See docs/operations\.md#{name.lower()}$", alarm["AlarmDescription"])
    section = re.search(rf"^### {name}\n\n(.*?)(?=^##)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section, f"docs/operations.md has no section {name}"
    assert re.findall(r"^- \*\*(\w+)\*\* ", section[1], re.MULTILINE) == ["Means", "Look", "Do"]
    assert f"[{name}](#{name.lower()})" in RUNBOOK, "it is in the table of alarms"


def test_missing_data_is_a_breach_only_for_the_alarm_on_missing_runs():
    silent = [name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] != "notBreaching"]
    assert silent == ["ReconcileStoppedAlarm"]


ON_METRIC_MATH = {name: alarm for name, alarm in ALARMS.items() if "Metrics" in alarm}

# Values of an alarm's series in a period; a missing series has no datapoint. First healthy periods, then breaches.
PERIODS = {
    "NothingAcceptedAlarm": (
        [{}, {"accepted": 40}, {"credentials": 2}, {"errors": 0}, {"accepted": 1, "credentials": 500, "errors": 7}],
        [{"credentials": 3}, {"addresses": 3}, {"errors": 3}, {"credentials": 1, "addresses": 1, "errors": 1}],
    ),
    "ReconcileStoppedAlarm": ([{"runs": 4}, {"runs": 1}], [{}]),
    "TableThrottleAlarm": (
        [{}, {"table": 0, "gsi1": 0, "gsi2": 0}],
        [{"table": 1}, {"gsi1": 1}, {"gsi2": 1}, {"table": 0, "gsi1": 3}],
    ),
}


@pytest.mark.parametrize("name", ON_METRIC_MATH)
def test_an_expression_is_breached_in_exactly_the_unhealthy_periods(name: str):
    healthy, not_healthy = PERIODS[name]
    assert [values for values in healthy if is_breached(ON_METRIC_MATH[name], values)] == []
    assert [values for values in not_healthy if not is_breached(ON_METRIC_MATH[name], values)] == []


@pytest.mark.parametrize("name", ON_METRIC_MATH)
def test_all_series_of_an_expression_have_one_period_and_are_sums(name: str):
    """CloudWatch accepts series with different periods, and then evaluates something else."""
    series = [each["MetricStat"] for each in ON_METRIC_MATH[name]["Metrics"] if "MetricStat" in each]
    assert len({each["Period"] for each in series}) == 1
    assert {each["Stat"] for each in series} == {"Sum"}
    assert set(re.findall(r"[a-z]\w*", expression_of(name))) == series_of_alarm(ON_METRIC_MATH[name]).keys()


@pytest.mark.parametrize("name", ON_METRIC_MATH)
def test_every_series_of_an_expression_is_filled_with_zero(name: str):
    """A sum has no datapoint where one of its series has none."""
    bare = re.sub(r"FILL\(\w+, 0\)", "", expression_of(name))
    assert re.findall(r"[a-z]\w*", bare) == []


@pytest.mark.parametrize("name", ON_METRIC_MATH)
def test_an_alarm_on_metric_math_is_not_deployed_to_a_local_aws(name: str):
    """A local AWS rejects the whole stack because of one. The dashboard shows the deployed alarms."""
    assert TEMPLATE["Resources"][name]["Condition"] == "HasMetricMath"
    assert TEMPLATE["Conditions"]["HasMetricMath"] == {"Fn::Equals": [{"Ref": "AwsEndpointUrl"}, ""]}


def expression_of(name: str) -> str:
    [expression] = [each["Expression"] for each in ON_METRIC_MATH[name]["Metrics"] if "Expression" in each]
    return expression


def test_the_alarm_on_the_table_includes_every_index():
    indexes = {each["IndexName"] for each in TEMPLATE["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]}
    dimensions = [each["Dimensions"] for each in metrics_of_alarm(ALARMS["TableThrottleAlarm"]).values()]
    named = {each["Value"] for parts in dimensions for each in parts if each["Name"] == "GlobalSecondaryIndexName"}
    shown = json.dumps(widgets(TEMPLATE))
    assert named == indexes
    assert all(f'"GlobalSecondaryIndexName", "{index}"' in shown for index in indexes)


def test_the_topic_has_no_key_that_cloudwatch_cannot_use():
    topics = dict(of_type(TEMPLATE["Resources"], "AWS::SNS::Topic"))
    assert all("KmsMasterKeyId" not in topic["Properties"] for topic in topics.values()) and topics


def test_every_series_of_the_dashboard_exists():
    series = series_of_dashboard()
    assert len(series) > 50
    assert [each for each in series if not each.exists] == []


def test_every_metric_of_the_functions_is_on_the_dashboard():
    shown = {each.metric for each in series_of_dashboard() if each.namespace == OWN}
    assert shown == metrics().keys()


def series_of_dashboard() -> list[Series]:
    return [series for widget in widgets(TEMPLATE) for series in series_of_widget(widget)]


def test_the_dashboard_shows_every_alarm_first():
    first = widgets(TEMPLATE)[0]
    assert alarms_of_widget(first) == [name for name, _ in of_type(TEMPLATE["Resources"], ALARM)]


def test_widgets_neither_overlap_nor_leave_the_grid():
    taken: dict[tuple[int, int], str] = {}
    for widget in widgets(TEMPLATE):
        assert widget["x"] + widget["width"] <= COLUMNS
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert taken.setdefault((x, y), widget["properties"]["title"]) == widget["properties"]["title"]
