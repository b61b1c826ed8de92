"""Each function has its own role, which allows exactly the calls of its code."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import permissions
import pytest
from deployment import Deployment, new_link_id, webhook
from stack.settings import ROOT

FUNCTIONS = ("WebhookFunction", "SyncFunction", "RequestFunction", "ReconcileFunction")


def test_a_function_without_its_permissions_can_do_nothing(deployment: Deployment):
    """Guards the other tests: they show that the roles suffice only if the local AWS enforces them."""
    body = webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available")
    with no_policies(deployment, "WebhookRole"):
        assert deployment.post(body).status_code == 503
    assert deployment.post(body).status_code == 202


def test_every_permission_is_needed():
    assert [each for each in permissions.permissions() if not each.users] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_call_is_allowed(function: str):
    allowed = [each for each in permissions.permissions() if each.function == function]
    needed = set().union(*map(permissions.actions, permissions.calls(function)))
    assert needed, "no calls found"
    assert needed - {each.action for each in allowed} == set()
    indexes = {each.resource.partition("/index/")[2] for each in allowed} - {""}
    assert permissions.queried_indexes(function) - indexes == set()


def test_transactions_only_update():
    """permissions.NEEDED_FOR relies on it: a put, a deletion or a check in a transaction would need more."""
    sources = [path.read_text() for path in ROOT.glob("crates/*/src/**/*.rs")]
    kinds = {kind for text in sources for kind in re.findall(r"TransactWriteItem::builder\(\)\s*\.(\w+)", text)}
    assert kinds == {"update"}


def test_the_page_of_permissions_is_up_to_date():
    written = (ROOT / "docs/permissions.md").read_text()
    assert written == permissions.page(), "run `make permissions`"


@contextmanager
def no_policies(deployment: Deployment, role: str) -> Iterator[None]:
    iam = deployment.aws.client("iam")
    [name] = [each["RoleName"] for each in iam.list_roles()["Roles"] if f"-{role}-" in each["RoleName"]]
    policies = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    for policy in policies:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        yield
    finally:
        for policy, document in policies.items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
