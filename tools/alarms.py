"""What the alarms and the dashboard of template.yaml look at, and which of it exists."""

import json
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

from template import ROOT, of_type

OWN = "belvo-sync"
ALARM = "AWS::CloudWatch::Alarm"

# AWS's metrics that we use, with the sets of dimensions that AWS documents for them: for SQS "Available CloudWatch metrics
# for Amazon SQS", for HTTP APIs "Working with metrics for HTTP APIs", for Lambda "Types of metrics for Lambda functions",
# for DynamoDB "DynamoDB metrics and dimensions".
DOCUMENTED = {
    "AWS/SQS": (
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"},
        ({"QueueName"},),
    ),
    "AWS/ApiGateway": ({"4xx", "5xx", "Count", "Latency", "IntegrationLatency"}, ({"ApiId"}, {"ApiId", "Stage"})),
    "AWS/Lambda": (
        {"Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions"},
        ({"FunctionName"}, {"FunctionName", "Resource"}),
    ),
    "AWS/DynamoDB": (
        {"WriteThrottleEvents", "ReadThrottleEvents", "ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"},
        ({"TableName"}, {"TableName", "GlobalSecondaryIndexName"}),
    ),
}


@dataclass(frozen=True)
class Series:
    """A metric with its dimensions, as an alarm or a widget names it."""

    namespace: str
    metric: str
    dimensions: tuple[str, ...]

    @property
    def exists(self) -> bool:
        if self.namespace == OWN:
            return set(self.dimensions) in own_metrics().get(self.metric, [])
        metrics, sets = DOCUMENTED.get(self.namespace, (set(), ()))
        return self.metric in metrics and set(self.dimensions) in sets


def own_metrics() -> dict[str, list[set[str]]]:
    """By name, the sets of dimensions. From the page, which a test compares with crates/runtime/src/metrics.rs."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]+) \|", section, re.MULTILINE)
    return {name: [{"stack", *re.findall(r"`(\w+)`", each)} for each in sets.split(";")] for name, sets in rows}


def alarms(template: dict) -> dict[str, dict]:
    return {name: resource["Properties"] for name, resource in of_type(template["Resources"], ALARM)}


def series_of_alarm(alarm: dict) -> dict[str, Series]:
    """By their ids in its expression; of an alarm on a single series that one."""
    return {
        name: Series(each["Namespace"], each["MetricName"], tuple(part["Name"] for part in each["Dimensions"]))
        for name, each in metrics_of_alarm(alarm).items()
    }


def metrics_of_alarm(alarm: dict) -> dict[str, dict]:
    if "Metrics" not in alarm:
        return {"value": alarm}
    return {each["Id"]: each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each}


# What of metric math the alarms use, for one period in which a series may have no value.
METRIC_MATH = {
    "FILL": lambda value, filling: filling if value is None else value,
    "IF": lambda condition, then, otherwise: then if condition else otherwise,
}
COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}


def is_breached(alarm: dict, values: dict[str, float]) -> bool:
    """Is a period over the threshold of an alarm on metric math, in which these series have these values, and others none?

    (CloudWatch user guide, "Metric math syntax and functions".) Metric math and Python write these expressions alike.
    """
    expressions = [each["Expression"] for each in alarm["Metrics"] if each.get("ReturnData", True)]
    [expression] = expressions
    series = dict.fromkeys(series_of_alarm(alarm)) | values
    value = eval(expression, {"__builtins__": {}}, METRIC_MATH | series)  # noqa: S307 (of our own template)
    return COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])


def series_of_dashboard(widgets: list[dict]) -> Iterator[Series]:
    for widget in widgets:
        for entry in widget["properties"].get("metrics", []):
            if isinstance(entry[0], str):
                namespace, metric, *rest, _ = entry
                yield Series(namespace, metric, tuple(rest[::2]))
            else:
                schema, metric = re.match(r"SEARCH\('\{(.*)\} MetricName=\"(\w+)\"", entry[0]["expression"]).groups()
                namespace, *dimensions = schema.split(",")
                yield Series(json.loads(namespace), metric, tuple(dimensions))
