"""Reads template.yaml: as written, and as SAM transforms it for CloudFormation."""

import copy
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = "AWS::Lambda::Function"

# The transformation warns that its own metrics are not published.
logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)

Resources = dict[str, dict]


class NoManagedPolicies:
    """Resolves names of managed policies for SAM. The template has none."""

    def load(self) -> dict[str, str]:
        return {}


def read() -> dict:
    """Returns the template as written, with !Ref and the like in their long form."""
    return yaml_parse((ROOT / "template.yaml").read_text())


def transformed(source: dict) -> dict:
    """Returns the template after SAM's transformation."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = copy.deepcopy(source)
    for _, function in of_type(template["Resources"], "AWS::Serverless::Function"):
        # SAM replaces the path by the place of the upload.
        function["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(template, {}, NoManagedPolicies())


def of_type(resources: Resources, kind: str) -> Iterator[tuple[str, dict]]:
    return ((name, resource) for name, resource in resources.items() if resource["Type"] == kind)


def role_of(function: dict) -> str | None:
    """Returns the logical id of a function's role; `None` if the role is not in this template."""
    match function["Properties"].get("Role"):
        case {"Fn::GetAtt": [role, "Arn"]}:
            return role
    return None


def statements(role: dict) -> Iterator[dict]:
    for policy in role["Properties"].get("Policies", []):
        yield from as_list(policy["PolicyDocument"]["Statement"])


def as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def walk(value: Any) -> Iterator[Any]:
    """Yields a value and all values in it."""
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from walk(child)
