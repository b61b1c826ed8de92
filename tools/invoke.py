"""Invokes a function in Docker with an event file: `sam local invoke`.

    python3 tools/invoke.py events/webhook/transactions-historical-update.json

The directory names the function. A local AWS provides the secret, the queue and the table for this run. It listens on
Docker's bridge only, where the container reaches it. events/env.json has the names, and the events have the token: these
are no secrets.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack import deploy
from stack.console import fail, say
from stack.fake_belvo import BelvoKey, FakeBelvo
from stack.local_aws import LocalAws
from stack.settings import ROOT, Settings

ENVIRONMENT_FILE = ROOT / "events" / "env.json"
FUNCTIONS = {
    "webhook": "WebhookFunction", "sync": "SyncFunction", "request": "RequestFunction",
    "reconcile": "ReconcileFunction",
}

AWS_PORT, BELVO_PORT = 4570, 8570
# The bridge's usual address, which events/env.json uses.
USUAL_BRIDGE = "172.17.0.1"

WEBHOOK_TOKEN = "local-webhook-token-for-sam-local-invoke-only"
BELVO_KEY = BelvoKey("local-secret-id", "local-secret-password")


def main() -> None:
    events = [Path(argument).resolve() for argument in sys.argv[1:]]
    if not events:
        sys.exit(__doc__)
    for event in events:
        if not event.is_file():
            fail(f"there is no event {event}")
    with functions() as run:
        for event in events:
            print(json.dumps(run(event), indent=2), flush=True)


@contextmanager
def functions(*, quiet: bool = False) -> Iterator[Callable[[Path], dict]]:
    """Builds the functions and starts what they need. Yields a function from an event file to the response."""
    settings = Settings(ROOT / ".local" / "invoke", AWS_PORT, BELVO_PORT, host=docker_bridge())
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    deploy.build_functions(settings)
    deploy.build_fake_belvo(settings)
    with surroundings(settings):
        yield lambda event: invoke(settings, event, quiet=quiet)


def invoke(settings: Settings, event: Path, *, quiet: bool) -> dict:
    """Returns the function's response. Its log goes to stderr, unless `quiet`."""
    function = FUNCTIONS.get(event.parent.name) or fail(f"{event} is not below events/{' or events/'.join(FUNCTIONS)}")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as variables:
        variables.write(ENVIRONMENT_FILE.read_text().replace(USUAL_BRIDGE, settings.host))
        variables.flush()
        command = [
            deploy.SAM, "local", "invoke", function,
            "--template", settings.build_dir / "template.yaml",
            "--event", event,
            "--env-vars", variables.name,
            # Sets the variable, which the template leaves out on AWS.
            "--parameter-overrides", f"AwsEndpointUrl={settings.aws_url}",
            "--skip-pull-image",
        ]
        run = subprocess.run(
            command, cwd=ROOT, env=deploy.environment(settings), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None,
        )
    if run.returncode != 0 or not run.stdout.strip():
        say(run.stderr or "")
        fail(f"sam local invoke {function} returned no response")
    return json.loads(run.stdout)


def docker_bridge() -> str:
    """Returns the host's address on Docker's default network, after making sure that the base image exists."""
    if subprocess.run([ROOT / "tools" / "docker-base"], check=False).returncode != 0:
        fail("`sam local invoke` needs Docker; `make up` does not")
    template = "{{(index .IPAM.Config 0).Gateway}}"
    command = ["docker", "network", "inspect", "bridge", "--format", template]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or USUAL_BRIDGE


@contextmanager
def surroundings(settings: Settings) -> Iterator[None]:
    """Starts a local AWS with the functions' resources, and a fake Belvo server."""
    aws, belvo = LocalAws(settings), FakeBelvo(settings)
    for process in (aws.process, belvo.process):
        process.stop()
    try:
        aws.start()
        belvo.start(BELVO_KEY)
        create_resources(aws)
        yield
    finally:
        belvo.process.stop()
        aws.process.stop()


def create_resources(aws: LocalAws) -> None:
    names = json.loads(ENVIRONMENT_FILE.read_text())
    secrets = aws.client("secretsmanager")
    secrets.create_secret(
        Name=names["WebhookFunction"]["WEBHOOK_SECRET_ARN"], SecretString=json.dumps({"token": WEBHOOK_TOKEN})
    )
    secrets.create_secret(Name=names["SyncFunction"]["BELVO_SECRET_ARN"], SecretString=json.dumps(vars(BELVO_KEY)))
    for variable in ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
        queue = names["SyncFunction"][variable].rpartition("/")[2]
        aws.client("sqs").create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})
    create_table(aws, names["SyncFunction"]["TABLE_NAME"])


def create_table(aws: LocalAws, name: str) -> None:
    """Creates the table with the keys and indexes of template.yaml."""
    indexes = ("gsi1", "gsi2")
    attributes = [f"{prefix}{part}" for prefix in ("", *indexes) for part in ("pk", "sk")]
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        KeySchema=keys(""),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": keys(index), "Projection": {"ProjectionType": "ALL"}} for index in indexes
        ],
    )


def keys(prefix: str) -> list[dict]:
    return [{"AttributeName": f"{prefix}pk", "KeyType": "HASH"}, {"AttributeName": f"{prefix}sk", "KeyType": "RANGE"}]


if __name__ == "__main__":
    main()
