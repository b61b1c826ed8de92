"""Ports, files and names of a stack. Environment variables override them."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

REGION = "us-east-1"


@dataclass(frozen=True)
class Settings:
    """The settings of one stack. Stacks with different directories and ports are independent: tests do not touch yours."""

    # All that `up` writes: process ids, logs, data of the local AWS, outputs.
    state_dir: Path
    aws_port: int
    belvo_port: int
    stack_name: str = "belvo-sync"
    # Not reachable from the network: the local AWS runs any code that it receives.
    host: str = "127.0.0.1"

    @classmethod
    def from_environment(cls) -> "Settings":
        return cls(
            state_dir=ROOT / os.environ.get("STACK_DIR", ".local"),
            aws_port=int(os.environ.get("GATEWAY_PORT", "4566")),
            belvo_port=int(os.environ.get("FAKE_BELVO_PORT", "8099")),
            stack_name=os.environ.get("STACK_NAME", "belvo-sync"),
        )

    @property
    def aws_url(self) -> str:
        return f"http://{self.host}:{self.aws_port}"

    @property
    def belvo_url(self) -> str:
        return f"http://{self.host}:{self.belvo_port}"

    @property
    def outputs_file(self) -> Path:
        return self.state_dir / "stack.json"

    @property
    def belvo_key_file(self) -> Path:
        return self.state_dir / "belvo-key.json"

    @property
    def build_dir(self) -> Path:
        # `sam build` empties it first, so each stack has its own. They share target/, the expensive part.
        return self.state_dir / "build"

    @property
    def cargo_target_dir(self) -> Path:
        return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def local_environment(settings: Settings) -> dict[str, str]:
    """Returns the environment for clients of the local AWS, without profiles and credentials of real accounts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
    }
