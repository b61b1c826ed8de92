"""The policy for deployers (docs/deployer-policy.json) has what CloudFormation, SAM and the access log need, and no more.

What CloudFormation calls for each type of resource stands in the type's schema, which cfn-lint carries. On a real AWS it was not
tried: the local one does not ask for a deployer's rights.
"""

import json
import re
from fnmatch import fnmatchcase
from functools import cache

import pytest
from template import ROOT, as_list, of_type, read, transformed

POLICY = json.loads((ROOT / "docs/deployer-policy.json").read_text())
STATEMENTS = POLICY["Statement"]
ALLOWED = {action for each in STATEMENTS for action in as_list(each["Action"])}
TEMPLATE = transformed(read())
TYPES = sorted({resource["Type"] for resource in TEMPLATE["Resources"].values()})

# What the schemas name for properties that the template does not use.
NOT_USED = re.compile(
    "|".join(
        [
            # Networks, file systems, layers' and code's signatures, scaling, capacity, published versions.
            "ec2:.*", "elasticfilesystem:.*", "s3files:.*", ".*CodeSigning.*", ".*ScalingConfig", ".*CapacityProvider",
            "lambda:(GetLayerVersion|PublishVersion|AssociateRuntimeAlias|.*FunctionConcurrency)",
            # Imports, exports, replicas and streams of the table, and its content.
            "kinesis:.*", "dynamodb:(.*Kinesis.*|.*Import.*|.*Replica|.*ContributorInsights|.*ResourcePolicy)",
            "dynamodb:(Scan|Query|.*Item)", "iam:CreateServiceLinkedRole",
            # Copies of a secret, and its value.
            "secretsmanager:(.*Replica.*|GetSecretValue)",
            # Log groups with a key, an index or a protection of their own; other places for logs.
            "firehose:.*", "s3:REST.*", "logs:(.*KmsKey|.*IndexPolic.*|.*DataProtection.*|.*DeletionProtection|.*Bearer.*)",
            "logs:(CreateLogStream|DescribeLogStreams|PutLogEvents|DeleteResourcePolicy|DeleteRetentionPolicy)",
            # Topics' protection, roles' managed policies and boundaries, an API that is imported from a file.
            "sns:.*DataProtection.*", "iam:(Attach|Detach).*", "iam:.*Boundary", "s3:getObject", "s3:GetObjectMetadata",
            # What is encrypted is under keys of AWS, whose policies let in all of the account that come through the service.
            "kms:.*",
        ]
    )
)  # fmt: skip

# What SAM does by itself: its bucket, which is a stack of its own, and change sets.
BY_SAM = {
    "cloudformation": {
        "CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet", "DescribeStackEvents", "DescribeStacks",
        "ExecuteChangeSet", "GetTemplate", "GetTemplateSummary", "ListStackResources", "UpdateStack",
    },
    "s3": {
        "CreateBucket", "DeleteObject", "GetBucketLocation", "GetBucketPolicy", "GetObject", "ListBucket", "PutBucketPolicy",
        "PutBucketPublicAccessBlock", "PutBucketTagging", "PutBucketVersioning", "PutEncryptionConfiguration", "PutObject",
    },
}  # fmt: skip
# API Gateway developer guide, "Permissions to activate logging" of an HTTP API: API Gateway makes the delivery in the name of
# whoever deploys the stage.
BY_ACCESS_LOG = {
    "logs": {
        "CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies", "GetLogDelivery",
        "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery",
    },
}  # fmt: skip
# Neither in their types' schemas nor SAM's: the runbook's `change`, and tags that CloudFormation puts on what it makes.
OTHERS = {"apigateway": {"TagResource", "UntagResource"}}


def named(services: dict[str, set[str]]) -> set[str]:
    return {f"{service}:{action}" for service, actions in services.items() for action in actions}


