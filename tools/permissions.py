"""Lists the permissions of each function beside the calls in its code that need them.

    PYTHONPATH=tools .tools/aws/bin/python tools/permissions.py > docs/permissions.md

The permissions come from template.yaml, the calls from the release binaries: the AWS SDK names an operation in a header
(`X-Amz-Target: AmazonSQS.SendMessage`), and the linker keeps such a name only if the call is reachable.
tests/e2e/test_permissions.py compares the two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import botocore.session
from template import FUNCTION, ROOT, as_list, of_type, read, role_of, statements, transformed

# Names of services in IAM, and in the header.
SERVICES = {"dynamodb": "DynamoDB_20120810", "secretsmanager": "secretsmanager", "sqs": "AmazonSQS"}

# An action usually has the name of the only operation that needs it. These are the exceptions in use.
NEEDED_FOR = {
    "SendMessageBatch": {"sqs:SendMessage"},
    # All transactions consist of updates (crates/store/src/checkpoint.rs).
    "TransactWriteItems": {"dynamodb:UpdateItem"},
}

# Lambda calls these itself under the function's role: for the SQS event source, and for logs.
EVENT_SOURCE = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}


@dataclass(frozen=True)
class Permission:
    function: str
    action: str
    resource: str
    # What needs it.
    users: tuple[str, ...]


def permissions() -> Iterator[Permission]:
    """Yields every permission of every function."""
    template = transformed(read())
    for name, function in of_type(template["Resources"], FUNCTION):
        by_lambda = dict.fromkeys(LOGGING, "Lambda's logging")
        if takes_from_queue(template, name):
            by_lambda |= dict.fromkeys(EVENT_SOURCE, "Lambda's event source")
        for statement in statements(template["Resources"][role_of(function)]):
            for action, resource in product(as_list(statement["Action"]), as_list(statement["Resource"])):
                place = resource_name(resource)
                users = [operation for operation in sorted(calls(name)) if action in actions(operation)]
                if index := place.partition("/index/")[2]:
                    users = [f"{user} of {index}" for user in users if index in queried_indexes(name)]
                users += [by_lambda[action]] if action in by_lambda else []
                yield Permission(name, action, place, tuple(users))


def takes_from_queue(template: dict, function: str) -> bool:
    mappings = of_type(template["Resources"], "AWS::Lambda::EventSourceMapping")
    return any(mapping["Properties"]["FunctionName"] == {"Ref": function} for _, mapping in mappings)


@cache
def calls(function: str) -> set[str]:
    """Returns the operations that a function's binary can call, such as `sqs:SendMessageBatch`."""
    return {call for service in SERVICES for call in calls_to(service, binary(function))}


def queried_indexes(function: str) -> set[str]:
    """Returns the indexes in the conditions of queries, such as `gsi2pk = :shard AND ...`."""
    return {found.decode() for found in re.findall(rb"(gsi[0-9])pk = :[a-z]+ AND", binary(function))}


@cache
def binary(function: str) -> bytes:
    return (ROOT / "target/lambda" / function.removesuffix("Function").lower() / "bootstrap").read_bytes()


def calls_to(service: str, code: bytes) -> Iterator[str]:
    operations = botocore.session.get_session().get_service_model(service).operation_names
    # Strings in a binary have no separators, so only known names can be found. The lookahead allows the next header to follow
    # directly.
    for found in re.finditer(rf"{SERVICES[service]}\.(?=([A-Za-z]+))".encode(), code):
        text = found[1].decode()
        known = [operation for operation in operations if text.startswith(operation)]
        yield f"{service}:{max(known, key=len) if known else text}"


def actions(operation: str) -> set[str]:
    """Returns the actions that an operation needs."""
    return NEEDED_FOR.get(operation.partition(":")[2], {operation})


def resource_name(resource: dict) -> str:
    match resource:
        case {"Fn::GetAtt": [name, _]}:
            return name
        case {"Fn::Sub": text}:
            return text.replace("${Table.Arn}", "Table")
    raise ValueError(f"a resource with an unknown form: {resource}")


def page() -> str:
    """Returns the content of docs/permissions.md."""
    lines = [
        "# What each function may do",
        "",
        "The policies of [template.yaml](../template.yaml), beside what needs them: operations that are in the",
        "function's release binary, or Lambda itself. `make permissions` writes this page, and the end-to-end tests",
        "compare the two both ways: nothing is allowed that is not called, nothing is called that is not allowed.",
        "",
        "| function | may | to | for |",
        "|---|---|---|---|",
    ]
    for each in permissions():
        users = ", ".join(f"`{user.partition(':')[2]}`" if ":" in user else user for user in each.users)
        lines.append(f"| `{each.function}` | `{each.action}` | `{each.resource}` | {users or '**nothing**'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
