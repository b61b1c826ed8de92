"""The policy for deployers (docs/deployer-policy.json) allows exactly what CloudFormation, SAM and the access log need.

The schema of each resource type, which cfn-lint includes, lists CloudFormation's calls. The policy was not tried on AWS, and the
local AWS does not check a deployer's rights.
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

# Actions in the schemas for properties that the template does not use.
NOT_USED = re.compile(
    "|".join(
        [
            # Networks, file systems, signatures of layers and code, scaling, capacity, published versions.
            "ec2:.*", "elasticfilesystem:.*", "s3files:.*", ".*CodeSigning.*", ".*ScalingConfig", ".*CapacityProvider",
            "lambda:(GetLayerVersion|PublishVersion|AssociateRuntimeAlias|.*FunctionConcurrency)",
            # Imports, exports, replicas and streams of the table, and its content.
            "kinesis:.*", "dynamodb:(.*Kinesis.*|.*Import.*|.*Replica|.*ContributorInsights|.*ResourcePolicy)",
            "dynamodb:(Scan|Query|.*Item)", "iam:CreateServiceLinkedRole",
            # Replicas of a secret, and its value.
            "secretsmanager:(.*Replica.*|GetSecretValue)",
            # Keys, indexes and protection of log groups; other destinations of logs.
            "firehose:.*", "s3:REST.*", "logs:(.*KmsKey|.*IndexPolic.*|.*DataProtection.*|.*DeletionProtection|.*Bearer.*)",
            "logs:(CreateLogStream|DescribeLogStreams|PutLogEvents|DeleteResourcePolicy|DeleteRetentionPolicy)",
            # Protection of topics, managed policies and boundaries of roles, APIs imported from a file.
            "sns:.*DataProtection.*", "iam:(Attach|Detach).*", "iam:.*Boundary", "s3:getObject", "s3:GetObjectMetadata",
            # The AWS managed keys, whose policies allow the whole account to use them through the service.
            "kms:.*",
        ]
    )
)  # fmt: skip

# Calls of SAM itself: for its bucket, which is a separate stack, and for change sets.
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
# API Gateway developer guide, "Permissions to activate logging" of an HTTP API: API Gateway creates the delivery
# with the deployer's rights.
BY_ACCESS_LOG = {
    "logs": {
        "CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies", "GetLogDelivery",
        "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery",
    },
}  # fmt: skip
# In neither list: tags that CloudFormation sets on the API.
OTHERS = {"apigateway": {"TagResource", "UntagResource"}}


def named(services: dict[str, set[str]]) -> set[str]:
    return {f"{service}:{action}" for service, actions in services.items() for action in actions}


@cache
def handlers() -> dict[str, dict[str, list[str]]]:
    """Returns CloudFormation's actions by type and handler."""
    [schemas] = ROOT.glob(".tools/sam/lib/python3*/site-packages/cfnlint/data/schemas/resources")
    found: dict[str, dict[str, list[str]]] = {}
    for path in schemas.glob("*.json"):
        schema = json.loads(path.read_text())
        # Schemas of a type differ between regions, but only in properties.
        found[schema["typeName"]] = {name: each.get("permissions", []) for name, each in schema.get("handlers", {}).items()}
    return found


def needed(kind: str) -> set[str]:
    """Returns the actions to create, read, update and delete a resource of this type, as in the template."""
    calls = {each for name in ("create", "read", "update", "delete") for each in handlers()[kind].get(name, [])}
    return {each for each in calls if not NOT_USED.fullmatch(each)}


@pytest.mark.parametrize("kind", TYPES)
def test_each_resource_type_can_be_created_updated_and_deleted(kind: str):
    assert needed(kind), "no actions found"
    assert needed(kind) - ALLOWED == set()


def test_every_action_is_needed():
    by_types = set().union(*map(needed, TYPES))
    assert ALLOWED - by_types - named(BY_SAM) - named(BY_ACCESS_LOG) - named(OTHERS) == set()


def test_the_calls_of_sam_are_allowed():
    assert named(BY_SAM) - ALLOWED == set()


def test_the_access_log_of_the_front_door_can_be_delivered():
    stages = [stage["Properties"] for _, stage in of_type(TEMPLATE["Resources"], "AWS::ApiGatewayV2::Stage")]
    assert any("AccessLogSettings" in stage for stage in stages)
    assert named(BY_ACCESS_LOG) - ALLOWED == set()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: each["Sid"])
def test_actions_are_listed_and_resources_named_where_aws_supports_it(statement: dict):
    assert statement["Effect"] == "Allow" and not [each for each in as_list(statement["Action"]) if "*" in each]
    # IAM supports no resource for these, or only resources whose names AWS generates.
    everywhere = {"secretsmanager:GetRandomPassword", "cloudformation:GetTemplateSummary", "cloudwatch:DescribeAlarms"}
    everywhere |= named(BY_ACCESS_LOG)
    if "*" in as_list(statement["Resource"]):
        assert set(as_list(statement["Action"])) <= everywhere


def test_roles_can_be_passed_to_lambda_only():
    [statement] = [each for each in STATEMENTS if "iam:PassRole" in as_list(each["Action"])]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert as_list(statement["Action"]) == ["iam:PassRole"]


# Types with names from the template, and the form of their ARNs. Other names begin with the stack's name, or those of secrets with
# the logical id.
NAMED = {
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:REGION:ACCOUNT:{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:REGION:ACCOUNT:log-group:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "arn:aws:cloudwatch::ACCOUNT:dashboard/{}"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_it_covers_the_names_in_the_template(kind: str):
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
    """IAM's limit is 6,144 characters without white space. Names are longer than their placeholders."""
    text = json.dumps(POLICY, separators=(",", ":"))
    text = text.replace("REGION", "ap-southeast-1").replace("ACCOUNT", "123456789012").replace("STACK", "belvo-sync")
    assert len(text) <= 6_144