@cache
def handlers() -> dict[str, dict[str, list[str]]]:
    """By type, the actions that CloudFormation calls for it."""
    [schemas] = ROOT.glob(".tools/sam/lib/python3*/site-packages/cfnlint/data/schemas/resources")
    found: dict[str, dict[str, list[str]]] = {}
    for path in schemas.glob("*.json"):
        schema = json.loads(path.read_text())
        # A type may have several, by region: they differ in properties, not in this.
        found[schema["typeName"]] = {name: each.get("permissions", []) for name, each in schema.get("handlers", {}).items()}
    return found


def needed(kind: str) -> set[str]:
    """To make, look at, change and remove a resource of this type, as the template has it."""
    calls = {each for name in ("create", "read", "update", "delete") for each in handlers()[kind].get(name, [])}
    return {each for each in calls if not NOT_USED.fullmatch(each)}


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_resource_can_be_made_changed_and_removed(kind: str):
    assert needed(kind), "this looked for the wrong thing"
    assert needed(kind) - ALLOWED == set()


def test_no_action_is_without_a_type_that_needs_it():
    by_types = set().union(*map(needed, TYPES))
    assert ALLOWED - by_types - named(BY_SAM) - named(BY_ACCESS_LOG) - named(OTHERS) == set()


def test_what_sam_calls_is_allowed():
    assert named(BY_SAM) - ALLOWED == set()


def test_the_access_log_of_the_front_door_can_be_delivered():
    stages = [stage["Properties"] for _, stage in of_type(TEMPLATE["Resources"], "AWS::ApiGatewayV2::Stage")]
    assert any("AccessLogSettings" in stage for stage in stages)
    assert named(BY_ACCESS_LOG) - ALLOWED == set()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: each["Sid"])
def test_it_lists_actions_and_names_things_wherever_aws_knows_narrower_ones(statement: dict):
    assert statement["Effect"] == "Allow" and not [each for each in as_list(statement["Action"]) if "*" in each]
    # IAM knows no resource for these, or only ones whose names AWS makes up.
    everywhere = {"secretsmanager:GetRandomPassword", "cloudformation:GetTemplateSummary", "cloudwatch:DescribeAlarms"}
    everywhere |= named(BY_ACCESS_LOG)
    if "*" in as_list(statement["Resource"]):
        assert set(as_list(statement["Action"])) <= everywhere


def test_roles_can_be_given_to_lambda_alone():
    [statement] = [each for each in STATEMENTS if "iam:PassRole" in as_list(each["Action"])]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert as_list(statement["Action"]) == ["iam:PassRole"]


# Where the template gives a resource its name, the form of its ARN. All others have names that begin with the stack's, or, of
# secrets, with their logical id.
NAMED = {
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:REGION:ACCOUNT:{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:REGION:ACCOUNT:log-group:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "arn:aws:cloudwatch::ACCOUNT:dashboard/{}"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_it_covers_the_names_that_the_template_gives(kind: str):
    member, arn = NAMED[kind]
    covered = [each for statement in STATEMENTS for each in as_list(statement["Resource"])]
    for logical_id, resource in of_type(TEMPLATE["Resources"], kind):
        name = resource["Properties"][member]["Fn::Sub"]
        name = name.replace("${AWS::StackName}", "STACK").replace("${AWS::Region}", "REGION")
        assert any(fnmatchcase(arn.format(name), pattern) for pattern in covered), logical_id


def test_it_covers_each_secret():
    [statement] = [each for each in STATEMENTS if "secretsmanager:CreateSecret" in each["Action"]]
    secrets = {f"arn:aws:secretsmanager:REGION:ACCOUNT:secret:{name}-*" for name, _ in of_type(TEMPLATE["Resources"], "AWS::SecretsManager::Secret")}
    assert set(statement["Resource"]) == secrets


def test_it_fits_into_one_managed_policy():
    """IAM counts 6,144 characters, white space apart; names are longer than their placeholders."""
    text = json.dumps(POLICY, separators=(",", ":"))
    text = text.replace("REGION", "ap-southeast-1").replace("ACCOUNT", "123456789012").replace("STACK", "belvo-sync")
    assert len(text) <= 6_144
