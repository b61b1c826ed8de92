"""The commands build, up, down and status."""

import json
import shutil
import socket
from contextlib import closing
from dataclasses import dataclass, field

from stack import deploy
from stack.console import fail, say, step
from stack.fake_belvo import BelvoKey, FakeBelvo
from stack.local_aws import LocalAws
from stack.settings import REGION, Settings
from stack.table import Table

# Belvo retries after minutes. Here a short interval saves time.
WEBHOOK_RETRY_MS = 2_000


def build(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with step("Building the functions for release"):
        deploy.build_functions(settings)
    with step("Building fake-belvo"):
        deploy.build_fake_belvo(settings)


@dataclass
class Running:
    """A running stack."""

    outputs: dict[str, str]
    webhook_url: str
    belvo_url: str
    aws: LocalAws
    belvo: FakeBelvo
    # repr=False: credentials must not appear in tracebacks.
    authorization: str = field(repr=False)
    belvo_key: BelvoKey = field(repr=False)

    @property
    def table(self) -> Table:
        return Table(self.aws, self.outputs["TableName"])


def up(settings: Settings, parameters: dict[str, str]) -> None:
    running = start(settings, parameters)
    welcome(settings, running)


def start(settings: Settings, parameters: dict[str, str]) -> Running:
    build(settings)
    aws, belvo = LocalAws(settings), FakeBelvo(settings)
    key = BelvoKey.load_or_create(settings)
    if not aws.process.is_running():
        refuse_taken_port(settings.host, settings.aws_port, "GATEWAY_PORT")
        with step(f"Starting the local AWS on {settings.aws_url}"):
            aws.start()
    if not belvo.process.is_running():
        refuse_taken_port(settings.host, settings.belvo_port, "FAKE_BELVO_PORT")
        with step(f"Starting fake-belvo on {settings.belvo_url}"):
            belvo.start(key)
    with step("Deploying template.yaml"):
        deploy.deploy(settings, local_parameters(settings, key) | parameters)
        deploy.grant_batches(aws)

    outputs = deploy.read_outputs(aws, settings.stack_name)
    authorization = deploy.read_authorization(aws, outputs)
    url = webhook_url(settings, outputs)
    belvo.control.set_webhook(url, authorization, WEBHOOK_RETRY_MS)
    description = {
        "aws_url": settings.aws_url,
        "belvo_url": settings.belvo_url,
        "webhook_url": url,
        "outputs": outputs,
    }
    settings.outputs_file.write_text(json.dumps(description, indent=2) + "\n")
    return Running(outputs, url, settings.belvo_url, aws, belvo, authorization, key)


def down(settings: Settings) -> None:
    """Stops only what `up` of this directory started."""
    for name, was_running in end(settings).items():
        say(f"{name}: {'stopped' if was_running else 'was not running'}")


def end(settings: Settings) -> dict[str, bool]:
    """Stops the processes without output. Returns which of them were running."""
    processes = (FakeBelvo(settings).process, LocalAws(settings).process)
    ended = {process.name: process.stop() for process in processes}
    settings.outputs_file.unlink(missing_ok=True)
    # The local AWS keeps the functions' code of each deployment.
    shutil.rmtree(settings.state_dir / "local-aws", ignore_errors=True)
    return ended


def status(settings: Settings) -> None:
    aws, belvo = LocalAws(settings), FakeBelvo(settings)
    for process in (aws.process, belvo.process):
        pid = process.pid()
        say(f"{process.name:<12} {f'running, process {pid}' if pid else 'not running'}")
    if not (aws.process.is_running() and settings.outputs_file.is_file()):
        return
    outputs = json.loads(settings.outputs_file.read_text())["outputs"]
    for title, output in (("queue", "QueueUrl"), ("dead letters", "DeadLetterQueueUrl")):
        waiting, in_flight = queue_depth(aws, outputs[output])
        say(f"{title:<12} {waiting} waiting, {in_flight} in flight or in backoff")
    kinds = Table(aws, outputs["TableName"]).kinds()
    for kind, items in sorted(kinds.items()):
        say(f"{'table':<12} {items:,} {kind}")


def queue_depth(aws: LocalAws, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])


def local_parameters(settings: Settings, key: BelvoKey) -> dict[str, str]:
    return {
        "BelvoBaseUrl": settings.belvo_url,
        "BelvoSecretId": key.secret_id,
        "BelvoSecretPassword": key.secret_password,
        "AwsEndpointUrl": settings.aws_url,
    }


def webhook_url(settings: Settings, outputs: dict[str, str]) -> str:
    """Returns the stack's WebhookUrl in a form that every client can reach.

    Its host is <api id>.execute-api.localhost. curl and browsers resolve anything.localhost to this machine, but the
    system's resolver often does not. The local AWS accepts the id in the path too.
    """
    api_id = outputs["WebhookUrl"].removeprefix("http://").partition(".")[0]
    return f"{settings.aws_url}/_aws/execute-api/{api_id}/$default/webhooks"


def refuse_taken_port(host: str, port: int, variable: str) -> None:
    with closing(socket.socket()) as probe:
        # As the servers do: a port whose connection has just closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            fail(f"another program uses port {port}; set another one with {variable}=...")


def welcome(settings: Settings, running: Running) -> None:
    url, authorization, table = running.webhook_url, running.authorization, running.outputs["TableName"]
    environment = (
        f"AWS_ENDPOINT_URL={settings.aws_url} AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    )
    say(f"""
belvo-sync runs until `make down`.

  webhook      {url}
  Belvo        {settings.belvo_url} (fake-belvo; key in {settings.belvo_key_file})
  AWS          {settings.aws_url} (access key test, secret test, region us-east-1)
  names        {settings.outputs_file}
  logs         {settings.state_dir}/*.log

Create a bank link at the fake Belvo server, then post the webhook for its transactions:

  curl -X POST {settings.belvo_url}/_control/links -H 'content-type: application/json' \\
    -d '{{"id": "my-first-link", "accounts": 3, "transactions": 2500}}'
  curl -i -X POST '{url}' \\
    -H 'Authorization: {authorization}' -H 'content-type: application/json' \\
    -d '{{"webhook_id": "1", "webhook_type": "TRANSACTIONS", "webhook_code": "historical_update",
         "link_id": "my-first-link", "request_id": "2", "external_id": null, "data": {{"total_transactions": 2500}}}}'

The same body within five minutes is a duplicate: change webhook_id to post it again.

  make status
  TABLE_NAME={table} {environment} \\
    .tools/aws/bin/python examples/read-table/python/read_table.py accounts my-first-link""")
