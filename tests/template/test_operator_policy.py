"""The policy for operators (docs/operator-policy.json) allows the calls of `belvo-sync` on the stack's resources.

The end-to-end tests run the commands with this policy, on a local AWS that enforces it. It does
not enforce `cloudwatch:GetMetricStatistics`, since it reads no action from requests in CBOR. Only this file checks that one.
"""

import json
import re
from pathlib import Path

import pytest
from template import ROOT, as_list, of_type, read

POLICY = json.loads((ROOT / "docs/operator-policy.json").read_text())
ALLOWED = {action for each in POLICY["Statement"] for action in as_list(each["Action"])}

# Operations of AWS under their names in the SDK.
CALLS = {
    "cloudformation": {"describe_stacks"},
    "cloudwatch": {"get_metric_data", "get_metric_statistics", "list_metrics"},
    "dynamodb": {"batch_get_item", "delete_item", "get_item", "put_item", "query", "scan", "update_item"},
    "secretsmanager": {"get_random_password", "get_secret_value", "put_secret_value"},
    "sqs": {
        "change_message_visibility", "delete_message", "get_queue_attributes", "get_queue_url", "purge_queue",
        "receive_message", "send_message",
    },
}  # fmt: skip


def called() -> set[str]:
    """Returns the operations that the commands call, without those of tests."""
    sources = [without_tests(path) for path in (ROOT / "cli/src").rglob("*.rs") if path.name != "tests.rs"]
    names = set(re.findall(r"\.([a-z_]+)\(\)", "\n".join(sources)))
    return {f"{service}:{pascal(name)}" for service, calls in CALLS.items() for name in calls & names}


def without_tests(path: Path) -> str:
    """Returns a source without its tests, which stand at its end. A `mod tests;` names a file of their own."""
    return path.read_text().replace("#[cfg(test)]\nmod tests;", "").partition("#[cfg(test)]")[0]


def pascal(name: str) -> str:
    return "".join(map(str.capitalize, name.split("_")))


def test_every_call_of_the_commands_is_allowed():
    assert len(called()) > 8, "too few calls found"
    assert called() - ALLOWED == set()


def test_it_names_the_queues_and_indexes_of_the_stack():
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
def test_actions_and_resources_are_listed_where_aws_supports_it(statement: dict):
    assert statement["Effect"] == "Allow" and not [each for each in as_list(statement["Action"]) if "*" in each]
    # These two actions have no resource.
    everywhere = {"secretsmanager:GetRandomPassword", "cloudwatch:GetMetricStatistics"}
    assert ("*" in as_list(statement["Resource"])) == (set(as_list(statement["Action"])) <= everywhere)
