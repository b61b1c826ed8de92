"""tools/check_template.py reports known mistakes, each in a copy of the template."""

import re

import pytest
from check_template import structure, suppressions
from template import read, transformed

# A change of the resources (a path and the new value; None removes it), and the expected problem.
FLAWED = {
    "two functions share a role": (
        ("RequestFunction.Properties.Role", {"Fn::GetAtt": ["SyncRole", "Arn"]}),
        "RequestFunction has no role of its own",
    ),
    "a role that SAM creates, with managed policies": (
        ("SyncFunction.Properties.Role", None),
        "SyncFunctionRole has a managed policy",
    ),
    "another service can assume a role": (
        ("SyncRole.Properties.AssumeRolePolicyDocument.Statement.0.Principal", {"Service": "ec2.amazonaws.com"}),
        "SyncRole can be assumed by other services than Lambda",
    ),
    "a managed policy": (
        ("SyncRole.Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AWSLambdaExecute"]),
        "SyncRole has a managed policy",
    ),
    "every action of a service": (
        ("SyncRole.Properties.Policies.0.PolicyDocument.Statement.3.Action", "dynamodb:*"),
        "SyncRole may dynamodb:*",
    ),
    "creating log groups": (
        ("SyncRole.Properties.Policies.0.PolicyDocument.Statement.5.Action", ["logs:CreateLogGroup"]),
        "SyncRole may logs:CreateLogGroup",
    ),
    "every resource": (
        ("SyncRole.Properties.Policies.0.PolicyDocument.Statement.3.Resource", "*"),
        "SyncRole has a statement with resources that are not listed: KeepTheTable",
    ),
    "every index": (
        (
            "ReconcileRole.Properties.Policies.0.PolicyDocument.Statement.2.Resource",
            {"Fn::Sub": "${Table.Arn}/index/*"},
        ),
        "ReconcileRole has a statement with resources that are not listed: FindWhatIsDue",
    ),
    "any API of any account may invoke the webhook function": (
        ("FrontDoorPermission.Properties.SourceArn", None),
        "FrontDoorPermission lets a service invoke the function on behalf of any account (no SourceArn)",
    ),
    "a log group without retention": (
        ("SyncLogGroup.Properties.RetentionInDays", None),
        "SyncLogGroup has no retention",
    ),
    "a log group that Lambda creates": (
        ("SyncFunction.Properties.LoggingConfig", None),
        "SyncFunction logs to a group that is not in the template",
    ),
    "a queue without its policy": (
        ("QueuePolicy.Properties.Queues", [{"Ref": "DeadLetterQueue"}]),
        "Queue accepts connections without TLS",
    ),
    "a policy that denies only sending without TLS": (
        ("QueuePolicy.Properties.PolicyDocument.Statement.0.Action", "sqs:SendMessage"),
        "Queue accepts connections without TLS",
    ),
    "a queue that accepts messages from anyone": (
        ("QueuePolicy.Properties.PolicyDocument.Statement.0.Effect", "Allow"),
        "QueuePolicy allows access; no principal needs it",
    ),
    "an unencrypted queue": (
        ("DeadLetterQueue.Properties.SqsManagedSseEnabled", False),
        "DeadLetterQueue is not encrypted",
    ),
    "a dead-letter queue without retention": (
        ("DeadLetterQueue.DeletionPolicy", None),
        "DeadLetterQueue has data and is not retained",
    ),
    "a table that its replacement deletes": (
        ("Table.UpdateReplacePolicy", "Delete"),
        "Table has data and is not retained",
    ),
    "a table without deletion protection": (
        ("Table.Properties.DeletionProtectionEnabled", None),
        "Table has no deletion protection",
    ),
    "a secret in a variable": (
        ("SyncFunction.Properties.Environment.Variables.KEY", {"Ref": "BelvoSecretPassword"}),
        "SyncFunction has a secret that others can read",
    ),
    "a secret within a text": (
        ("FrontDoor.Properties.Description", {"Fn::Sub": "for ${BelvoSecretId}"}),
        "FrontDoor has a secret that others can read",
    ),
    "a secret that CloudFormation resolves": (
        ("SyncFunction.Properties.Environment.Variables.KEY", "{{resolve:secretsmanager:belvo}}"),
        "SyncFunction has a secret that others can read",
    ),
}

def test_the_template_has_none_of_these_flaws():
    assert list(structure(transformed(read()))) == []


@pytest.mark.parametrize(("flaw", "problem"), FLAWED.values(), ids=FLAWED.keys())
def test_a_flaw_is_reported(flaw: tuple, problem: str):
    source = read()
    change(source, *flaw)
    assert problem in list(structure(transformed(source)))


def test_flaws_in_skipped_checks_of_checkov_are_reported():
    """Three flaws in one run, because checkov is slow."""
    source = read()
    change(source, "DeadLetterQueue.Metadata.checkov.skip.0.comment", "because")
    change(source, "Queue.Properties.KmsMasterKeyId", "alias/aws/sqs")
    change(source, "Table.Properties.PointInTimeRecoverySpecification", None)
    assert list(suppressions(source)) == [
        "DeadLetterQueue skips CKV_AWS_27 without a reason",
        "Queue skips CKV_AWS_27, which reports nothing there",
        "Table fails CKV_AWS_28",
    ]


def test_a_secret_in_an_output_is_reported():
    source = read()
    source["Outputs"]["Key"] = {"Value": {"Ref": "BelvoSecretPassword"}}
    assert list(structure(transformed(source))) == ["Outputs has a secret that others can read"]


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("BelvoBaseUrl", "https://api.belvo.com", True),
        ("BelvoBaseUrl", "http://127.0.0.1:4570", True),
        ("BelvoBaseUrl", "http://172.17.0.1:4570", True),
        ("BelvoBaseUrl", "http://api.belvo.com", False),
        ("BelvoBaseUrl", "http://127.0.0.1.evil.example", False),
        ("BelvoBaseUrl", "https://api.belvo.com/", False),
        ("AwsEndpointUrl", "", True),
        ("AwsEndpointUrl", "http://127.0.0.1:4566", True),
        ("AwsEndpointUrl", "http://172.17.0.1:4570", True),
        ("AwsEndpointUrl", "https://evil.example", False),
        ("AwsEndpointUrl", "http://localhost.evil.example", False),
    ],
)
def test_public_addresses_need_tls(parameter: str, value: str, allowed: bool):
    pattern = read()["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) == allowed


def change(source: dict, path: str, value: object) -> None:
    """Sets the value at a path below the resources; None removes it."""
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place = source["Resources"]
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
