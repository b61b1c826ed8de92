"""The deployed stack for tests: post webhooks, read queues, table and logs.

It uses public interfaces only: HTTP, the stack's outputs, and the table as docs/data-model.md describes it.
"""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import pytest
import requests
from stack import deploy
from stack.fake_belvo import BelvoKey, Control
from stack.lifecycle import queue_depth
from stack.local_aws import LocalAws
from stack.settings import ROOT, Settings, local_environment
from stack.table import Table

# Timeout of steps that take a second or two.
PATIENCE_SECONDS = 90

RIGHT_ONE = "the header that Belvo sends"

T = TypeVar("T")


@dataclass
class Deployment:
    settings: Settings
    webhook_url: str
    # repr=False: credentials must not appear in pytest's reports.
    authorization: str = field(repr=False)
    outputs: dict[str, str]
    aws: LocalAws
    belvo: Control
    belvo_key: BelvoKey = field(repr=False)

    @classmethod
    def load(cls, settings: Settings) -> "Deployment":
        description = json.loads(settings.outputs_file.read_text())
        aws = LocalAws(settings)
        return cls(
            settings=settings,
            webhook_url=description["webhook_url"],
            authorization=deploy.read_authorization(aws, description["outputs"]),
            outputs=description["outputs"],
            aws=aws,
            belvo=Control(settings.belvo_url),
            belvo_key=BelvoKey.load_or_create(settings),
        )

    # The front door

    def post(self, body: Any, authorization: str | None = RIGHT_ONE) -> requests.Response:
        """Posts a webhook as Belvo does. `None` sends no Authorization header."""
        return self.request("POST", body, self.authorization if authorization is RIGHT_ONE else authorization)

    def request(
        self, method: str, body: Any = None, authorization: str | None = None, content_type: str = "application/json"
    ) -> requests.Response:
        headers = {"Content-Type": content_type}
        if authorization is not None:
            headers["Authorization"] = authorization
        data = body if isinstance(body, bytes | str | None) else json.dumps(body)
        return requests.request(method, self.webhook_url, data=data, headers=headers, timeout=30)

    # Queues

    def depth(self, output: str = "QueueUrl") -> int:
        """Returns the number of messages in a queue, visible or not."""
        return sum(queue_depth(self.aws, self.outputs[output]))

    def wait_for_depth(self, messages: int) -> None:
        """Waits until the queue has this number of messages, and checks that it stays."""
        wait_until(lambda: self.depth() == messages, lambda: f"{messages} messages; there are {self.depth()}")
        time.sleep(0.5)
        assert self.depth() == messages

    def dead_letters(self) -> list[dict]:
        """Removes all messages from the dead-letter queue. Returns their parsed bodies and attributes."""
        sqs, url, letters = self.aws.client("sqs"), self.outputs["DeadLetterQueueUrl"], []
        while received := sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"]).get("Messages"):
            for message in received:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                letters.append({"body": json.loads(message["Body"]), "attributes": message["Attributes"]})
        return letters

    @contextmanager
    def paused_sync(self) -> Iterator[None]:
        """Disables the sync function's event source, so that messages can be counted."""
        functions, name = self.aws.client("lambda"), self.outputs["SyncFunctionName"]
        [mapping] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        wait_until(lambda: self.depth() == 0, "an empty queue")
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    # Functions

    @contextmanager
    def environment(self, output: str, variable: str, value: str) -> Iterator[None]:
        """Sets a variable of a function. Its next invocation is a cold start."""
        functions, name = self.aws.client("lambda"), self.outputs[output]
        original = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        changed = original | {variable: value}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": original})

    def logs(self) -> list[str]:
        """Returns every line of every log group of the stack."""
        logs, lines = self.aws.client("logs"), []
        for group in logs.describe_log_groups()["logGroups"]:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines += [event["message"] for page in pages for event in page["events"]]
        return lines

    # The operator's command line

    def operate(
        self,
        *arguments: str,
        typed: str = "",
        stdin: int | None = None,
        status: int = 0,
        administrator: bool = False,
    ) -> subprocess.CompletedProcess:
        """Runs `belvo-sync` with the rights of docs/operator-policy.json. Fails if it exits with another status. Input comes
        through a pipe, or `stdin`."""
        environment = local_environment(self.settings) | {"STACK_NAME": self.settings.stack_name}
        environment |= {} if administrator else self.operator
        command = [self.settings.cargo_target_dir / "debug" / "belvo-sync", *arguments]
        where = {"input": typed} if stdin is None else {"stdin": stdin}
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, **where
        )
        assert result.returncode == status, result.stderr
        return result

    @cached_property
    def operator(self) -> dict[str, str]:
        """Returns the credentials of a user with the documented policy only."""
        iam, name = self.aws.client("iam"), "operator"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(self.operator_policy()))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def operator_policy(self) -> dict:
        """Returns docs/operator-policy.json with its placeholders replaced, as docs/operations.md does."""
        table = self.outputs["TableStreamArn"].partition("/stream/")[0]
        region, account = table.split(":")[3:5]
        text = (ROOT / "docs/operator-policy.json").read_text()
        for name, value in {
            "REGION:ACCOUNT": f"{region}:{account}", "STACK": self.settings.stack_name, "TABLE_ARN": table,
            "WEBHOOK_SECRET_ARN": self.outputs["WebhookSecretArn"], "BELVO_SECRET_ARN": self.outputs["BelvoSecretArn"],
        }.items():  # fmt: skip
            text = text.replace(name, value)
        # As for the functions' roles: stack.deploy.grant_batches.
        return json.loads(text.replace('"sqs:SendMessage"', '"sqs:SendMessage", "sqs:SendMessageBatch"'))

    # The table

    def scan(self) -> list[dict]:
        """Returns every item of the table in DynamoDB's format."""
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["TableName"])
        return [item for page in pages for item in page["Items"]]

    def indexed(self, partition: str) -> bool:
        """Returns `True` if this partition of the index gsi1 has an item."""
        found = self.aws.client("dynamodb").query(
            TableName=self.outputs["TableName"], IndexName="gsi1", Limit=1,
            KeyConditionExpression="gsi1pk = :pk", ExpressionAttributeValues={":pk": {"S": partition}},
        )
        return bool(found["Items"])

    def link_items_raw(self, link_id: str) -> list[dict]:
        return [item for item in self.scan() if item["pk"]["S"] == f"LINK#{link_id}"]

    def put_raw(self, items: list[dict]) -> None:
        for item in items:
            self.aws.client("dynamodb").put_item(TableName=self.outputs["TableName"], Item=item)

    def delete_raw(self, item: dict) -> None:
        key = {"pk": item["pk"], "sk": item["sk"]}
        self.aws.client("dynamodb").delete_item(TableName=self.outputs["TableName"], Key=key)

    def items(self, partition: str, prefix: str = "") -> dict[str, dict]:
        return Table(self.aws, self.outputs["TableName"]).items(partition, prefix)

    def link_items(self, link_id: str, prefix: str = "") -> dict[str, dict]:
        return self.items(f"LINK#{link_id}", prefix)

    def let_time_pass(self, link_id: str, days: int) -> None:
        """Moves the link's last webhook and its due time back by these days."""
        link = self.link_items(link_id)["LINK"]
        earlier = days * 24 * 60 * 60 * 1000
        self.aws.client("dynamodb").update_item(
            TableName=self.outputs["TableName"],
            Key={"pk": {"S": f"LINK#{link_id}"}, "sk": {"S": "LINK"}},
            UpdateExpression="SET last_event_at = :last, gsi2sk = :due",
            ExpressionAttributeValues={
                ":last": {"N": str(int(link["last_event_at"]) - earlier)},
                ":due": {"S": f"{int(link['gsi2sk']) - earlier:013d}"},
            },
        )

    def records(self, link_id: str, resource: str) -> dict[str, dict]:
        return Table(self.aws, self.outputs["TableName"]).records(link_id, resource)

    def events(self, link_id: str) -> list[dict]:
        """Returns the events of a link, oldest first."""
        return list(self.link_items(link_id, "EVENT#").values())

    def outcomes(self, link_id: str) -> list[str]:
        return [event["outcome"] for event in self.events(link_id)]

    def wait_for_outcome(self, link_id: str, outcome: str) -> dict:
        """Waits until an event of the link has this outcome."""

        def ended() -> dict | None:
            return next((event for event in self.events(link_id) if event["outcome"] == outcome), None)

        return wait_until(ended, lambda: f"an event to end as {outcome}; they are {self.outcomes(link_id)}")


    def wait_for_applied(self, link_id: str, count: int) -> None:
        """Waits until the link has this number of events, all of them applied."""

        def all_applied() -> bool:
            outcomes = self.outcomes(link_id)
            return len(outcomes) >= count and set(outcomes) == {"applied"}

        wait_until(all_applied, lambda: f"{count} applied events; they are {self.outcomes(link_id)}")


def webhook(
    link_id: str, webhook_type: str = "TRANSACTIONS", webhook_code: str = "historical_update", **data: Any
) -> dict:
    """Returns a webhook in the form that Belvo documents."""
    return {
        "webhook_id": uuid.uuid4().hex,
        "webhook_type": webhook_type,
        "process_type": webhook_code,
        "webhook_code": webhook_code,
        "link_id": link_id,
        "request_id": str(uuid.uuid4()),
        "external_id": None,
        "data": data,
    }


def new_link_id() -> str:
    return str(uuid.uuid4())


def wait_until(condition: Callable[[], T], what: str | Callable[[], str]) -> T:
    """Calls `condition` until its result is truthy, and returns that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_SECONDS} s in vain for {what if isinstance(what, str) else what()}")
        time.sleep(0.2)
    return answer
