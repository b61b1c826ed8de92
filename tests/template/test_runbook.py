"""The runbook's command for the access log fits the format in the template. The local AWS writes no access log."""

import re
import subprocess

from template import ROOT, read

RUNBOOK = (ROOT / "docs/operations.md").read_text()
RESOURCES = read()["Resources"]


def test_the_runbooks_command_counts_senders_and_statuses():
    [stage] = [each for each in RESOURCES.values() if "AccessLogSettings" in each.get("Properties", {})]
    form = stage["Properties"]["AccessLogSettings"]["Format"]
    door = [("203.0.113.9", "401"), ("192.0.2.10", "202"), ("203.0.113.9", "401")]
    lines = [as_written(form, {"identity.sourceIp": ip, "status": status, "requestId": "401"}) for ip, status in door]

    # The part after the AWS command.
    _, pipe, pipeline = command().partition(" | \\\n")
    assert pipe
    counted = subprocess.run(["sh", "-c", pipeline], input="\n".join(lines), capture_output=True, text=True, check=True).stdout

    assert [line.split() for line in counted.splitlines()] == [
        ["2", '"sourceIp":"203.0.113.9"', '"status":"401"'],
        ["1", '"sourceIp":"192.0.2.10"', '"status":"202"'],
    ]


def test_the_runbook_names_the_log_group_of_the_template():
    name = RESOURCES["FrontDoorLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert name.replace("${AWS::StackName}", "belvo-sync") in command().split()


def command() -> str:
    """Returns the first command under RefusedCredentialsAlarm."""
    _, _, section = RUNBOOK.partition("### RefusedCredentialsAlarm")
    return section.partition("```sh\n")[2].partition("\n```")[0]


def as_written(form: str, values: dict[str, str]) -> str:
    """Returns a line of the log with the values of the variables; a dash for those without a value, as API Gateway writes it."""
    return re.sub(r"\$context\.([a-zA-Z.]+)", lambda variable: values.get(variable[1], "-"), form)
