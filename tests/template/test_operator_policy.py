"""The policy for operators (docs/operator-policy.json) has what `belvo-sync` calls, and names what the stack has.

That it is enough is shown end to end: tests/e2e runs the commands with it, on a local AWS where rights count.
"""

import json
import re

import pytest
from template import ROOT, as_list, of_type, read

POLICY = json.loads((ROOT / "docs/operator-policy.json").read_text())
ALLOWED = {action for each in POLICY["Statement"] for action in as_list(each["Action"])}

# AWS's operations as the SDK's clients name them. Those that only tests call are cut off with the tests.
CALLS = {
    "cloudformation": {"describe_stacks"},
    "dynamodb": {"batch_get_item", "delete_item", "get_item", "put_item", "query", "scan", "update_item"},
    "secretsmanager": {"get_random_password", "get_secret_value", "put_secret_value"},
    "sqs": {
        "change_message_visibility", "delete_message", "get_queue_attributes", "get_queue_url", "purge_queue",
        "receive_message", "send_message",
    },
}  # fmt: skip


def called() -> set[str]:
    """By the operator's own code, but for its tests."""
    sources = [path.read_text().partition("#[cfg(test)]")[0] for path in (ROOT / "cli/src").rglob("*.rs")]
    names = set(re.findall(r"\.([a-z_]+)\(\)", "\n".join(sources)))
    return {f"{service}:{pascal(name)}" for service, calls in CALLS.items() for name in calls & names}


def pascal(name: str) -> str:
    return "".join(map(str.capitalize, name.split("_")))


def test_every_call_of_the_operators_code_is_allowed():
    assert len(called()) > 8, "this looked for the wrong thing"
    assert called() - ALLOWED == set()


def test_it_names_the_queues_and_indexes_that_the_stack_has():
    resources = {each for statement in POLICY["Statement"] for each in as_list(statement["Resource"])}
    template = read()["Resources"]
    queues = [queue["Properties"]["QueueName"]["Fn::Sub"] for _, queue in of_type(template, "AWS::SQS::Queue")]
    arn = "arn:aws:sqs:REGION:ACCOUNT:"
    assert {each for each in resources if each.startswith(arn)} == {
        arn + name.replace("${AWS::StackName}", "STACK") for name in queues
    }
    indexes = {each["IndexName"] for each in template["Table"]["Properties"]["GlobalSecondaryIndexes"]}
    assert {each.partition("/index/")[2] for each in resources} - {""} == indexes


@pytest.mark.parametrize("statement", POLICY["Statement"], ids=lambda each: each["Sid"])
def test_it_allows_listed_actions_on_listed_things_wherever_aws_knows_narrower_ones(statement: dict):
    assert statement["Effect"] == "Allow" and not [each for each in as_list(statement["Action"]) if "*" in each]
    # Neither making a password nor reading metrics is a matter of one resource.
    everywhere = {"secretsmanager:GetRandomPassword", "cloudwatch:GetMetricStatistics"}
    assert ("*" in as_list(statement["Resource"])) == (set(as_list(statement["Action"])) <= everywhere)
