"""The metrics that the alarms and the dashboard of template.yaml use, and which of them exist."""

import json
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rust_sources import metrics
from template import of_type

OWN = "belvo-sync"
ALARM = "AWS::CloudWatch::Alarm"

# The metrics of AWS in use, with the sets of dimensions that AWS documents: for SQS "Available CloudWatch metrics
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
    """A metric and the names of its dimensions, as an alarm or a widget uses them."""

    namespace: str
    metric: str
    dimensions: tuple[str, ...]

    @property
    def exists(self) -> bool:
        if self.namespace == OWN:
            metric = metrics().get(self.metric)
            return metric is not None and set(self.dimensions) in map(set, metric.dimensions)
        names, sets = DOCUMENTED.get(self.namespace, (set(), ()))
        return self.metric in names and set(self.dimensions) in sets


def alarms(template: dict) -> dict[str, dict]:
    return {name: resource["Properties"] for name, resource in of_type(template["Resources"], ALARM)}


def series_of_alarm(alarm: dict) -> dict[str, Series]:
    """Returns the series of an alarm by their ids in its expression. A single series has the id `value`."""
    return {
        name: Series(each["Namespace"], each["MetricName"], tuple(part["Name"] for part in each["Dimensions"]))
        for name, each in metrics_of_alarm(alarm).items()
    }


def metrics_of_alarm(alarm: dict) -> dict[str, dict]:
    if "Metrics" not in alarm:
        return {"value": alarm}
    return {each["Id"]: each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each}


# The functions of metric math in use, for one period. A series without a datapoint is None.
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
    """Returns `True` if a period with these values breaches the threshold of an alarm on metric math.

    Series without a value have no datapoint. Metric math and Python have the same syntax for these expressions (CloudWatch
    user guide, "Metric math syntax and functions").
    """
    expressions = [each["Expression"] for each in alarm["Metrics"] if each.get("ReturnData", True)]
    [expression] = expressions
    series = dict.fromkeys(series_of_alarm(alarm)) | values
    value = eval(expression, {"__builtins__": {}}, METRIC_MATH | series)  # noqa: S307 (the project's own template)
    return COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])


def widgets(template: dict) -> list[dict]:
    """Returns the widgets of the dashboard as it is on AWS, from top to bottom and from left to right."""
    body, variables = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in variables.items():
        _, on_aws, _ = value["Fn::If"]
        body = body.replace(f"${{{name}}}", on_aws["Fn::Sub"])
    return sorted(json.loads(body)["widgets"], key=lambda widget: (widget["y"], widget["x"]))


def alarms_of_widget(widget: dict) -> list[str]:
    return [re.fullmatch(r"\$\{(\w+)\.Arn\}", alarm)[1] for alarm in widget["properties"]["alarms"]]


def series_of_widget(widget: dict) -> Iterator[Series]:
    for entry in widget["properties"].get("metrics", []):
        if isinstance(entry[0], str):
            namespace, metric, *rest, _ = entry
            yield Series(namespace, metric, tuple(rest[::2]))
        else:
            schema, metric = re.match(r"SEARCH\('\{(.*)\} MetricName=\"(\w+)\"", entry[0]["expression"]).groups()
            namespace, *dimensions = schema.split(",")
            yield Series(json.loads(namespace), metric, tuple(dimensions))
