"""Checks rules of template.yaml that cfn-lint and checkov do not have, and that each skip of a checkov check is needed.

    PYTHONPATH=tools .tools/aws/bin/python tools/check_template.py

tests/template has a wrong template for each rule.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from template import FUNCTION, ROOT, as_list, of_type, read, role_of, statements, transformed, walk

# Resources with data that the stack cannot restore by itself.
STATEFUL = ("AWS::DynamoDB::Table", "AWS::SQS::Queue")
KEPT = ("Retain", "RetainExceptOnCreate")
SHORTEST_REASON = 40
CHECKOV = ROOT / ".tools/checkov/bin/checkov"


def main() -> None:
    source = read()
    problems = [*structure(transformed(source)), *suppressions(source)]
    sys.exit("\n".join(f"template.yaml: {problem}" for problem in problems) if problems else None)


def structure(template: dict) -> Iterator[str]:
    for check in (own_roles, narrow_roles, narrow_invokers, own_logs, closed_queues, kept_data, hidden_secrets):
        yield from check(template)


def own_roles(template: dict) -> Iterator[str]:
    """Each function has its own role, which only Lambda can assume."""
    resources = template["Resources"]
    roles = [role_of(function) for _, function in of_type(resources, FUNCTION)]
    for name, function in of_type(resources, FUNCTION):
        if roles.count(role_of(function)) > 1 or role_of(function) is None:
            yield f"{name} has no role of its own"
    for name, role in of_type(resources, "AWS::IAM::Role"):
        trust = as_list(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])
        services = [service for each in trust for service in as_list(each["Principal"].get("Service"))]
        if services != ["lambda.amazonaws.com"] or any(each["Principal"].keys() != {"Service"} for each in trust):
            yield f"{name} can be assumed by other services than Lambda"


def narrow_roles(template: dict) -> Iterator[str]:
    """Roles allow listed actions on listed resources only, with inline policies."""
    for name, role in of_type(template["Resources"], "AWS::IAM::Role"):
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has a managed policy"
        for statement in statements(role):
            if statement["Effect"] != "Allow" or {"NotAction", "NotResource"} & statement.keys():
                yield f"{name} has a statement that does more than allow actions on resources: {statement.get('Sid')}"
            for action in as_list(statement.get("Action", "*")):
                if "*" in action or action == "logs:CreateLogGroup":
                    yield f"{name} may {action}"
            if any(isinstance(part, str) and "*" in part for part in walk(statement.get("Resource", "*"))):
                yield f"{name} has a statement with resources that are not listed: {statement.get('Sid')}"
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        yield from (f"{name} is a policy outside of a role" for name, _ in of_type(template["Resources"], kind))


def narrow_invokers(template: dict) -> Iterator[str]:
    """A service may invoke a function only on behalf of one resource of this account."""
    for name, permission in of_type(template["Resources"], "AWS::Lambda::Permission"):
        if "SourceArn" not in permission["Properties"]:
            yield f"{name} lets a service invoke the function on behalf of any account (no SourceArn)"


def own_logs(template: dict) -> Iterator[str]:
    """Each function logs to a group of this template, with a retention (checkov: CKV_AWS_66)."""
    groups = dict(of_type(template["Resources"], "AWS::Logs::LogGroup"))
    for name, group in groups.items():
        if "RetentionInDays" not in group["Properties"]:
            yield f"{name} has no retention"
    for name, function in of_type(template["Resources"], FUNCTION):
        if function["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref") not in groups:
            yield f"{name} logs to a group that is not in the template"


def closed_queues(template: dict) -> Iterator[str]:
    """Queues are encrypted at rest, and reject connections without TLS, except on a local AWS."""
    over_tls: set[str] = set()
    for name, policy in of_type(template["Resources"], "AWS::SQS::QueuePolicy"):
        if policy.get("Condition") not in (None, "HasTls"):
            yield f"{name} is not always created"
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                yield f"{name} allows access; no principal needs it"
            elif denies_plain_http(statement):
                over_tls.update(queue["Ref"] for queue in policy["Properties"]["Queues"])
    for name, queue in of_type(template["Resources"], "AWS::SQS::Queue"):
        if name not in over_tls:
            yield f"{name} accepts connections without TLS"
        if queue["Properties"].get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"
    if template["Parameters"]["AwsEndpointUrl"]["Default"]:
        yield "AwsEndpointUrl is for local use: its default has to be empty"


def denies_plain_http(statement: dict) -> bool:
    everything = (statement["Principal"], statement["Action"]) == ("*", "sqs:*")
    return everything and statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}


def kept_data(template: dict) -> Iterator[str]:
    """Neither the deletion of the stack nor the replacement of a resource deletes data."""
    for kind in STATEFUL:
        for name, resource in of_type(template["Resources"], kind):
            if resource.get("DeletionPolicy") not in KEPT or resource.get("UpdateReplacePolicy") != "Retain":
                yield f"{name} has data and is not retained"
    for name, table in of_type(template["Resources"], "AWS::DynamoDB::Table"):
        properties = table["Properties"]
        if properties.get("DeletionProtectionEnabled") is not True:
            yield f"{name} has no deletion protection"
        if properties.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name} is not encrypted with a key whose use CloudTrail logs"


def hidden_secrets(template: dict) -> Iterator[str]:
    """Secret parameters are used in secrets only, and CloudFormation resolves no secret."""
    secret = [name for name, parameter in template["Parameters"].items() if parameter.get("NoEcho")]
    resources = template["Resources"].items()
    places = {name: part for name, part in resources if part["Type"] != "AWS::SecretsManager::Secret"}
    for place, part in (places | {"Outputs": template["Outputs"]}).items():
        for text in (each for each in walk(part) if isinstance(each, str)):
            if text in secret or any(f"${{{name}}}" in text for name in secret) or "{{resolve:" in text:
                yield f"{place} has a secret that others can read"


def suppressions(source: dict) -> Iterator[str]:
    """The skipped checks are exactly those that checkov would report, each with a reason."""
    skipped = set()
    for name, resource in source["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            skipped.add((name, skip["id"]))
            if len(skip.get("comment", "")) < SHORTEST_REASON:
                yield f"{name} skips {skip['id']} without a reason"
    template = transformed(source)
    for resource in template["Resources"].values():
        resource.pop("Metadata", None)
    found = set(checkov_finds(template))
    yield from (f"{name} skips {check}, which reports nothing there" for name, check in sorted(skipped - found))
    # Includes resources that SAM adds, which checkov does not see in template.yaml.
    yield from (f"{name} fails {check}" for name, check in sorted(found - skipped))


def checkov_finds(template: dict) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "template.json"
        path.write_text(json.dumps(template))
        options = ["--framework", "cloudformation", "--skip-download", "--soft-fail", "--output", "json"]
        output = subprocess.run([CHECKOV, "--file", path, *options], check=True, capture_output=True, text=True).stdout
    report = json.loads(output)
    if not report["summary"]["passed"] or report["summary"]["parsing_errors"]:
        sys.exit(f"checkov could not parse the template: {report['summary']}")
    for failed in report["results"]["failed_checks"]:
        yield failed["resource"].rpartition(".")[2], failed["check_id"]


if __name__ == "__main__":
    main()
