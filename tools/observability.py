"""Writes docs/observability.md out of the code and template.yaml: log events, metrics, alarms, the dashboard.

    PYTHONPATH=tools .tools/aws/bin/python tools/observability.py            writes the page
    PYTHONPATH=tools .tools/aws/bin/python tools/observability.py --check    fails when the page is not current

Names, units, dimensions, thresholds and the meanings of metrics and alarms come from the sources. The meanings of log fields
and events are in this file. A field or an event without a description is an error, and so is a description without its field.
"""

import json
import re
import sys
from collections.abc import Iterator

import rust_sources
from alarms import OWN, Series, alarms, metrics_of_alarm, series_of_widget, widgets
from rust_sources import UnknownForm, modules
from template import ROOT, read

PAGE = ROOT / "docs/observability.md"
FUNCTIONS = ("webhook", "sync", "request", "reconcile")
# The source of events; the package and the call that add the counts of Belvo's responses.
EVENT_LOG = ROOT / "crates/runtime/src/event_log.rs"
RESPONSE_COUNTS = ("belvo", "count_requests(")

HEAD = """\
# Observability

<!-- Written by tools/observability.py (`make observability`). Change the code, template.yaml or that tool instead. -->

The functions write structured logs, and CloudWatch extracts the metrics from the same log lines. Alarms and one dashboard use
these metrics. [operations.md](operations.md) is the runbook.

"""

LOGS = """\
## Logs

Each function has the log group `/aws/lambda/<stack>/<function>`. Every line is one JSON object. Each webhook, message, action
and run writes one **event** (`crates/runtime/src/event_log.rs`); the tables below list its fields. Beside events, the functions
write [diagnostics](#diagnostics) at `INFO` and above. Libraries write at `WARN` and above: below it, HTTP clients log headers
and bodies.

- `link_id` and `request_id` are Belvo's ids.
- `webhook_type` and `webhook_code` are words that this release knows. Any other word becomes `other`, because a sender can
  choose it.
- Of Belvo's errors, a log has the status and the code, and the code only if it has the form of one.
- Of AWS's errors, a log has the code, or the step at which the call failed. The SDK's own texts repeat keys, values and responses.
- **Never logged:** bodies, headers, query strings, names, account numbers, descriptions, amounts, `external_id`, credentials.
  An end-to-end test puts canaries into webhooks and into Belvo's data, and searches every log group for them.

"""

METRICS = """\
## Metrics

Events are in CloudWatch's [embedded metric
format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
the field `_aws` names those fields that CloudWatch keeps as metrics. This costs no call and no permission. A metric, its
dimensions and the fields of the log have the same names. The namespace is `belvo-sync`; the source is
`crates/runtime/src/metrics.rs`.

Every metric has the dimension `stack`, the name of the stack. "-; `webhook_type`" means two series: one for all types together,
and one for each type. Only words of this project's own source can become values of dimensions, so no sender can create series.
A count of zero is a field of its event, but no datapoint.

CloudWatch bills each combination of a metric and its dimensions' values that occurs in a month. A stack that syncs two types
and has few failures has about thirty.

"""

ALARMS = """\
## Alarms

Each alarm has an entry in the runbook: its name links there. A condition holds for one period unless it says otherwise. Missing
data counts as healthy unless it says otherwise.

"""

DASHBOARD = """\
## Dashboard

The output `DashboardName` names the dashboard. Its rows follow a webhook from top to bottom: alarms, waiting messages, the
front door, syncs, Belvo and the table, the schedule and actions, Lambda and DynamoDB.

"""

# The fields of every event (EVENT_LOG).
COMMON = {
    "timestamp": "time of the event, RFC 3339, UTC, with milliseconds",
    "level": "`INFO`: success. `WARN`: a failure that the function handled. `ERROR`: a failure that needs attention",
    "message": "the event, see below",
    "target": "the function",
    "stack": "name of the stack",
    "_aws": "which fields are metrics (embedded metric format); absent without metrics",
}

# When a function writes an event, by the event's message.
EVENTS = {
    "webhook": {
        "accepted a webhook": "SQS has stored all messages of a webhook; the response is a 202",
        "refused a webhook": "the sender's address, credentials or body are not acceptable; the response is a 4xx",
        "cannot enqueue": "SQS did not store all messages; the response is a 503",
        "enqueueing took too long": "SQS did not respond in time; the response is a 503",
        "cannot read the webhook secret": "Secrets Manager failed, or the secret is malformed; the response is a 503",
        "reading the webhook secret took too long": "Secrets Manager did not respond in time; the response is a 503",
    },
    "sync": {
        "worked on a message": "a message ended, or returns to the queue (`outcome` is `failed`)",
        "stopped a chain of continuations": "a chain of continuations reached its limit; its last message is in the "
        "dead-letter queue",
    },
    "request": {
        "carried out an action": "Belvo or the stack accepted the action",
        "refused an action": "the action failed; Lambda's runtime logs the error too",
        "refused an input": "the input is not a valid action",
    },
    "reconcile": {
        "reconciled": "a run finished",
        "reconciled, but not all pages of links were read": "a run finished, but Belvo failed at a page of its list of links",
        "reconciled, but left something out": "a run finished, but left out a link or a request",
        "reconciled, but discovered no links": "a run finished, but could not read Belvo's list of links",
        "a run ended early": "several failures of the table or the queue in a row ended a run",
    },
}

