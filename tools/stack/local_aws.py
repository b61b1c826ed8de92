"""The local AWS: ministack, a Python package."""

import os

import boto3
import requests
from botocore.config import Config

from stack.processes import Process
from stack.settings import REGION, ROOT, Settings

START_SECONDS = 60


class LocalAws:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.process = Process("local-aws", settings.state_dir)

    def start(self) -> None:
        """Starts the local AWS without data. It keeps data in memory, so a stack ends with this process."""
        self.process.start([ROOT / ".tools/aws/bin/python", "-m", "ministack"], self._environment())
        self.process.wait_until(self.answers, START_SECONDS)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self._settings.aws_url}/_ministack/health", timeout=2).ok
        except requests.RequestException:
            return False

    def client(self, service: str):  # noqa: ANN201 (boto3 makes its classes at run time)
        session = boto3.Session("test", "test", region_name=REGION)
        # Fail at once when the process has ended, instead of after a minute of retries.
        config = Config(connect_timeout=2, retries={"total_max_attempts": 2})
        return session.client(service, endpoint_url=self._settings.aws_url, config=config)

    def _environment(self) -> dict[str, str]:
        """Returns a minimal environment, because the local AWS passes its own to the functions."""
        scratch = self._settings.state_dir / "local-aws"
        scratch.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "S3_DATA_DIR": str(scratch / "s3"),
            "GATEWAY_PORT": str(self._settings.aws_port),
            "BIND_HOST": self._settings.host,
            "LAMBDA_EXECUTOR": "local",
            # Enforces roles, as AWS does: a function without a permission fails here too.
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            # For the functions.
            "AWS_ENDPOINT_URL": self._settings.aws_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # Listeners on fixed ports, which two stacks cannot share.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
