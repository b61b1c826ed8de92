"""The functions run with their own roles, whose policies list what each may do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from deployment import Deployment, new_link_id, webhook


def test_a_function_without_its_permissions_can_do_nothing(deployment: Deployment):
    """Guards all other tests: they show that the roles suffice only as long as roles count here."""
    body = webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available")
    with no_policies(deployment, "WebhookRole"):
        assert deployment.post(body).status_code == 503
    assert deployment.post(body).status_code == 202


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