# The meaning of each field: for all functions, or for each.
FIELDS = {
    "action": {"request": "the action, or `unread` if the input is invalid"},
    "attempt": "how many times SQS has handed out the message, this time included",
    "body_bytes": "size of a body that is too large (`reason` is `size`)",
    "cause": {
        "sync": "the error in words, when the message returns to the queue",
        "request": "the error in words",
        "reconcile": "the error in words",
    },
    "check": "result of comparing a finished listing with the announced totals: `verified`, `unverified`, `drift`",
    "delay_s": "seconds until SQS hands out the message again",
    "elapsed_ms": {
        "request": "duration of the action, in milliseconds",
        "reconcile": "duration of the run, in milliseconds",
    },
    "error": {
        "webhook": "the AWS error, when AWS failed",
        "sync": "why the message returns to the queue: an [error word](operations.md#error-words)",
        "reconcile": "what failed: an [error word](operations.md#error-words), or `belvo_link_refused`",
        "diagnostics": "the error",
    },
    "errors": "names and codes of the invalid fields (`reason` is `invalid`)",
    "failed": "links and requests that the run left out",
    "has_more": "`true` if the run left due links or requests to the next run",
    "link_id": "Belvo's id of the link",
    "message_id": "SQS's id of the message",
    "messages": "number of messages that the webhook became",
    "mismatch": "what is wrong with the header (`reason` is `credentials`): `no header`, `header name in the value`, `quotes`, "
    "`scheme`, `white space`, `unknown token`. Nothing of the header is repeated",
    "outcome": {
        "sync": "`applied`, `continued`, `covered`, `recorded`, `unknown`, `refused`, or `failed` when the message returns to "
        "the queue",
        "request": "the response's status (`accepted`, `done`, `completed`, `timed_out`), or the type of the error",
    },
    "page": "number of the page in Belvo's list",
    "pages": {"sync": "pages of a list that were read", "reconcile": "pages of Belvo's list of links that were read"},
    "reason": {
        "webhook": "the sender's fault: `source_ip`, `credentials`, `size`, `invalid`; or the stack's: `secret`, `queue`",
        "sync": "why the outcome is `recorded` or `refused`",
    },
    "request_id": "Belvo's id of the request",
    "unreadable": "number of links without a usable id",
    "unreadable_links": "links in Belvo's list without a usable id",
    "unread_pages": "pages of Belvo's list of links that the run asked for and did not get",
    "webhook_code": "Belvo's code of the webhook, or `other`",
    "webhook_type": "Belvo's type of the webhook, or `other`",
    "what": "the item that cannot be read",
}

ADDED = re.compile(r"\.(field|dimension)\(\s*([^,]*),")
DEBUG_IMPLEMENTATION = re.compile(r"\.debug_struct\(.*?\.finish(_non_exhaustive)?\(\)", re.DOTALL)
DIAGNOSTIC = re.compile(r"\b(?:tracing::)?(trace|debug|info|warn|error)!\(((?:[^()\"]|\"[^\"]*\"|\([^()]*\))*)\)")
EVENT_MESSAGE = re.compile(r'\bLevel::\w+,\s*(?:\w+,\s*)?"([^"]+)"')
COMPARISONS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
}


def main() -> None:
    try:
        page = written_page()
    except UnknownForm as unknown:
        sys.exit(f"observability: {unknown}")
    if "--check" not in sys.argv:
        PAGE.write_text(page)
    elif not PAGE.is_file() or PAGE.read_text() != page:
        sys.exit("docs/observability.md is not current: run `make observability`")


def written_page() -> str:
    sources = {path.name: "\n".join(modules(path).values()) for path in packages()}
    check_common(EVENT_LOG.read_text())
    template = read()
    parts = [HEAD, LOGS, *log_tables(sources), METRICS, metric_table(sources), ALARMS, alarm_table(template)]
    return "".join([*parts, DASHBOARD, dashboard_table(template)])


def packages() -> Iterator:
    return (path.parent for place in ("functions", "crates") for path in sorted(ROOT.glob(f"{place}/*/Cargo.toml")))


