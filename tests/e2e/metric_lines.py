"""Extracts metrics from log lines as CloudWatch does, and feeds them to copies of the stack's alarms.

The local AWS extracts no metrics from logs, and its alarms ignore dimensions: they combine all series of a metric. So the
tests copy an alarm into a separate account, and give it only the datapoints of its own series. They show that the function
wrote the series when the cause was present, and that these values raise the alarm.
"""

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import boto3
from alarms import alarms, is_breached, metrics_of_alarm
from deployment import Deployment, wait_until
from stack.settings import REGION
from template import read

NAMESPACE = "belvo-sync"
UNITS = {"Count", "Milliseconds"}
MAX_DIMENSIONS = 30
MAX_METRICS = 100

# The local AWS accepts twelve digits as id and access key of an account.
ACCOUNTS = itertools.count(100_000_000_001)


@dataclass(frozen=True)
class Datapoint:
    metric: str
    dimensions: frozenset[tuple[str, str]]
    value: float

    @property
    def series(self) -> str:
        """Returns `name{dimension=value,...}` without the stack."""
        words = sorted(f"{name}={value}" for name, value in self.dimensions if name != "stack")
        return f"{self.metric}{{{','.join(words)}}}" if words else self.metric


def lines(deployment: Deployment) -> list[dict]:
    """Returns every JSON line of the functions' logs."""
    return [line for event in deployment.logs() for text in event.splitlines() if (line := as_json(text))]


def as_json(text: str) -> dict | None:
    # The local AWS may write a prefix before a line. CloudWatch skips one too.
    start = text.find("{")
    try:
        line = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def datapoints(line: dict) -> Iterator[Datapoint]:
    """Yields CloudWatch's datapoints of a line. Fails where CloudWatch would silently drop one.

    (CloudWatch user guide, "Specification: Embedded metric format".)
    """
    if "_aws" not in line:
        return
    assert line["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    # CloudWatch accepts timestamps from two weeks ago until two hours ahead.
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 2 * 60 * 60
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert directive["Namespace"] == NAMESPACE
        assert directive["Dimensions"], "at least one set"
        assert 0 < len(directive["Metrics"]) <= MAX_METRICS
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= MAX_DIMENSIONS
            values = {name: line[name] for name in dimensions}
            assert all(isinstance(value, str) and 0 < len(value) <= 1024 and value.isascii() for value in values.values())
            for metric in directive["Metrics"]:
                assert metric["Unit"] in UNITS
                value = line[metric["Name"]]
                assert isinstance(value, int | float) and not isinstance(value, bool)
                yield Datapoint(metric["Name"], frozenset(values.items()), value)


def counts(found: Iterable[dict]) -> Counter[str]:
    """Returns the sums of all counts on these lines, by series."""
    sums: Counter[str] = Counter()
    for datapoint in (each for line in found for each in datapoints(line)):
        if not datapoint.metric.endswith("_ms"):
            sums[datapoint.series] += datapoint.value
    return sums


class AlarmCopy:
    """A copy of a deployed alarm in a separate account."""

    def __init__(self, deployment: Deployment, logical_id: str) -> None:
        resources = deployment.aws.client("cloudformation")
        name = resources.describe_stack_resource(
            StackName=deployment.settings.stack_name, LogicalResourceId=logical_id
        )["StackResourceDetail"]["PhysicalResourceId"]
        [self.definition] = deployment.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        self._client = boto3.Session(str(next(ACCOUNTS)), "test", region_name=REGION).client(
            "cloudwatch", endpoint_url=deployment.settings.aws_url
        )
        names = (
            "AlarmName", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods",
            "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData",
        )  # fmt: skip
        copied = {each: self.definition[each] for each in names if each in self.definition}
        self._client.put_metric_alarm(**copied, ActionsEnabled=False)

    @property
    def dimensions(self) -> frozenset[tuple[str, str]]:
        return frozenset((each["Name"], each["Value"]) for each in self.definition["Dimensions"])

    def own(self, found: Iterable[dict]) -> list[float]:
        """Returns the values of the alarm's series on these lines."""
        assert self.definition["Namespace"] == NAMESPACE
        wanted = (self.definition["MetricName"], self.dimensions)
        points = (each for line in found for each in datapoints(line))
        return [each.value for each in points if (each.metric, each.dimensions) == wanted]

    def state_after(self, values: Iterable[float]) -> str:
        """Puts these values with the current time. Returns the alarm's state."""
        dimensions = [{"Name": name, "Value": value} for name, value in sorted(self.dimensions)]
        metric = {"MetricName": self.definition["MetricName"], "Dimensions": dimensions}
        for value in values:
            data = [metric | {"Timestamp": time.time(), "Value": value}]
            self._client.put_metric_data(Namespace=self.definition["Namespace"], MetricData=data)
        [alarm] = self._client.describe_alarms(AlarmNames=[self.definition["AlarmName"]])["MetricAlarms"]
        return alarm["StateValue"]


class MathAlarm:
    """An alarm on metric math in the template. The local AWS has none, so this class evaluates it."""

    def __init__(self, deployment: Deployment, logical_id: str) -> None:
        self._definition = alarms(read())[logical_id]
        self._references = {"AWS::StackName": deployment.settings.stack_name}

    def own(self, found: Iterable[dict]) -> dict[str, float]:
        """Returns the sums of the alarm's series on these lines."""
        sums: Counter[str] = Counter()
        points = [each for line in found for each in datapoints(line)]
        for name, metric in metrics_of_alarm(self._definition).items():
            if metric["Namespace"] == NAMESPACE:
                wanted = (metric["MetricName"], frozenset(map(self._dimension, metric["Dimensions"])))
                for each in points:
                    if (each.metric, each.dimensions) == wanted:
                        sums[name] += each.value
        return dict(sums)

    def _dimension(self, dimension: dict) -> tuple[str, str]:
        value = dimension["Value"]
        return dimension["Name"], self._references[value["Ref"]] if isinstance(value, dict) else value

    def rings(self, values: dict[str, float]) -> bool:
        """Returns `True` if a period with these sums, and no other datapoints, is a breach."""
        return is_breached(self._definition, values)


def wait_for_lines(deployment: Deployment, wanted: int, **members: object) -> list[dict]:
    """Waits for this number of lines with these members, and returns them."""

    def found() -> list[dict]:
        return [line for line in lines(deployment) if all(line.get(name) == value for name, value in members.items())]

    return wait_until(lambda: len(found()) >= wanted and found(), lambda: f"{wanted} lines with {members}: {found()}")
