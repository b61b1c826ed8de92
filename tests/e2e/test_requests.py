"""The request function, invoked directly."""

import base64
import json
from typing import Any

from deployment import Deployment, new_link_id, webhook
from stack.fake_belvo import Control


def test_a_resync_lists_changes_without_a_webhook(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=2, transactions=40)
    deployment.post(webhook(link_id))
    deployment.wait_for_applied(link_id, 1)
    belvo.change_transactions(link_id, add=3, announce=False)

    answer = invoke(deployment, {"action": "resync", "link_id": link_id})

    assert answer == {"action": "resync", "link_id": link_id, "resources": ["TRANSACTIONS"]}
    deployment.wait_for_applied(link_id, 2)
    assert deployment.records(link_id, "TRANSACTIONS").keys() == {
        each["id"] for each in belvo.truth(link_id, "transactions")
    }
    assert [event["source"] for event in deployment.events(link_id)] == ["webhook", "resync"]


def test_a_resync_adds_a_link_that_is_not_in_the_table(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=2, transactions=40)

    assert error(deployment, {"action": "resync", "link_id": link_id})["errorType"] == "NothingSynced"
    invoke(deployment, {"action": "resync", "link_id": link_id, "resources": ["ACCOUNTS", "TRANSACTIONS"]})

    deployment.wait_for_applied(link_id, 2)
    assert len(deployment.records(link_id, "ACCOUNTS")) == 2
    assert len(deployment.records(link_id, "TRANSACTIONS")) == 40


def test_a_widget_token_reaches_the_caller_and_no_log(deployment: Deployment):
    answer = invoke(deployment, {"action": "widget_token", "fetch_resources": ["ACCOUNTS"], "external_id": "user-7"})

    assert answer["action"] == "widget_token"
    header, claims, _ = answer["access"].split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"
    assert [line for line in deployment.logs() if claims in line] == []


def test_invalid_input_is_rejected_with_the_name_of_the_field(deployment: Deployment):
    refused = error(deployment, {"action": "retrieve", "resource": "TRANSACTIONS", "link_id": "canary/7f3e"})

    assert refused["errorType"] == "InvalidInput"
    assert refused["errorMessage"].startswith("link_id: ")
    assert "canary" not in json.dumps(refused)


def test_a_webhook_creates_the_item_of_a_request_that_another_client_started(deployment: Deployment, belvo: Control):
    link_id = belvo.create_link(id=new_link_id(), accounts=1, transactions=10)
    body = webhook(link_id, "TRANSACTIONS", "new_transactions_available", new_transactions=10)

    deployment.post(body)
    deployment.wait_for_applied(link_id, 1)

    request = deployment.items(f"REQUEST#{body['request_id'].replace('-', '')}")["REQUEST"]
    assert (request["status"], request["resource"], request["link_id"]) == ("completed", "TRANSACTIONS", link_id)


def invoke(deployment: Deployment, payload: dict) -> Any:
    answer, failed = call(deployment, payload)
    assert not failed, answer
    return answer


def error(deployment: Deployment, payload: dict) -> Any:
    answer, failed = call(deployment, payload)
    assert failed, answer
    return answer


def call(deployment: Deployment, payload: dict) -> tuple[Any, bool]:
    """Returns the function's response, and whether it is an error."""
    functions, name = deployment.aws.client("lambda"), deployment.outputs["RequestFunctionName"]
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(payload))
    return json.loads(answer["Payload"].read()), "FunctionError" in answer