def log_tables(sources: dict[str, str]) -> Iterator[str]:
    described: set[tuple[str, str]] = set()
    yield "### Fields of every event\n\n" + table(("field", "meaning"), COMMON.items())
    for function in FUNCTIONS:
        yield f"### Events of the {function} function\n\n"
        yield table(("event", "when"), events(function, sources[function]))
        fields = fields_of(function, sources[function])
        described |= {(name, function) for name in fields}
        rows = [(name, describe(name, function, is_dimension)) for name, is_dimension in sorted(fields.items())]
        yield table(("field", "meaning"), rows)
        yield f"Metrics: {', '.join(f'`{name}`' for name in metrics_of(function, sources))}.\n\n"
    diagnostics = sorted({each for source in sources.values() for each in diagnostics_of(source)})
    described |= {(field, "diagnostics") for _, _, fields in diagnostics for field in fields}
    yield "### Diagnostics\n\nThey have the fields `timestamp`, `level`, `message` and `target` (the module) too.\n\n"
    rows = [(message, level, ", ".join(f"`{each}`" for each in fields) or "-") for message, level, fields in diagnostics]
    yield table(("message", "level", "fields"), rows)
    rows = [(name, describe(name, "diagnostics")) for name, place in sorted(described) if place == "diagnostics"]
    yield table(("field", "meaning"), rows)
    yield access_log()
    check_descriptions(described, [*(each for other in sources.items() for each in fields_elsewhere(*other))])


def events(function: str, source: str) -> list[tuple[str, str]]:
    texts = set(re.findall(r'"([^"]+)"', source))
    if missing := EVENTS[function].keys() - texts:
        raise UnknownForm(f"the {function} function has no event {sorted(missing)}; EVENTS describes it")
    if unknown := set(EVENT_MESSAGE.findall(source)) - EVENTS[function].keys():
        raise UnknownForm(f"the {function} function has the event {sorted(unknown)}, and EVENTS does not describe it")
    return list(EVENTS[function].items())


def fields_of(package: str, source: str) -> dict[str, bool]:
    """Returns the names of the fields that a package adds to events, and whether they are dimensions."""
    found: dict[str, bool] = {}
    for kind, name in ADDED.findall(DEBUG_IMPLEMENTATION.sub("", source)):
        if not re.fullmatch(r'"\w+"', name):
            raise UnknownForm(f"{package}: the name of a field is not a literal: .{kind}({name}")
        found[name.strip('"')] = found.get(name.strip('"'), False) or kind == "dimension"
    return found


def fields_elsewhere(package: str, source: str) -> Iterator[str]:
    if package not in (*FUNCTIONS, "runtime"):
        yield from (f"{package}: {name}" for name in fields_of(package, source))


def describe(name: str, function: str, is_dimension: bool = False) -> str:
    meaning = FIELDS.get(name)
    if isinstance(meaning, dict):
        meaning = meaning.get(function)
    if meaning is None:
        raise UnknownForm(f"FIELDS does not describe the field {name!r} of {function}")
    return meaning + (" (dimension)" if is_dimension else "")


def check_descriptions(described: set[tuple[str, str]], elsewhere: list[str]) -> None:
    """Fails for fields that are added where no function's table shows them, and for descriptions of fields that do not exist."""
    if elsewhere:
        raise UnknownForm(f"a field is added to an event outside of the functions: {elsewhere}")
    names = {name for name, _ in described}
    for name, meaning in FIELDS.items():
        places = [(name, function) for function in meaning] if isinstance(meaning, dict) else []
        if name not in names or not described.issuperset(places):
            raise UnknownForm(f"FIELDS describes the field {name!r}, which the code does not have (or not in that function)")


def check_common(event_log: str) -> None:
    for name in COMMON:
        if f'"{name}"' not in event_log and f'\\"{name}\\"' not in event_log and name != rust_sources.STACK:
            raise UnknownForm(f"{EVENT_LOG.name} does not write the field {name!r}; COMMON describes it")


def metrics_of(function: str, sources: dict[str, str]) -> list[str]:
    package, call = RESPONSE_COUNTS
    source = sources[function] + (sources[package] if call in sources[function] else "")
    used = set(re.findall(r"&(?:\w+::)*([A-Z][A-Z0-9_]+)\b", source))
    return [name for name, metric in rust_sources.metrics().items() if metric.constant in used]


