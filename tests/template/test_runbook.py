"""What the runbook does with the front door's access log, which the local AWS does not write, fits what the template writes."""

import re
import subprocess

from template import ROOT, read

RUNBOOK = (ROOT / "docs/operations.md").read_text()
RESOURCES = read()["Resources"]


def test_the_runbook_counts_senders_and_answers_from_the_access_logs_lines():
    [stage] = [each for each in RESOURCES.values() if "AccessLogSettings" in each.get("Properties", {})]
    form = stage["Properties"]["AccessLogSettings"]["Format"]
    door = [("203.0.113.9", "401"), ("192.0.2.10", "202"), ("203.0.113.9", "401")]
    lines = [as_written(form, {"identity.sourceIp": ip, "status": status, "requestId": "401"}) for ip, status in door]

    # Behind the call for AWS.
    _, pipe, pipeline = command().partition(" | \\\n")
    assert pipe
    counted = subprocess.run(["sh", "-c", pipeline], input="\n".join(lines), capture_output=True, text=True, check=True).stdout

    assert [line.split() for line in counted.splitlines()] == [
        ["2", '"sourceIp":"203.0.113.9"', '"status":"401"'],
        ["1", '"sourceIp":"192.0.2.10"', '"status":"202"'],
    ]


def test_the_runbook_names_the_log_group_that_the_template_makes():
    name = RESOURCES["FrontDoorLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert name.replace("${AWS::StackName}", "belvo-sync") in command().split()


def command() -> str:
    """The first one under RefusedCredentialsAlarm."""
    _, _, section = RUNBOOK.partition("### RefusedCredentialsAlarm")
    return section.partition("```sh\n")[2].partition("\n```")[0]


def as_written(form: str, values: dict[str, str]) -> str:
    """A line of the log: each variable of the format by its value, what has none by a dash, as API Gateway does."""
    return re.sub(r"\$context\.([a-zA-Z.]+)", lambda variable: values.get(variable[1], "-"), form)
