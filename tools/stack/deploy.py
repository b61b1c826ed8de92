"""Builds with cargo and SAM, and deploys the unchanged template to the local AWS."""

import json
import os
import subprocess
from pathlib import Path

import check_architecture
from stack.console import fail, say
from stack.local_aws import LocalAws
from stack.settings import ROOT, Settings, local_environment

SAM = ROOT / ".tools/sam/bin/sam"


def build_functions(settings: Settings) -> None:
    """Runs `sam build` with visible progress.

    A first build takes minutes, and SAM shows no progress. So the same cargo command runs here first; SAM then finds
    everything built.
    """
    for manifest in sorted((ROOT / "functions").glob("*/Cargo.toml")):
        run(["cargo", "lambda", "build", "--release"], settings, directory=manifest.parent)
    run_quietly([SAM, "build", "--build-dir", settings.build_dir], settings, settings.state_dir / "build.log")
    try:
        check_architecture.check(settings.build_dir, check_architecture.CONFIGURATION)
    except check_architecture.Refused as refused:
        fail(str(refused))


def build_fake_belvo(settings: Settings) -> None:
    run(["cargo", "build", "--package", "fake-belvo"], settings)


def deploy(settings: Settings, parameters: dict[str, str]) -> None:
    """Runs `sam deploy`."""
    overrides = [f"{name}={value}" for name, value in sorted(parameters.items())]
    command = [
        SAM, "deploy",
        # By default SAM looks for it beside the built template.
        "--config-file", ROOT / "samconfig.toml",
        "--template-file", settings.build_dir / "template.yaml",
        "--stack-name", settings.stack_name,
        "--no-confirm-changeset", "--no-progressbar",
        "--parameter-overrides", *overrides,
    ]
    run_quietly(command, settings, settings.state_dir / "deploy.log")


def grant_batches(aws: LocalAws) -> None:
    """Grants sqs:SendMessageBatch, which the local AWS needs. On AWS, sqs:SendMessage covers it."""
    iam = aws.client("iam")
    for role in iam.list_roles()["Roles"]:
        names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        policies = [iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"] for name in names]
        senders = [s for policy in policies for s in policy["Statement"] if "sqs:SendMessage" in s["Action"]]
        batches = [{"Effect": "Allow", "Action": "sqs:SendMessageBatch", "Resource": s["Resource"]} for s in senders]
        document = json.dumps({"Version": "2012-10-17", "Statement": batches})
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName="local-aws-batches", PolicyDocument=document)


def read_outputs(aws: LocalAws, stack_name: str) -> dict[str, str]:
    [stack] = aws.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def read_authorization(aws: LocalAws, outputs: dict[str, str]) -> str:
    """Returns the Authorization header that Belvo has to send."""
    secret = aws.client("secretsmanager").get_secret_value(SecretId=outputs["WebhookSecretArn"])
    return f"Bearer {json.loads(secret['SecretString'])['token']}"


def run(command: list[str | Path], settings: Settings, directory: Path = ROOT) -> None:
    if subprocess.run(command, cwd=directory, env=environment(settings), check=False).returncode != 0:
        fail(f"{' '.join(map(str, command))} failed")


def run_quietly(command: list[str | Path], settings: Settings, log: Path) -> None:
    """Writes the output to a file, and prints its end when the command fails."""
    with log.open("w") as output:
        result = subprocess.run(
            command, cwd=ROOT, env=environment(settings), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode != 0:
        say(log.read_text()[-4000:])
        fail(f"{Path(command[0]).name} {command[1]} failed; its output is in {log}")


def environment(settings: Settings) -> dict[str, str]:
    # SAM finds cargo-lambda, and cargo-lambda finds zig, through PATH.
    return local_environment(settings) | {"PATH": f"{SAM.parent}{os.pathsep}{os.environ['PATH']}"}