def diagnostics_of(source: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yields message, level and fields of every `warn!(...)` and the like."""
    found = DIAGNOSTIC.findall(source)
    if len(found) != len(re.findall(r"\b(?:trace|debug|info|warn|error)!\(", source)):
        raise UnknownForm(f"a diagnostic has an unknown form; after {found[-1:]}")
    for level, arguments in found:
        *fields, message = re.split(r",\s*(?![^(]*\))(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", arguments.strip().rstrip(","))
        if not re.fullmatch(r'"[^"{]+"', message):
            raise UnknownForm(f"the message of a diagnostic is not a plain literal: {arguments}")
        names = [re.match(r"\w+", field) for field in fields]
        if not all(names):
            raise UnknownForm(f"a field of a diagnostic has an unknown form: {arguments}")
        yield message.strip('"'), level.upper(), tuple(name[0] for name in names)


def access_log() -> str:
    [stage] = [each for each in read()["Resources"].values() if "AccessLogSettings" in each.get("Properties", {})]
    names = ", ".join(f"`{name}`" for name in json.loads(stage["Properties"]["AccessLogSettings"]["Format"]))
    return (
        "### Access log of the front door\n\nAPI Gateway writes a line for each HTTP request, also for those that reach no "
        f"function, into the log group\n`/aws/vendedlogs/<stack>/front-door`. Its fields: {names}.\n\n"
    )


def metric_table(sources: dict[str, str]) -> str:
    users = {function: metrics_of(function, sources) for function in FUNCTIONS}
    rows = []
    for name, metric in rust_sources.metrics().items():
        functions = ", ".join(function for function, names in users.items() if name in names)
        if not functions:
            raise UnknownForm(f"no function writes the metric {name}")
        sets = [" and ".join(f"`{each}`" for each in dimensions[1:]) or "-" for dimensions in metric.dimensions]
        rows.append((name, metric.unit, "; ".join(sets), functions, metric.meaning.rstrip(".")))
    return table(("metric", "unit", "dimensions beside `stack`", "function", "meaning"), rows)


def alarm_table(template: dict) -> str:
    rows = []
    for name, alarm in alarms(template).items():
        meaning, _, anchor = alarm["AlarmDescription"].partition(" See docs/")
        rows.append((f"[{name}]({anchor})", looks_at(alarm), condition(alarm), meaning.strip().rstrip(".")))
    return table(("alarm", "metric", "condition", "meaning"), rows, as_code=False)


def looks_at(alarm: dict) -> str:
    if expressions := [each["Expression"] for each in alarm.get("Metrics", []) if "Expression" in each]:
        series = [f"`{name}`: {series_text(each)}" for name, each in metrics_of_alarm(alarm).items()]
        return f"`{expressions[0]}`; {'; '.join(series)}"
    return series_text(alarm)


def series_text(metric: dict) -> str:
    """`failures` with `error` `belvo_unauthorized`; AWS's metrics with their namespace and the resource."""
    if metric["Namespace"] != OWN:
        of = ", ".join(f"`{logical_id(each['Value'])}`" for each in metric["Dimensions"])
        return f"`{metric['Namespace']}` `{metric['MetricName']}` of {of}"
    words = [f"`{each['Name']}` `{each['Value']}`" for each in metric["Dimensions"] if each["Name"] != "stack"]
    return f"`{metric['MetricName']}`" + (f" with {' and '.join(words)}" if words else "")


def logical_id(value: str | dict) -> str:
    match value:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return name
        case str():
            return value
    raise UnknownForm(f"a dimension of an alarm has an unknown value: {value}")


def condition(alarm: dict) -> str:
    statistics = [alarm] if "Statistic" in alarm else [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
    statistic, seconds = statistics[0].get("Statistic") or statistics[0]["Stat"], statistics[0]["Period"]
    text = f"{statistic.lower()} {COMPARISONS[alarm['ComparisonOperator']]} {alarm['Threshold']:,} in {duration(seconds)}"
    if (periods := alarm["EvaluationPeriods"]) > 1:
        hits = alarm.get("DatapointsToAlarm", periods)
        text += f", {periods} times in a row" if hits == periods else f", {hits} times of {periods}"
    return text + (", or no data" if alarm["TreatMissingData"] == "breaching" else "")


def duration(seconds: int) -> str:
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


def dashboard_table(template: dict) -> str:
    rows = []
    for widget in widgets(template):
        series = list(series_of_widget(widget))
        shown = "; ".join(dict.fromkeys(map(widget_text, series))) if series else "every alarm"
        rows.append((widget["properties"]["title"], shown))
    return table(("widget", "metrics"), rows, as_code=False).removesuffix("\n")


def widget_text(series: Series) -> str:
    if series.namespace != OWN:
        return f"`{series.namespace}` `{series.metric}`"
    words = [f"`{each}`" for each in series.dimensions if each != "stack"]
    return f"`{series.metric}`" + (f" by {' and '.join(words)}" if words else "")


def table(head: tuple[str, ...], rows: object, as_code: bool = True) -> str:
    """Returns a table in Markdown; `as_code` sets the first column in code."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join([f'`{first}`' if as_code else first, *rest])} |" for first, *rest in rows]
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    main()
