"""Where things are: ports, files and names, each movable by an environment variable."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

REGION = "us-east-1"


@dataclass(frozen=True)
class Settings:
    """One stack. Two with different directories and ports do not meet: tests leave alone what a person plays with."""

    # Everything that `up` writes: process ids, logs, what the local AWS stores, outputs.
    state_dir: Path
    aws_port: int
    belvo_port: int
    stack_name: str = "belvo-sync"
    # Nobody else on the network has to reach them: the local AWS runs whatever code it is given.
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
        # `sam build` empties it first, so each stack has its own; what is expensive, target/, they share.
        return self.state_dir / "build"

    @property
    def cargo_target_dir(self) -> Path:
        return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def local_environment(settings: Settings) -> dict[str, str]:
    """The environment for a client of the local AWS: no profile and no credential of a real account gets through."""
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
